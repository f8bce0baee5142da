package difftest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Losses are the losses of the tables: of each kind, with betas that are powers of two, that are not, and that are 0.
var Losses = []smoothl1.Loss{
	{Kind: smoothl1.SmoothL1, Beta: 1, Reduction: smoothl1.Mean},
	{Kind: smoothl1.SmoothL1, Beta: 4, Reduction: smoothl1.Sum},
	{Kind: smoothl1.SmoothL1, Beta: 0.1, Reduction: smoothl1.Mean},
	{Kind: smoothl1.SmoothL1, Beta: 1.0 / 9, Reduction: smoothl1.Sum},
	{Kind: smoothl1.SmoothL1, Beta: 0, Reduction: smoothl1.Mean},
	{Kind: smoothl1.Huber, Beta: 1, Reduction: smoothl1.Sum},
	{Kind: smoothl1.Huber, Beta: 0.3, Reduction: smoothl1.Mean},
}

// extremes returns losses for which intermediate results overflow or underflow although the quotient does not.
func extremes(t smoothl1.DType) []smoothl1.Loss {
	f := formatOf(t)
	return []smoothl1.Loss{{Beta: f.power}, {Beta: f.large, Reduction: smoothl1.Sum}, {Beta: f.small}, {Kind: smoothl1.Huber, Beta: f.large}}
}

// Boundaries are numbers of elements around which implementations take different paths: 0, 1, a vector, a warp, a row, several rows, a
// batch of rows, a chunk, and several chunks.
var Boundaries = []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513,
	1000, 1023, 1024, 1025, 1151, 2047, 2048, 2049, 2176, 4095, 4096, 4097, 6149, 8191, 16384, 20481}

// Table returns the fixed cases: every boundary with every loss, operation and type, with the other fields varied along with these.
func Table() []Case {
	var cases []Case
	for _, n := range Boundaries {
		for i, l := range Losses {
			for _, op := range Ops {
				for _, t := range Types {
					k := len(cases)
					cases = append(cases, Case{
						Op: op, DType: t, Loss: l, N: n,
						Data:        Data((k + i) % int(dataCount)),
						Seed:        uint64(k),
						Upstream:    []float64{1, 0.5, -3, 0.1, 0}[k%5],
						Elementwise: op == Backward && (k/8)%2 == 0,
						Grads:       Grads(k/3%3 + 1),
						Count:       []int{0, 0, 1000003}[k%3],
						Shift:       []int{0, 0, 32101, 12323, 3}[k/2%5],
						Blocks:      []int{0, 1, 2, 3}[k/5%4],
						InPlace:     op != Forward && k%7 == 0,
					})
				}
			}
		}
	}
	return cases
}

// Ordered returns the cases of Table and Corners, mixed so that any prefix has cases of all kinds. The first ones, whose number it returns
// too, launch each kernel with more than a chunk of aligned arrays, and then each with unaligned arrays.
func Ordered() (cases []Case, first int) {
	all := mixed(slices.Concat(Table(), Corners()))
	seen := map[string]bool{}
	rank := func(c Case) int {
		if c.N <= cpu.Chunk || c.Exact || c.InPlace {
			return 2
		}
		return min(c.Shift, 1)
	}
	for want := range 2 {
		for _, c := range all {
			if rank(c) != want {
				continue
			}
			first := false // of one of its kernels
			for _, v := range c.Variants() {
				key := fmt.Sprint(v, want)
				first = first || !seen[key]
				seen[key] = true
			}
			if first {
				cases = append(cases, c)
			}
		}
	}
	first = len(cases)
	taken := map[Case]bool{}
	for _, c := range cases {
		taken[c] = true
	}
	return append(cases, slices.DeleteFunc(all, func(c Case) bool { return taken[c] })...), first
}

// mixed returns the cases in an order in which neighbours have little in common.
func mixed(ordered []Case) []Case {
	all := make([]Case, len(ordered))
	for i := range ordered {
		all[i] = ordered[i*7919%len(ordered)] // a prime
	}
	return all
}

// Corners returns cases for every corner case of the code and of the numbers, and shapes.
func Corners() []Case {
	return slices.Concat(paths(), numbers(), tieCases(), directionCases(), quotientCases(), ends(), shapes(), manyActions(), boxes(), roundings(), richNumbers())
}

