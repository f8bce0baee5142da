package cpu

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// memory is the memory of all arrays of a call, both float32 and the float64 chunk sums, which may overlap in any way.
type memory []byte

func (m memory) floats(at, n int) []float32  { return cut[float32](m, at, n) }
func (m memory) doubles(at, n int) []float64 { return cut[float64](m, at, n) }
func cut[E any](m memory, at, n int) []E     { return unsafe.Slice((*E)(unsafe.Pointer(&m[at])), n) }
func newMemory(bytes int) memory             { return cut[byte](memory(rawOf(make([]float64, bytes/8))), 0, bytes) }
func rawOf(x []float64) []byte               { return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 8*len(x)) }

// implementations are the functions that compute the outputs in an Args.
var implementations = map[string]func(smoothl1.Loss, *Args[float32]) error{
	"Run": func(l smoothl1.Loss, a *Args[float32]) error {
		_, err := Run(l, a)
		return err
	},
	"four functions": func(l smoothl1.Loss, a *Args[float32]) error {
		return named(l, a, ForwardTerms[float32], Forward[float32], Backward[float32], ForwardBackward[float32])
	},
	"reference": func(l smoothl1.Loss, a *Args[float32]) error {
		return named(l, a, RefForwardTerms[float32], RefForward[float32], RefBackward[float32], RefForwardBackward[float32])
	},
}

func named(l smoothl1.Loss, a *Args[float32], terms func(smoothl1.Loss, *Args[float32]) error, forward func(smoothl1.Loss, *Args[float32]) (float64, error),
	backward func(smoothl1.Loss, *Args[float32]) error, both func(smoothl1.Loss, *Args[float32]) (float64, error)) (err error) {
	switch {
	case a.Terms != nil:
		return terms(l, a)
	case a.GradPred == nil && a.GradTarget == nil:
		_, err = forward(l, a)
	case a.NoLoss:
		return backward(l, a)
	default:
		_, err = both(l, a)
	}
	return err
}

// TestEveryOverlapOfSlices places every output so that it shares one element, all or none with every other array. An output may be in
// place of an input of the same length.
func TestEveryOverlapOfSlices(t *testing.T) {
	const n = 2*Chunk + 10 // three chunk sums
	const size, sums = 4 * n, 3 * 8
	fields := []string{"Pred", "Target", "Upstream", "Terms", "GradPred", "GradTarget", "ChunkSums"}
	for name, compute := range implementations {
		for _, out := range fields[3:] {
			for i, other := range fields {
				if out == other || i >= 2 && (out == "Terms" || other == "Terms") {
					continue // no pass has both
				}
				outBytes, otherBytes := size, size
				if out == "ChunkSums" {
					outBytes = sums
				}
				if other == "ChunkSums" {
					otherBytes = sums
				}
				inPlace := out != "ChunkSums" && i < 3
				for _, c := range []struct {
					at      int // relative to the other array
					allowed bool
				}{{-outBytes, true}, {-outBytes + 8, false}, {-8, false}, {0, inPlace}, {8, false}, {otherBytes - 8, false}, {otherBytes, true}} {
					a := Args[float32]{Pred: newMemory(size).floats(0, n), Target: newMemory(size).floats(0, n)}
					if out == "Terms" {
						a.NoLoss = true
					} else {
						a.GradPred = newMemory(size).floats(0, n)
						a.ChunkSums = make([]float64, 3)
					}
					m := newMemory(4 * size)
					begin := size + 8
					put(&a, other, m, begin, n)
					put(&a, out, m, begin+c.at, n)
					err := compute(smoothl1.Loss{Beta: 1}, &a)
					where := fmt.Sprintf("%s: %s %+d from %s", name, out, c.at, other)
					if c.allowed {
						require.NoError(t, err, where)
					} else {
						require.ErrorIs(t, err, smoothl1.ErrOverlap, where)
					}
				}
			}
		}
	}
}

