package difftest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Data is a kind of contents of the arrays.
type Data uint8

// The kinds of contents.
const (
	Normal    Data = iota // normal deviates, with a random scale for each array
	Kinks                 // differences of 0, beta and −beta, exactly or off by a few ULPs
	Special               // zeros of both signs, infinities, NaN, subnormals, the largest and smallest numbers, among normal deviates
	Subnorm               // subnormal numbers only
	Huge                  // magnitudes whose squares, products and differences overflow
	Quadratic             // differences below beta, the only branch with a quotient
	Wide                  // magnitudes over 80 powers of two, so that a float64 sum of float32 terms rounds
	Lanes                 // differences in only one lane of each chunk, the first one large, so that adding any other rounds and affects the sum
	Edges                 // differences of beta and −beta only, and upstream gradients whose products with them overflow
	Tiny                  // magnitudes whose squares are about the smallest normal number
	Single                // one difference in each chunk, so that the chunk sum equals its term
	Sums                  // a difference in one chunk of 128, the first one large, so that adding any other chunk sum rounds and affects the loss
	dataCount
	// Ties are drawn for none of the fixed and random cases, but chosen by those that need them: terms and gradients which, in the computing
	// type, are the least that is rounded up, to a number of 16 bits, so that such a number shows the last bit of what was computed.
	Ties = iota - 1
	// Quotients and Significands are chosen by some of the fixed cases too: see quotientCases and significandCases.
	Quotients
	Significands
	Directions // see directionCases
)

var dataNames = [...]string{"normal", "kinks", "special", "subnormal", "huge", "quadratic", "wide", "lanes", "edges", "tiny", "single", "sums", "ties", "quotients", "significands", "directions"}

func (d Data) String() string { return dataNames[d] }

func parseData(s string) (Data, error) {
	i := slices.Index(dataNames[:], s)
	if i < 0 {
		return 0, fmt.Errorf("unknown data, want one of %v", dataNames)
	}
	return Data(i), nil
}

// Inputs are the input arrays of a case without a shape.
type Inputs[T smoothl1.Float] struct {
	Pred, Target []T
	Upstream     []T // nil unless elementwise
}

// Generate returns the input arrays of a case. They are the same on every machine.
func Generate[T smoothl1.Float](c Case) (in Inputs[T]) {
	c.DType = smoothl1.DTypeOf[T]()
	g := generate(c)
	for r, to := range map[op.Role]*[]T{op.RolePred: &in.Pred, op.RoleTarget: &in.Target, op.RoleUpstream: &in.Upstream} {
		if from := g.values[r]; from != nil {
			*to = make([]T, len(from))
			_ = smoothl1.Convert(*to, from) // of the same length
		}
	}
	return in
}

// generator makes the contents of the arrays of a case, as float64 numbers that the element type has.
type generator struct {
	*rand.Rand
	Case
	format
	// The contents: of each array but mask and index in the order of the matrix, and nil for an array that does not exist.
	values [op.Roles][]float64
	keep   []bool // whether the mask keeps an element; nil without a mask
	index  []int32
}

