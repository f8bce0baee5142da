package difftest

import (
	"math"
	"math/rand/v2"
	"sync"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/op"
)

// tieCases returns cases of the types of 16 bits for every operation, lean and rich, with aligned arrays and others, that show how each step
// of the computation rounds.
func tieCases() []Case {
	var cases []Case
	for _, t := range []smoothl1.DType{smoothl1.Float16, smoothl1.BFloat16} {
		for _, p := range Ops {
			grads, upstreams := asked(p)
			for _, l := range []smoothl1.Loss{{Beta: 1}, {Beta: 4}, {Beta: 0.3}, {Beta: 4.5, Reduction: smoothl1.Sum}, {Kind: smoothl1.Huber, Beta: 0.3}} {
				for _, g := range grads {
					for i, shift := range []int{0, 1, 10, 100, 1000, 10000} {
						c := Case{
							Op: p, DType: t, Loss: l, N: 3*cpu.Chunk - (len(cases)/6+i)%2, Data: Ties, Seed: uint64(len(cases)), Upstream: 1.1, Grads: g, Shift: shift, Blocks: 1,
						}
						for _, c.Elementwise = range upstreams {
							cases = append(cases, c)
						}
						c.Elementwise = false
						if i < 2 { // with chunks that warps share
							c.Blocks = 0
							cases = append(cases, c)
							c.Forms[op.RoleTerms], c.Forms[op.RoleAbs] = Dense, Dense // for rich kernels
							cases = append(cases, c)
						}
					}
				}
			}
		}
	}
	return cases
}

// tieKey is what the pairs for a case depend on.
type tieKey struct {
	dtype         smoothl1.DType
	loss          smoothl1.Loss
	differentiate bool
	elementwise   bool
	upstream      float64
	n             int
}

var tiePairs sync.Map // by tieKey: [][2]float64

// ties returns pairs of pred and target for Ties, some below beta and some above: those of random pairs that show the last bit of what an
// operation writes, a gradient or a term.
func ties(c Case) [][2]float64 {
	key := tieKey{c.DType, c.Loss, c.Op.Differentiates(), c.Elementwise, c.Upstream, c.N}
	if pairs, ok := tiePairs.Load(key); ok {
		return pairs.([][2]float64)
	}
	const enough, tries = 16, 1 << 21 // of either; one in 2^13 shows it in float16, one in 2^16 in bfloat16
	g := generator{Rand: rand.New(rand.NewPCG(uint64(c.N), 0x74696573)), format: formatOf(c.DType)}
	beta, up := float32(c.Loss.Beta), float32(c.Upstream)
	if c.Elementwise {
		up = float32(g.round(c.Upstream))
	}
	norm := float32(1 / op.Divisor(c.Loss.Reduction, smoothl1.Divisor{}, c.N))
	outer, divisor := float32(1), beta
	if c.Loss.Kind == smoothl1.Huber {
		outer, divisor = beta, 1
	}
	shows := func(x float32) bool {
		return g.round(float64(x)) != g.round(float64(math.Nextafter32(x, 0)))
	}
	pairs := [][2]float64{{g.round(c.Loss.Beta), 0}}
	found := map[bool]int{} // by whether they are below beta
	for range tries {
		if found[true] == enough && found[false] == enough {
			break
		}
		pred, target := g.round(g.normal()*c.Loss.Beta), g.round(math.Ldexp(g.normal()*c.Loss.Beta, -g.IntN(24)))
		d := float32(pred) - float32(target)
		a := float32(math.Abs(float64(d)))
		if found[a < beta] == enough {
			continue
		}
		written := outer * float32(a-float32(0.5*beta)) // the gradient does not depend on it
		switch {
		case a >= beta:
		case c.Op.Differentiates():
			written = float32(float32(norm*d)*up) / divisor
		default:
			written = float32(float32(0.5*a)*a) / divisor
		}
		if shows(written) {
			pairs = append(pairs, [2]float64{pred, target})
			found[a < beta]++
		}
	}
	tiePairs.Store(key, pairs)
	return pairs
}
