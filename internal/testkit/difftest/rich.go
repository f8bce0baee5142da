package difftest

import (
	"math/rand/v2"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Lean reports whether the case is one for lean kernels: over dense arrays, and with nothing that they do not have.
func (c Case) Lean() bool {
	m := c.matrix()
	for r := range op.Role(op.Roles) {
		if !c.has(r) || r == op.RoleChunkSums {
			continue
		}
		v, _ := c.viewOf(r)
		rows, cols := m.Dims(r)
		var dense op.View
		dense.Offset, dense.RowStride, dense.ColStride = v.Strides(cols)
		if op.SetOf(r).Rich() || r == op.RoleTerms && c.Op != ForwardTerms || !dense.IsDense(rows, cols) {
			return false
		}
	}
	return !c.ByRow && c.Accumulate == 0 && c.By == ByCount && !(c.Elementwise && c.Op == ForwardBackward)
}

// shapes returns the fixed cases of the whole operation: each number of columns around which implementations take different paths, with
// few and many rows, and every operation and type. All else is drawn, so that there are all pairs of forms of two arrays.
func shapes() []Case {
	var cases []Case
	for _, cols := range columnBoundaries {
		for _, rows := range []int{0, 1, 2, 2 + 3000/cols, 2 + 6000/cols} {
			for _, p := range Ops {
				for _, t := range Types {
					k := len(cases)
					r := rand.New(rand.NewPCG(uint64(k), 5))
					l := Losses[r.IntN(len(Losses))]
					c := Case{
						Op: p, DType: t, Loss: l, Rows: rows, Cols: cols, Data: Data(r.IntN(int(dataCount))), Seed: uint64(k),
						Upstream: []float64{1, 0.5, -3, 0.1, 0}[r.IntN(5)], Shift: []int{0, r.IntN(1e9)}[r.IntN(2)], Blocks: []int{0, 1, 2, 3}[r.IntN(4)],
						InPlace: r.IntN(6) == 0, Exact: r.IntN(6) == 0, Grads: Grads(1 + r.IntN(3)),
					}
					c.draw(r)
					cases = append(cases, c)
				}
			}
		}
	}
	for _, p := range Ops {
		for _, t := range Types {
			for _, beta := range []float64{1, 0.1} {
				cases = append(cases, everything(p, t, beta, 2, 2048))
			}
		}
	}
	return cases
}

// manyActions returns cases for each kernel of gradients with about as many actions as a warp has threads, and more, with a row for each place
// in a batch.
func manyActions() []Case {
	var cases []Case
	for _, p := range []op.Pass{Backward, ForwardBackward} {
		for _, t := range Types {
			for _, beta := range []float64{1, 0.1} {
				for _, actions := range []int{31, 32, 33, 70} {
					for _, accumulate := range []Grads{0, GradPred} {
						cases = append(cases, Case{
							Op: p, DType: t, Loss: smoothl1.Loss{Beta: beta}, Rows: 300, Cols: 1, N: 300, Seed: uint64(len(cases)), Upstream: 1,
							Grads: GradPred, Actions: actions, Accumulate: accumulate,
						})
					}
				}
			}
		}
	}
	return cases
}

// boxes returns cases for each rich kernel, and for those of divisors, with a weight and a mask for each row of few columns, of which each wide
// access takes one.
func boxes() []Case {
	var cases []Case
	for _, p := range []op.Pass{Forward, ForwardBackward} {
		for _, t := range Types {
			for _, beta := range []float64{1, 0.1} {
				for _, by := range []By{ByCount, ByKept, ByWeights} {
					c := Case{
						Op: p, DType: t, Loss: smoothl1.Loss{Beta: beta}, Rows: 1100, Cols: 4, N: 4400, Seed: uint64(len(cases)), Upstream: 1, Grads: GradPred,
						Keep: 50, By: by,
					}
					c.Forms[op.RoleWeight], c.Forms[op.RoleMask] = PerRow, PerRow
					cases = append(cases, c)
				}
			}
		}
	}
	return cases
}

// roundings returns cases for each rich kernel, on aligned arrays and on others, in which the additions round: of terms to each of a thread's
// lanes, and of weights, whose sums the losses of rows of a chunk show.
func roundings() []Case {
	const rows = 24 // for each place in a batch some
	var cases []Case
	for _, p := range []op.Pass{Forward, ForwardBackward} {
		for _, t := range Types {
			for _, beta := range []float64{1, 0.1} {
				for shift := range 2 {
					c := Case{
						Op: p, DType: t, Loss: smoothl1.Loss{Beta: beta}, Rows: rows, Cols: cpu.Chunk, N: rows * cpu.Chunk, Data: Lanes, Seed: uint64(len(cases)),
						Upstream: 1, Grads: GradPred, Shift: shift,
					}
					c.Forms[op.RoleAbs] = Dense
					cases = append(cases, c)
					c.Data, c.ByRow, c.By = Wide, true, ByWeights
					c.Forms[op.RoleAbs], c.Forms[op.RoleWeight] = Absent, Dense
					cases = append(cases, c)
				}
			}
		}
	}
	return cases
}

// richNumbers returns cases with the numbers of numbers for each rich kernel, on aligned arrays and on others, with all outputs.
func richNumbers() []Case {
	var cases []Case
	for _, p := range []op.Pass{Forward, ForwardBackward} {
		for _, t := range Types {
			for _, x := range numbersOf(t) {
				if x.data == Single {
					x.data = Normal // no sum hides the bits of the terms
				}
				for shift := range 2 {
					c := Case{
						Op: p, DType: t, Loss: smoothl1.Loss{Kind: x.kind, Beta: x.beta, Reduction: smoothl1.Sum}, Rows: 2, Cols: cpu.Chunk, N: 2 * cpu.Chunk,
						Data: x.data, Seed: uint64(len(cases)), Upstream: x.upstream, Shift: shift,
					}
					c.Forms[op.RoleTerms], c.Forms[op.RoleAbs] = Dense, Dense
					if p.Differentiates() {
						c.Grads, c.Forms[op.RoleSecond] = GradPred|GradTarget, Dense
					}
					cases = append(cases, c)
				}
			}
		}
	}
	return cases
}

// everything returns a case with all arrays but an index, aligned and dense. There is a beta by element only with a loss whose beta needs
// a division, since that takes one too.
func everything(p op.Pass, t smoothl1.DType, beta float64, rows, cols int) Case {
	c := Case{
		Op: p, DType: t, Loss: smoothl1.Loss{Beta: beta}, N: rows * cols, Rows: rows, Cols: cols, Seed: 1, Upstream: 1, Keep: 90,
		Elementwise: p.Differentiates(), Grads: GradPred | GradTarget,
	}
	if p.Differentiates() {
		c.Accumulate = c.Grads
	}
	for _, r := range []op.Role{op.RoleWeight, op.RoleMask, op.RoleTerms, op.RoleAbs, op.RoleSecond} {
		c.Forms[r] = Dense
	}
	if op.FormulaOf(t, c.Loss).Divides {
		c.Forms[op.RoleBeta] = Dense
	}
	for r := range c.Forms {
		if !c.has(op.Role(r)) {
			c.Forms[r] = Absent
		}
	}
	return c
}

// columnBoundaries are numbers of columns around which implementations take different paths: few that share a warp, a warp, a row of the
// canonical sum, a chunk, and several. With 1, which an index needs, there are more cases.
var columnBoundaries = []int{1, 1, 1, 2, 3, 4, 5, 8, 31, 32, 33, 127, 128, 129, 2047, 2048, 2049, 5000}

// drawShape draws a shape of up to limit elements.
func (c *Case) drawShape(r *rand.Rand, limit int) {
	c.Cols = []int{1, 2, 4, columnBoundaries[r.IntN(len(columnBoundaries))], r.IntN(300)}[r.IntN(5)]
	most := max(1, limit/max(1, c.Cols))
	c.Rows = min(most, []int{1, 2, r.IntN(40), r.IntN(3000), r.IntN(most)}[r.IntN(5)])
	if c.Cols == 0 {
		c.Rows = max(1, c.Rows) // 0 × 0 would be no shape
	}
}

// draw draws what a case can have beside the arrays of a lean one; with a shape, also their forms.
func (c *Case) draw(r *rand.Rand) {
	one := func(n int) bool { return r.IntN(n) == 0 }
	form := func(repeats bool) Form {
		switch {
		case one(2) || !c.Shaped():
			return Dense
		case repeats:
			return Form(1 + r.IntN(int(formCount)-1))
		}
		return Form(1 + r.IntN(int(PerRow)-1))
	}
	if c.Cols == 1 && c.Rows > 0 && !one(3) {
		c.Actions = 1 + r.IntN(9)
		c.InPlace = false
	}
	if c.Shaped() {
		c.N = c.Rows * c.Cols
	}
	for x := range op.Role(op.Roles) {
		switch x {
		case op.RoleIndex, op.RoleLosses, op.RoleChunkSums:
			continue
		case op.RolePred:
			c.Forms[x] = form(!c.InPlace && c.Actions == 0 && !c.has(op.RoleGradPred))
			continue
		case op.RoleTarget:
			c.Forms[x] = form(!c.has(op.RoleGradTarget))
			continue
		}
		needed := x == op.RoleUpstream || x == op.RoleDirection || x == op.RoleGradPred || x == op.RoleGradTarget || x == op.RoleTerms && c.Op == ForwardTerms
		if needed || one(3) || x == op.RoleMask {
			c.Forms[x] = form(!x.IsOutput())
		}
	}
	if one(2) {
		c.Forms[op.RoleMask] = Absent
	} else {
		c.Keep = []int{0, 30, 90, 100}[r.IntN(4)]
	}
	if c.Op == ForwardTerms && c.Forms[op.RoleAbs] != Absent && one(2) {
		c.Forms[op.RoleTerms] = Absent
	}
	if c.Op.Differentiates() {
		c.Elementwise = one(2)
		if c.Forms[op.RoleSecond] != Absent && one(4) {
			c.Grads = 0
		}
		if one(3) {
			c.Accumulate = c.Grads & Grads(r.IntN(4))
		}
	}
	for x := range c.Forms { // of arrays that the case does not have
		if !c.has(op.Role(x)) {
			c.Forms[x] = Absent
		}
	}
	if c.Forms[op.RoleSecond] != Absent && c.Forms[op.RolePred] >= PerRow {
		c.Forms[op.RolePred] = Dense // its second derivatives would be sums
	}
	if c.Op == ForwardTerms {
		return
	}
	c.ByRow = one(2) && c.Rows < 10_000 // for the reference a row has 2048 elements at least
	if c.Loss.Reduction != smoothl1.Mean {
		return
	}
	c.ZeroIfEmpty = one(3)
	switch {
	case c.Forms[op.RoleMask] != Absent && one(2):
		c.By = ByKept
	case c.Forms[op.RoleWeight] != Absent && one(2):
		c.By = ByWeights
	}
	if c.By != ByCount {
		c.Count = 0
	} else if one(3) {
		c.Count = 1 + r.IntN(10_000)
	}
}