// numbers returns cases, on every path, for properties that only few numbers reveal: the branch that beta itself takes, which shows if the
// square overflows and the linear part does not, or with a large upstream gradient; rounding to subnormal numbers, with betas for which
// products, quotients and halves round; and single terms, whose last bits no sum hides.
func numbers() []Case {
	var cases []Case
	for _, t := range Types {
		for i, x := range numbersOf(t) {
			for _, op := range Ops {
				if x.data == Single && !op.Reduces() {
					continue // no sum hides the bits of what it writes
				}
				grads, upstreams := asked(op)
				for _, g := range grads {
					for _, elementwise := range upstreams {
						for _, shift := range []int{0, 1, 10, 100, 1000, 10000} {
							k := len(cases)
							c := Case{
								Op: op, DType: t, Loss: smoothl1.Loss{Kind: x.kind, Beta: x.beta, Reduction: smoothl1.Sum}, Data: x.data, Seed: uint64(k),
								Upstream: x.upstream, Elementwise: elementwise, Grads: g, Shift: shift, Exact: k%7 == 0,
							}
							if elementwise && x.beta == formatOf(t).odd && x.data == Edges && formatOf(t).oddCount != 0 {
								c.Loss.Reduction, c.Count = smoothl1.Mean, formatOf(t).oddCount
							}
							c.InPlace = op != Forward && k/3%4 == 3
							counts := []int{cpu.Chunk + 1 + k*37%512, cpu.Chunk, 2*cpu.Chunk - 1}
							if x.data == Single {
								counts = []int{16*cpu.Chunk + 1 + (k+i)*37%512}
								if t == smoothl1.Float64 && op.Reduces() && g&GradTarget == 0 && shift <= 1 {
									// A thread has 16 places in four rows, and one term in four shows how it was rounded there.
									counts[0] += 240 * cpu.Chunk
								}
							}
							for _, n := range counts {
								if c.N, c.Blocks = n, k%5%3; n > cpu.Chunk && n < 2*cpu.Chunk-1 {
									c.Blocks = 1 // fewer than chunks, so that warps share none
								}
								cases = append(cases, c)
							}
						}
					}
				}
			}
		}
	}
	return cases
}

// special is a loss with numbers that make one of its properties visible.
type special struct {
	kind     smoothl1.Kind
	beta     float64
	data     Data
	upstream float64
}

func numbersOf(t smoothl1.DType) []special {
	const smooth, huber = smoothl1.SmoothL1, smoothl1.Huber
	f := formatOf(t)
	return []special{
		{smooth, f.steep, Edges, f.edge}, {smooth, f.odd, Edges, f.oddEdge}, {smooth, 4, Tiny, 1}, {smooth, 4.5, Tiny, 1},
		{smooth, 4, Subnorm, 1}, {smooth, 4.5, Subnorm, 1}, {smooth, 3 * f.smallest, Subnorm, 1}, {smooth, 4, Single, 1}, {smooth, 0.3, Single, 1}, {huber, 0.3, Single, 1},
	}
}

// ends returns cases whose arrays end with the memory, after each of the 16 elements that a thread has in a chunk that four warps share, and
// in four rows of another: a kernel that reads or writes one element more is stopped.
func ends() []Case {
	var cases []Case
	for _, op := range Ops {
		_, upstreams := asked(op)
		for _, t := range Types {
			for _, b := range []float64{1, 0.3} {
				for _, elementwise := range upstreams {
					for place := range 16 {
						c := Case{
							Op: op, DType: t, Loss: smoothl1.Loss{Beta: b}, N: 128*place + 1 + place%31, Seed: uint64(len(cases)),
							Upstream: 1, Elementwise: elementwise, Shift: 1, Exact: true,
						}
						if op.Differentiates() {
							c.Grads = GradPred | GradTarget
						}
						cases = append(cases, c)
						c.N, c.Blocks = cpu.Chunk+512+32*place+1+place%31, 1
						cases = append(cases, c)
					}
				}
			}
		}
	}
	return cases
}

// asked returns the sets of gradients that an operation can compute, and the possible values of Case.Elementwise.
func asked(p op.Pass) (grads []Grads, elementwise []bool) {
	grads, elementwise = []Grads{0}, []bool{false}
	if p.Differentiates() {
		grads = []Grads{GradPred, GradTarget, GradPred | GradTarget}
	}
	if p == Backward {
		elementwise = []bool{false, true}
	}
	return grads, elementwise
}