// generate makes the contents of the arrays of a case.
func generate(c Case) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(c.Seed, 0x736d6f6f74686c31)), Case: c, format: formatOf(c.DType)}
	pred, target := g.filled(c.N, c.Data), g.filled(c.N, c.Data)
	b := math.Abs(g.round(c.Loss.Beta))
	if c.has(op.RoleBeta) {
		g.values[op.RoleBeta] = g.spread(op.RoleBeta, g.oneBeta)
	}
	switch c.Data {
	case Kinks:
		for i := range pred {
			if betas := g.values[op.RoleBeta]; betas != nil && math.Abs(betas[i]) <= g.largest {
				b = math.Abs(betas[i])
			}
			pred[i], target[i] = g.kink(b)
		}
	case Lanes:
		lane := 0
		for i := range pred {
			if i%cpu.Chunk == 0 {
				lane = g.IntN(cpu.Lanes)
			}
			target[i] = pred[i]
			if i%cpu.Lanes == lane {
				pred[i], target[i] = g.addend(i%cpu.Chunk < cpu.Lanes), 0
			}
		}
	case Sums:
		copy(target, pred)
		lane := g.IntN(32) + 32*int(c.Seed%4) // a quarter of the seeds for each of the four lanes of a thread
		first := lane % max(1, cpu.Chunks(c.N))
		for chunk := first; chunk < cpu.Chunks(c.N); chunk += cpu.Lanes {
			pred[chunk*cpu.Chunk], target[chunk*cpu.Chunk] = g.addend(chunk < cpu.Lanes), 0
		}
		if c.has(op.RoleWeight) {
			g.values[op.RoleWeight] = g.sums(first)
		}
	case Single:
		copy(target, pred)
		for start := 0; start < len(pred); start += cpu.Chunk { // about as often below beta as above
			i := start + g.IntN(min(cpu.Chunk, len(pred)-start))
			pred[i], target[i] = g.sign(b*g.round([]float64{1, 16}[g.IntN(2)]*g.Float64())), 0
		}
	case Edges:
		beta := formatOf(c.DType.Computing()).round(math.Abs(c.Loss.Beta)) // which may be a difference of two numbers without being one
		for i := range pred {
			d := g.sign(beta)
			pred[i] = g.round(d)
			target[i] = pred[i] - d
		}
	case Quadratic, Directions:
		for i := range pred {
			pred[i], target[i] = g.sign(g.round(g.Float64())*b), 0
		}
	case Quotients:
		hard := hardest(float32(c.Loss.Beta))
		for i := range pred { // mostly below beta; a few are 0, or too small to be corrected
			x := math.Ldexp(hard[g.IntN(len(hard))], exponent(b)-24+g.IntN(2))
			if g.IntN(16) == 0 {
				x *= []float64{0, 0x1p-20, 0x1p-70}[g.IntN(3)]
			}
			pred[i], target[i] = g.sign(g.round(x)), 0
		}
	case Significands:
		for i := range pred {
			pred[i], target[i] = significand(c.Loss.Beta, i), 0
		}
	case Ties:
		pairs := ties(c)
		for i := range pred {
			p := pairs[g.IntN(len(pairs))]
			pred[i], target[i] = p[0], p[1]
		}
	}
	g.values[op.RolePred], g.values[op.RoleTarget] = pred, target
	if c.Elementwise {
		g.values[op.RoleUpstream] = g.filled(c.N, c.factors())
		odd := c.Data == Edges && c.Count != 0 && c.Count == g.oddCount
		for i := range g.values[op.RoleUpstream] {
			switch {
			case odd:
				g.values[op.RoleUpstream][i] = g.oddFactor
			case c.Data == Ties:
				g.values[op.RoleUpstream][i] = g.round(c.Upstream)
			}
		}
	}
	g.more()
	return g
}

// sums returns weights for Sums: 1 for the differences, which begin with the given chunk, and others, of which the sum of each chunk is one
// that rounds when it is added to the first of its lane.
func (g *generator) sums(first int) []float64 {
	w := make([]float64, g.N)
	large, unit := g.addends()
	for chunk := range cpu.Chunks(g.N) {
		at := chunk * cpu.Chunk
		switch chunk % cpu.Lanes {
		case first % cpu.Lanes:
			w[at] = 1
		case first%cpu.Lanes ^ 1: // of the same lane of another thread
			w[at] = g.round(unit) // 0 in float16
			if chunk < cpu.Lanes {
				w[at] = g.round(math.Ldexp(1+g.Float64(), large))
			}
		}
	}
	return w
}

// factors returns the kind of contents of arrays that multiply gradients.
func (c Case) factors() Data {
	switch c.Data {
	case Kinks:
		return Special
	case Edges:
		return Huge
	}
	return c.Data
}

// more makes the contents of the arrays that only a call with more than lean operands has, and moves pred's to the columns of the index.
func (g *generator) more() {
	if g.has(op.RoleWeight) && g.values[op.RoleWeight] == nil {
		w := g.filled(g.N, g.factors())
		for i := range w { // as users have them: mostly positive, and some 0
			switch g.IntN(8) {
			case 0:
				w[i] = 0
			case 1:
			default:
				w[i] = math.Abs(w[i])
			}
		}
		g.values[op.RoleWeight] = w
	}
	if g.has(op.RoleMask) {
		g.keep = make([]bool, g.N)
		for i, kept := range g.spread(op.RoleMask, func() float64 { return float64(g.IntN(100)) }) {
			g.keep[i] = kept < float64(g.Keep)
		}
	}
	if g.has(op.RoleDirection) {
		g.values[op.RoleDirection] = g.filled(g.N, g.factors())
		if v, ok := directionOf(g.Case); g.Data == Directions && ok {
			for i := range g.N {
				g.values[op.RoleDirection][i] = v
			}
		}
	}
	m := g.matrix()
	for i, r := range []op.Role{op.RoleGradPred, op.RoleGradTarget} {
		if rows, cols := m.Dims(r); g.has(r) && g.Accumulate>>i&1 != 0 {
			g.values[r] = g.filled(rows*cols, Normal)
		}
	}
	if g.has(op.RoleIndex) {
		chosen := g.values[op.RolePred]
		g.index = make([]int32, m.Rows)
		g.values[op.RolePred] = g.filled(m.Rows*m.Actions, Normal)
		for row := range g.index {
			g.index[row] = int32(g.IntN(m.Actions))
			g.values[op.RolePred][row*m.Actions+int(g.index[row])] = chosen[row]
		}
	}
}

