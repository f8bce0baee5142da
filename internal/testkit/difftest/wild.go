package difftest

import (
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Wild returns cases for each rich kernel in which the index of some rows is one that pred does not have.
func Wild() []Case {
	var cases []Case
	for _, p := range []op.Pass{ForwardTerms, Backward} {
		for _, t := range Types {
			for _, beta := range []float64{1, 0.1} {
				for _, actions := range []int{5, 40} {
					c := Case{
						Op: p, DType: t, Loss: smoothl1.Loss{Beta: beta}, Rows: 300, Cols: 1, N: 300, Seed: uint64(len(cases)), Upstream: 1,
						Actions: actions, Wild: true,
					}
					c.Forms[op.RoleTerms], c.Forms[op.RoleAbs] = Dense, Dense
					if p.Differentiates() {
						c.Grads, c.Forms[op.RoleSecond] = GradPred|GradTarget, Dense
						cases = append(cases, c)
						c.Accumulate = c.Grads
					}
					cases = append(cases, c)
				}
			}
		}
	}
	return cases
}

// stray returns the arrays x of a case with an index of which every third row is wild, and changes want, the results with the index of
// x, to what they are then: NaN, but for a gradient with respect to pred of +0, or as it was if it is accumulated.
func (c Case) stray(x, want *Arrays) *Arrays {
	wild := func(row int) bool { return row%3 == 1 }
	x = x.clone()
	index := elements[int32](x.of[op.RoleIndex])
	for row := range index {
		if wild(row) {
			index[row] = []int32{-1, int32(c.Actions), math.MaxInt32, math.MinInt32}[row/3%4]
		}
	}
	for r, a := range want.of {
		role := op.Role(r)
		if a == nil || !role.IsOutput() {
			continue
		}
		size := a.dtype.Size()
		to, nan := a.whole[a.from:a.to], newArray(a.dtype, smoothl1.View{}, 1, 0).whole
		want.each(role, func(i, row, _ int) {
			switch element := to[i*size:][:size]; {
			case !wild(row):
			case role != op.RoleGradPred:
				copy(element, nan)
			case c.Accumulate&GradPred != 0:
				copy(element, x.of[r].whole[a.from+i*size:][:size])
			default:
				clear(element)
			}
		})
	}
	return x
}