// paths returns cases of every loss, operation, type and set of gradients, and of losses at the ends of the range: with a partial chunk, a
// full one, and two and a partial one, and with all arrays aligned or all but one.
func paths() []Case {
	var cases []Case
	for _, op := range Ops {
		grads, upstreams := asked(op)
		for _, t := range Types {
			for li, l := range slices.Concat(Losses, extremes(t)) {
				for _, n := range []int{0, 2048, 4101} {
					for _, g := range grads {
						for _, elementwise := range upstreams {
							for i, shift := range []int{0, 0, 0, 1, 1, 10, 100, 1000, 10000} {
								k := len(cases)
								blocks := k % 5 % 3
								if n < 2048 { // reaches each of the 16 elements that a thread has in four rows of a chunk that warps do not share
									n, blocks = 2049+k*37%512, 1
								}
								data := Data(k % int(dataCount))
								switch i { // aligned and not, with each branch and its boundaries at every position of a row
								case 0, 3:
									data = Kinks
								case 1, 4:
									data = Quadratic
								case 2, 5:
									data = Lanes
									if li >= len(Losses) { // whose sums hide terms of other magnitudes
										data = Normal
									}
								}
								cases = append(cases, Case{
									Op: op, DType: t, Loss: l, N: n, Data: data, Seed: uint64(k),
									Upstream: []float64{1, -0.3}[k%2], Count: []int{0, 1000003}[k%2], Elementwise: elementwise, Grads: g, Shift: shift, Blocks: blocks,
									Exact: k%7 == 0,
								})
							}
						}
					}
				}
			}
		}
	}
	return cases
}

// Random returns the i-th case of a random run. Three of four cases have fewer than 300 elements, or at most 40 more or less than a
// boundary; the others are spread evenly over the orders of magnitude up to limit. Half of the cases are not lean, and most of these have a shape.
func Random(seed uint64, i, limit int) Case {
	r := rand.New(rand.NewPCG(seed, uint64(i)))
	c := Case{
		Op:          Ops[r.IntN(len(Ops))],
		DType:       Types[r.IntN(len(Types))],
		Loss:        smoothl1.Loss{Kind: smoothl1.Kind(r.IntN(2)), Reduction: smoothl1.Reduction(r.IntN(2))},
		Data:        Data(r.IntN(int(dataCount))),
		Seed:        r.Uint64(),
		Upstream:    []float64{1, 1, 0.5, -3, 0.1, 0, 1024, r.NormFloat64()}[r.IntN(8)],
		Elementwise: r.IntN(2) == 0,
		Grads:       Grads(1 + r.IntN(3)),
		Shift:       []int{0, 0, 1, 10, 100, 1000, 10000, r.IntN(100000)}[r.IntN(8)],
		Blocks:      []int{0, 0, 1, 2, 3, 7}[r.IntN(6)],
		InPlace:     r.IntN(8) == 0,
		Exact:       r.IntN(4) == 0,
	}
	c.Elementwise = c.Elementwise && c.Op == Backward
	c.InPlace = c.InPlace && c.Op != Forward
	switch r.IntN(4) {
	case 0:
		c.N = r.IntN(300)
	case 1, 2:
		c.N = max(0, Boundaries[r.IntN(len(Boundaries))]+r.IntN(81)-40)
	default:
		c.N = 1 << r.IntN(20)
		c.N = min(limit, c.N+r.IntN(c.N))
	}
	if r.IntN(5) == 0 {
		c.Count = 1 + r.IntN(1<<30)
	}
	betas := []float64{1, 0.1, 0.01, 1.0 / 9, 2.5, 1e-3, 100, 1.9999999, 1.0 / (1 << 20), 1 << 30, 1e-30, 1e30, 1e-40, 0x1p-149, 0x1p127}
	c.Loss.Beta = betas[r.IntN(len(betas))]
	if c.Loss.Kind == smoothl1.SmoothL1 && r.IntN(7) == 0 {
		c.Loss.Beta = 0
	}
	if r.IntN(2) == 0 {
		if r.IntN(4) > 0 {
			c.drawShape(r, limit)
		}
		c.draw(r)
	}
	return c
}