// oneBeta returns a beta by element.
func (g *generator) oneBeta() float64 {
	if g.IntN(32) == 0 { // not valid, but for -0
		return []float64{-1, math.NaN(), math.Inf(1), math.Copysign(0, -1)}[g.IntN(4)]
	}
	return g.round([]float64{g.Loss.Beta, g.Loss.Beta, 1, 0.1, 2.5, 0, 0x1p-10, g.smallest, g.largest}[g.IntN(9)])
}

// spread draws a number for each place of the array in a role, and returns those of the elements of the matrix.
func (g *generator) spread(r op.Role, draw func() float64) []float64 {
	m := g.matrix()
	v, n := g.viewOf(r)
	places := make([]float64, n)
	for i := range places {
		places[i] = draw()
	}
	offset, rowStride, colStride := v.Strides(m.Cols)
	x := make([]float64, 0, g.N)
	for row := range m.Rows {
		for col := range m.Cols {
			x = append(x, places[offset+row*rowStride+col*colStride])
		}
	}
	return x
}

// filled returns n numbers of a kind.
func (g *generator) filled(n int, d Data) []float64 {
	x := make([]float64, n)
	scale := []float64{1e-3, 0.1, 1, 1, 10, 1e4}[g.IntN(6)]
	low, high := max(-50, exponent(g.smallest)), min(30, exponent(g.largest))
	for i := range x {
		switch {
		case d == Subnorm:
			x[i] = g.sign(g.smallest * float64(g.IntN(1<<min(12, g.digits-1))))
		case d == Huge:
			x[i] = g.sign(g.largest * g.round(g.Float64()))
		case d == Wide:
			x[i] = g.sign(math.Ldexp(1+g.Float64(), g.IntN(high-low)+low))
		case d == Tiny:
			x[i] = g.sign(math.Ldexp(1+g.Float64(), exponent(g.smallestNormal)/2+g.IntN(8)-6))
		case d == Special && g.IntN(4) == 0:
			x[i] = g.special()
		default:
			x[i] = g.normal() * scale
		}
		x[i] = g.round(x[i])
	}
	return x
}

// addends returns the exponent of large addends, and three quarters of the unit in their last place, which only rounding to nearest
// rounds up.
func (g *generator) addends() (large int, unit float64) {
	large = min(30, exponent(g.largest)-1)
	return large, math.Ldexp(1.5, large-53)
}

// addend returns a difference whose term is large if first is set, and otherwise rounds when it is added to a large one.
func (g *generator) addend(first bool) float64 {
	large, unit := g.addends()
	switch {
	case first:
		return g.sign(g.round(math.Ldexp(1+g.Float64(), large)))
	case g.IntN(4) == 0 || g.Loss.Kind == smoothl1.Huber:
		return g.sign(g.round(math.Ldexp(1+g.Float64(), (large-50)/2-g.IntN(12))))
	case g.Loss.Beta == 0:
		return g.sign(unit)
	default:
		return g.sign(g.round(math.Sqrt(2 * unit * g.Loss.Beta)))
	}
}

// kink returns numbers whose difference is at or near a point where the formula changes, for a beta of b.
func (g *generator) kink(b float64) (pred, target float64) {
	pred = g.sign(float64(g.IntN(4)) * b)
	d := g.sign([]float64{0, b, b}[g.IntN(3)])
	for range g.IntN(3) {
		d = g.next(d, math.Inf(g.IntN(2)*2-1))
	}
	target = g.round(pred - d)
	if g.IntN(2) == 0 || math.IsInf(g.round(4*b), 0) { // with one of them 0 the difference is exact
		pred, target = d, g.sign(0)
	}
	return pred, target
}

func (g *generator) special() float64 {
	values := []float64{0, math.Inf(1), math.NaN(), g.smallest, g.smallest * 5, g.largest, 1, 0.1, 2.5, 1e-30, 1e30}
	return g.sign(values[g.IntN(len(values))])
}

// normal returns an approximately normal deviate, the sum of four uniform ones. Their upper 16 bits come from one random number, and their
// lower bits are replaced by a fifth deviate. The result has the same bits on every processor, unlike rand's, which uses logarithms.
func (g *generator) normal() float64 {
	u := g.Uint64()
	sum := float64(u&0xffff+u>>16&0xffff+u>>32&0xffff+u>>48) + g.Float64()
	return float64(sum*0x1p-16-2) * math.Sqrt(3) // the product by a power of two is exact, fused or not
}

func (g *generator) sign(x float64) float64 {
	if g.IntN(2) == 0 {
		return -x
	}
	return x
}

// exponent returns k such that 2^k ≤ x < 2^(k+1).
func exponent(x float64) int {
	_, k := math.Frexp(x)
	return k - 1
}
