package difftest

import (
	"fmt"
	"github.com/smoothl1/smoothl1/internal/op"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
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
)

var dataNames = [dataCount]string{"normal", "kinks", "special", "subnormal", "huge", "quadratic", "wide", "lanes", "edges", "tiny", "single", "sums"}

func (d Data) String() string { return dataNames[d] }

func parseData(s string) (Data, error) {
	i := slices.Index(dataNames[:], s)
	if i < 0 {
		return 0, fmt.Errorf("unknown data, want one of %v", dataNames)
	}
	return Data(i), nil
}

// Inputs are the input arrays of a case.
type Inputs[T op.Computing] struct {
	Pred, Target []T
	Upstream     []T // nil unless elementwise
}

// Generate returns the input arrays of a case. They are the same on every machine.
func Generate[T op.Computing](c Case) Inputs[T] {
	r := rand.New(rand.NewPCG(c.Seed, 0x736d6f6f74686c31))
	in := Inputs[T]{Pred: make([]T, c.N), Target: make([]T, c.N)}
	fill(r, c.Data, in.Pred)
	fill(r, c.Data, in.Target)
	switch c.Data {
	case Kinks:
		kinks(r, T(beta[T](c)), in)
	case Lanes:
		lanes(r, c, in)
	case Sums:
		copy(in.Target, in.Pred)
		lane := r.IntN(32) + 32*int(c.Seed%4) // a quarter of the seeds for each of the four lanes of a thread
		for chunk := lane % max(1, cpu.Chunks(c.N)); chunk < cpu.Chunks(c.N); chunk += cpu.Lanes {
			in.Pred[chunk*cpu.Chunk], in.Target[chunk*cpu.Chunk] = addend[T](r, c, chunk < cpu.Lanes), 0
		}
	case Single:
		single(r, T(beta[T](c)), in)
	case Edges:
		for i := range in.Pred {
			in.Pred[i], in.Target[i] = sign(r, T(beta[T](c))), 0
		}
	case Quadratic:
		for i := range in.Pred {
			in.Pred[i], in.Target[i] = sign(r, T(r.Float64())*T(beta[T](c))), 0
		}
	}
	if c.Elementwise {
		in.Upstream = make([]T, c.N)
		data := c.Data
		switch data {
		case Kinks:
			data = Special
		case Edges:
			data = Huge
		}
		fill(r, data, in.Upstream)
	}
	return in
}

func fill[T op.Computing](r *rand.Rand, d Data, x []T) {
	scale := []float64{1e-3, 0.1, 1, 1, 10, 1e4}[r.IntN(6)]
	for i := range x {
		switch {
		case d == Subnorm:
			x[i] = sign(r, smallest[T]()*T(r.IntN(1<<12)))
		case d == Huge:
			x[i] = sign(r, largest[T]()*T(r.Float64()))
		case d == Wide:
			x[i] = sign(r, T(math.Ldexp(1+r.Float64(), r.IntN(80)-50)))
		case d == Tiny:
			x[i] = sign(r, T(math.Ldexp(1+r.Float64(), exponent(formatOf(smoothl1.DTypeOf[T]()).smallestNormal)/2+r.IntN(8)-6)))
		case d == Special && r.IntN(4) == 0:
			x[i] = special[T](r)
		default:
			x[i] = T(normal(r) * scale)
		}
	}
}

// lanes sets all differences to 0 but those in one lane of each chunk.
func lanes[T op.Computing](r *rand.Rand, c Case, in Inputs[T]) {
	lane := 0
	for i := range in.Pred {
		if i%cpu.Chunk == 0 {
			lane = r.IntN(cpu.Lanes)
		}
		in.Target[i] = in.Pred[i]
		if i%cpu.Lanes == lane {
			in.Pred[i], in.Target[i] = addend[T](r, c, i%cpu.Chunk < cpu.Lanes), 0
		}
	}
}

// addend returns a difference whose term is large if first is set, and otherwise rounds when it is added to a large one. Most of these are
// three quarters of a unit in the last place, which only rounding to nearest rounds up.
func addend[T op.Computing](r *rand.Rand, c Case, first bool) T {
	switch {
	case first:
		return sign(r, T(math.Ldexp(1+r.Float64(), 30)))
	case r.IntN(4) == 0 || c.Loss.Kind == smoothl1.Huber:
		return sign(r, T(math.Ldexp(1+r.Float64(), -10-r.IntN(12))))
	case c.Loss.Beta == 0:
		return sign(r, T(0x1.8p-23))
	default:
		return sign(r, T(math.Sqrt(2*0x1.8p-23*c.Loss.Beta)))
	}
}

// single sets all differences to 0 but one in each chunk, which is about as often below beta as above.
func single[T op.Computing](r *rand.Rand, b T, in Inputs[T]) {
	copy(in.Target, in.Pred)
	for start := 0; start < len(in.Pred); start += cpu.Chunk {
		i := start + r.IntN(min(cpu.Chunk, len(in.Pred)-start))
		in.Pred[i], in.Target[i] = sign(r, b*T([]float64{1, 16}[r.IntN(2)]*r.Float64())), 0
	}
}

// kinks sets the differences to values at and near the points where the formula changes.
func kinks[T op.Computing](r *rand.Rand, b T, in Inputs[T]) {
	for i := range in.Pred {
		in.Pred[i] = sign(r, T(r.IntN(4))*b)
		d := sign(r, []T{0, b, b}[r.IntN(3)])
		for range r.IntN(3) {
			d = neighbour(r, d)
		}
		in.Target[i] = in.Pred[i] - d
		if r.IntN(2) == 0 || math.IsInf(float64(4*b), 0) { // with one of them 0 the difference is exact
			in.Pred[i], in.Target[i] = d, sign(r, T(0))
		}
	}
}

func special[T op.Computing](r *rand.Rand) T {
	inf, nan := T(math.Inf(1)), T(math.NaN())
	values := []T{0, inf, nan, smallest[T](), smallest[T]() * 5, largest[T](), 1, 0.1, 2.5, 1e-30, 1e30}
	return sign(r, values[r.IntN(len(values))])
}

// normal returns an approximately normal deviate, the sum of four uniform ones. Their upper 16 bits come from one random number, and their
// lower bits are replaced by a fifth deviate. The result has the same bits on every processor, unlike rand's, which uses logarithms.
func normal(r *rand.Rand) float64 {
	u := r.Uint64()
	sum := float64(u&0xffff+u>>16&0xffff+u>>32&0xffff+u>>48) + r.Float64()
	return float64(sum*0x1p-16-2) * math.Sqrt(3) // the product by a power of two is exact, fused or not
}

func sign[T op.Computing](r *rand.Rand, x T) T {
	if r.IntN(2) == 0 {
		return -x
	}
	return x
}

func neighbour[T op.Computing](r *rand.Rand, x T) T {
	return next(x, math.Inf(r.IntN(2)*2-1))
}

// exponent returns k such that 2^k ≤ x < 2^(k+1).
func exponent(x float64) int {
	_, k := math.Frexp(x)
	return k - 1
}
