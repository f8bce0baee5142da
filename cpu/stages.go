package cpu

import "github.com/smoothl1/smoothl1/cpu/internal/core"

// A pass that no core kernel makes alone is made in stages, piece by piece, so that a piece stays in the cache from one stage to the
// next. A stage is a method of the pass over one piece. Since an output may be the same array as an input, a stage that writes an
// output must follow all stages that read the input.

// piece is the number of elements of a piece. Longer pieces are no faster, in any cache or from memory.
const piece = Chunk

// inStages makes the pass in stages, piece by piece.
func (p *pass[T]) inStages() {
	for start := 0; start < p.N; start += piece {
		q := p.part(start, min(piece, p.N-start))
		q.stages()
	}
}

// stages makes the pass over one piece: the reduced loss, and gradients for an elementwise upstream gradient.
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