// TestEveryOverlapInWholeCalls is the same for calls with all arrays, and reduction by rows.
func TestEveryOverlapInWholeCalls(t *testing.T) {
	const rows, cols, n = 3, 8, 24
	inputs := []string{"Pred", "Target", "Weight", "Beta", "Upstream", "Direction", "Mask"}
	outputs := []string{"Terms", "Abs", "GradPred", "GradTarget", "Second", "Losses", "ChunkSums"}
	sizes := map[string]int{"Mask": n, "Losses": 8 * rows, "ChunkSums": 8 * rows}
	size := func(field string) int {
		if bytes, ok := sizes[field]; ok {
			return bytes
		}
		return 4 * n
	}
	for name, compute := range map[string]func(smoothl1.Loss, *Args[float32]) (float64, error){"Run": Run[float32], "RefRun": RefRun[float32],
		"ForwardBackward": ForwardBackward[float32]} {
		for _, out := range outputs {
			for i, other := range append(inputs, outputs...) {
				if out == other {
					continue
				}
				inPlace := i < 6 && size(out) == 4*n && out != "Losses" && out != "ChunkSums"
				for _, c := range []struct {
					at      int // relative to the other array
					allowed bool
				}{{-size(out), true}, {-size(out) + 8, false}, {0, inPlace}, {8, false}, {size(other) - 8, false}, {size(other), true}} {
					a := Args[float32]{ByRow: true, Shape: &smoothl1.Shape{Rows: rows, Cols: cols}}
					for _, field := range append(inputs, outputs...) {
						put(&a, field, newMemory(size(field)), 0, n)
					}
					m := newMemory(16 * n)
					begin := 4*n + 8
					put(&a, other, m, begin, n)
					put(&a, out, m, begin+c.at, n)
					_, err := compute(smoothl1.Loss{Beta: 1}, &a)
					where := fmt.Sprintf("%s: %s %+d from %s", name, out, c.at, other)
					if c.allowed {
						require.NoError(t, err, where)
					} else {
						require.ErrorIs(t, err, smoothl1.ErrOverlap, where)
					}
				}
			}
		}
	}
}

// put makes a slice of m the array of n elements, or of their chunk sums.
func put(a *Args[float32], field string, m memory, at, n int) {
	switch field {
	case "Upstream":
		a.Upstream = Elements(m.floats(at, n))
	case "ChunkSums":
		a.ChunkSums = m.doubles(at, max(Chunks(n), rowsOf(a)))
	case "Losses":
		a.Losses = m.doubles(at, rowsOf(a))
	case "Mask":
		a.Mask = m[at : at+n]
	default:
		reflect.ValueOf(a).Elem().FieldByName(field).Set(reflect.ValueOf(m.floats(at, n)))
	}
}

func rowsOf(a *Args[float32]) int {
	if a.ByRow {
		return a.Shape.Rows
	}
	return 0
}

// One float64 has one chunk sum, which nevertheless may not be in place of an input.
func TestChunkSumInPlaceOfAnInput(t *testing.T) {
	x := []float64{1}
	for _, a := range []Args[float64]{{Pred: x, Target: []float64{0}}, {Pred: []float64{0}, Target: x},
		{Pred: []float64{0}, Target: []float64{0}, Upstream: Elements(x), GradPred: []float64{0}}} {
		a.ChunkSums = x
		_, err := Run(smoothl1.Loss{Beta: 1}, &a)
		require.ErrorIs(t, err, smoothl1.ErrOverlap)
	}
}

