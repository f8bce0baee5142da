package cpu

import "github.com/smoothl1/smoothl1/cpu/internal/core"

// What no core kernel does alone is done in stages, by the piece, which stays in the cache from one stage to the next. A stage is
// a method of the pass over a piece that does its part of the operation. An output may be an input: a stage that writes one comes
// behind all stages that read what it overwrites.

// piece is the number of elements that go through the stages together. Longer pieces take as long or longer, in every cache and
// from memory.
const piece = Chunk

// inStages makes the pass.
func (p *pass[T]) inStages() {
	for start := 0; start < p.N; start += piece {
		q := p.part(start, min(piece, p.N-start))
		q.stages()
	}
}

// stages makes the pass over one piece: a loss with gradients for an upstream gradient per element.
func (p *pass[T]) stages() {
	p.addUp()
	p.differentiate()
}

// addUp writes the chunk sums of the loss terms.
func (p *pass[T]) addUp() {
	kernel, quotient := p.Kernel, p.Quotient
	p.Kernel = core.Forward
	if quotient == core.One && p.Outer == 1 {
		p.Quotient = core.Unit
	}
	core.Call(&p.Params)
	p.Kernel, p.Quotient = kernel, quotient
}

// differentiate writes the gradients.
func (p *pass[T]) differentiate() { core.Call(&p.Params) }