// Run must compute the same as the four functions, and must not allocate.
func TestRun(t *testing.T) {
	const n = Chunk + 3
	for _, l := range []smoothl1.Loss{{Beta: 0.3}, {Beta: 0.3, Reduction: smoothl1.None}} {
		for _, c := range []Args[float32]{
			{Terms: make([]float32, n), NoLoss: true}, {}, {Divisor: smoothl1.DivideBy(17)}, {GradPred: make([]float32, n), NoLoss: true},
			{GradPred: make([]float32, n), GradTarget: make([]float32, n), Divisor: smoothl1.DivideBy(0.25)},
			{GradPred: make([]float32, n), Upstream: Number[float32](-2)},
			{GradTarget: make([]float32, n), Upstream: Elements(randomArgs[float32](n).Pred)},
		} {
			if l.Reduction == smoothl1.None && (!c.Divisor.IsZero() || c.Terms == nil && c.GradPred == nil && c.GradTarget == nil) {
				continue
			}
			r := randomArgs[float32](n)
			c.Pred, c.Target = r.Pred, r.Target
			want := c
			var wantValue float64
			var err error
			loss := l.Reduction != smoothl1.None && !c.NoLoss
			for _, x := range []*[]float32{&want.Terms, &want.GradPred, &want.GradTarget} {
				if *x != nil {
					*x = make([]float32, n)
				}
			}
			switch gradients := c.GradPred != nil || c.GradTarget != nil; {
			case c.Terms != nil:
				err = RefForwardTerms(l, &want)
			case gradients && loss:
				wantValue, err = RefForwardBackward(l, &want)
			case gradients:
				err = RefBackward(l, &want)
			default:
				wantValue, err = RefForward(l, &want)
			}
			require.NoError(t, err)
			value, err := Run(l, &c)
			require.NoError(t, err)
			assert.Equal(t, math.Float64bits(wantValue), math.Float64bits(value))
			assert.Equal(t, want, c)
			assert.Zero(t, testing.AllocsPerRun(20, func() {
				args := c // on the stack
				_, _ = Run(l, &args)
			}))
		}
	}
	_, err := Run[float32](smoothl1.Loss{}, nil)
	require.ErrorIs(t, err, smoothl1.ErrNil)
	_, err = Run(smoothl1.Loss{Beta: 1}, &Args[float32]{Upstream: Number[float32](1)})
	require.EqualError(t, err, "smoothl1: Run: upstream = a number: is not used by this operation: there is no gradPred, gradTarget or second")
	_, err = Run(smoothl1.Loss{Beta: 1}, &Args[float32]{Terms: []float32{}, NoLoss: true, Divisor: smoothl1.DivideBy(2)})
	require.ErrorIs(t, err, smoothl1.ErrUnused)
}

// TestFinish checks that Finish accepts any beta that is valid for one of the types: the chunk sums may come from any.
func TestFinish(t *testing.T) {
	sums := []float64{3, 4}
	for _, beta := range []float64{1e-60, 1e60, 1, 0} {
		for _, c := range []struct {
			reduction smoothl1.Reduction
			divisor   smoothl1.Divisor
			want      float64
		}{{smoothl1.Sum, smoothl1.Divisor{}, 7}, {smoothl1.Mean, smoothl1.Divisor{}, 7.0 / (Chunk + 1)}, {smoothl1.Mean, smoothl1.DivideBy(3.5), 2}} {
			got, err := Finish(smoothl1.Loss{Beta: beta, Reduction: c.reduction}, sums, Chunk+1, c.divisor)
			require.NoError(t, err, beta)
			assert.Equal(t, c.want, got)
		}
	}
	_, err := Finish(smoothl1.Loss{Beta: math.NaN()}, sums, Chunk+1, smoothl1.Divisor{})
	require.ErrorIs(t, err, smoothl1.ErrBeta)
	_, err = Finish(smoothl1.Loss{Beta: 1}, sums, Chunk+1, smoothl1.DivideBy(-1))
	require.EqualError(t, err, "smoothl1: Finish: divisor = -1: divisor out of range: must be positive and finite")
	_, err = Finish(smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}, sums, Chunk+1, smoothl1.DivideBy(2))
	require.ErrorIs(t, err, smoothl1.ErrReduction)
}

// With a shape too, functions that compute one thing must ignore the arrays of others, whatever their lengths and views.
func TestArraysOfOtherPassesAreIgnored(t *testing.T) {
	l := smoothl1.Loss{Beta: 1}
	for i, set := range []func(*Args[float32]){
		func(a *Args[float32]) { a.GradPred = make([]float32, 3) },
		func(a *Args[float32]) { a.GradPred, a.Shape.GradPred = make([]float32, 9), smoothl1.Strided(-1, 3, 1) },
		func(a *Args[float32]) { a.GradTarget = make([]float32, 1) },
		func(a *Args[float32]) { a.Upstream, a.Shape.Upstream = Elements(make([]float32, 2)), smoothl1.PerRow() },
	} {
		a := &Args[float32]{Pred: []float32{1, 2, 3, 4, 5, 6}, Target: make([]float32, 6), Terms: make([]float32, 6), Shape: &smoothl1.Shape{Rows: 2, Cols: 3}}
		set(a)
		require.NoError(t, ForwardTerms(l, a), i)
		assert.Equal(t, []float32{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}, a.Terms, i)
		a.Terms = nil
		loss, err := Forward(l, a)
		require.NoError(t, err, i)
		assert.Equal(t, 3.0, loss, i)
	}
}
