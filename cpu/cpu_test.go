package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

func ExampleForwardBackward() {
	grad := make([]float32, 3)
	loss, err := ForwardBackward(smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}, &Args[float32]{
		Pred:     []float32{0.5, 2, -3},
		Target:   []float32{0, 0, 0},
		GradPred: grad,
	})
	fmt.Println(loss, grad, err)
	// Output: 4.125 [0.5 1 -1] <nil>
}

func ExampleFinish() {
	l := smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean}
	pred, target := make([]float64, 3*Chunk), make([]float64, 3*Chunk)
	for i := range pred {
		pred[i] = float64(i) / 100
	}
	whole, _ := Forward(l, &Args[float64]{Pred: pred, Target: target})

	// Two shards, cut at a multiple of Chunk and possibly on two machines.
	sums := make([]float64, 3)
	_, _ = Forward(l, &Args[float64]{Pred: pred[:Chunk], Target: target[:Chunk], ChunkSums: sums[:1]})
	_, _ = Forward(l, &Args[float64]{Pred: pred[Chunk:], Target: target[Chunk:], ChunkSums: sums[1:]})
	gathered, err := Finish(l, sums, len(pred), smoothl1.Divisor{})
	fmt.Println(gathered == whole, err)
	// Output: true <nil>
}

func random(r *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = r.NormFloat64() * 2
	}
	return x
}

var losses = []smoothl1.Loss{{Beta: 1}, {Beta: 0.1, Reduction: smoothl1.Sum}, {}, {Kind: smoothl1.Huber, Beta: 0.7}, {Kind: smoothl1.Huber, Beta: 2, Reduction: smoothl1.Sum}}

func TestGradientIsTheDerivative(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n, step = 50, 1e-6
	for _, l := range losses {
		a := Args[float64]{Pred: random(r, n), Target: random(r, n), GradPred: make([]float64, n), GradTarget: make([]float64, n)}
		_, err := RefForwardBackward(l, &a)
		require.NoError(t, err)
		for i := range n {
			d := math.Abs(a.Pred[i] - a.Target[i])
			if math.Abs(d-l.Beta) < 2*step || d < 2*step {
				continue // not differentiable here
			}
			for _, x := range []struct {
				array []float64
				grad  float64
			}{{a.Pred, a.GradPred[i]}, {a.Target, a.GradTarget[i]}} {
				at := x.array[i]
				x.array[i] = at + step
				up, err := RefForward(l, &a)
				require.NoError(t, err)
				x.array[i] = at - step
				down, err := RefForward(l, &a)
				require.NoError(t, err)
				x.array[i] = at
				require.InDelta(t, (up-down)/(2*step), x.grad, 1e-7, "%v d=%v", l, d)
			}
		}
	}
}

func TestProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const n = 500
	for _, l := range losses {
		a := Args[float64]{Pred: random(r, n), Target: random(r, n), Terms: make([]float64, n), GradPred: make([]float64, n), GradTarget: make([]float64, n)}
		b := Args[float64]{Pred: a.Target, Target: a.Pred, Terms: make([]float64, n), GradPred: make([]float64, n)}
		require.NoError(t, ForwardTerms(l, &a))
		require.NoError(t, ForwardTerms(l, &b))
		require.NoError(t, Backward(l, &a))
		require.NoError(t, Backward(l, &b))
		for i := range n {
			require.GreaterOrEqual(t, a.Terms[i], 0.0)
			require.Equal(t, a.Terms[i], b.Terms[i], "even in d")
			require.Equal(t, a.GradPred[i], -b.GradPred[i], "odd in d")
			require.Equal(t, math.Float64bits(-a.GradPred[i]), math.Float64bits(a.GradTarget[i]), "the exact negative")
		}
	}
	// Huber is beta times smooth L1, up to rounding.
	a := Args[float64]{Pred: random(r, n), Target: random(r, n)}
	huber, err := Forward(smoothl1.Loss{Kind: smoothl1.Huber, Beta: 0.3}, &a)
	require.NoError(t, err)
	smooth, err := Forward(smoothl1.Loss{Beta: 0.3}, &a)
	require.NoError(t, err)
	assert.InEpsilon(t, 0.3*smooth, huber, 1e-14)
}

func TestEveryNumberOfGoroutinesGivesTheSameBits(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, Chunk + 1, 33*Chunk + 7, 450*Chunk - 1} {
		pred, target := random(r, n), random(r, n)
		l := smoothl1.Loss{Beta: 0.3}
		want := make([]float64, n)
		loss, err := RefForwardBackward(l, &Args[float64]{Pred: pred, Target: target, GradPred: want})
		require.NoError(t, err)
		for _, p := range []int{1, 2, 3, 7, 16} {
			runtime.GOMAXPROCS(p)
			grad := make([]float64, n)
			got, err := ForwardBackward(l, &Args[float64]{Pred: pred, Target: target, GradPred: grad})
			require.NoError(t, err)
			require.Equal(t, math.Float64bits(loss), math.Float64bits(got), "n=%d GOMAXPROCS=%d", n, p)
			require.Equal(t, want, grad)
		}
	}
}

func TestShards(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const n = 2100*Chunk + 77 // a third level
	pred, target := make([]float32, n), make([]float32, n)
	for i := range pred {
		pred[i], target[i] = r.Float32()*4, r.Float32()*4
	}
	l := smoothl1.Loss{Beta: 0.1}
	whole, err := RefForward(l, &Args[float32]{Pred: pred, Target: target})
	require.NoError(t, err)
	var sums []float64
	for _, c := range [][2]int{{0, 1}, {1, 700}, {700, 2101}} {
		from, to := c[0]*Chunk, min(c[1]*Chunk, n)
		part := make([]float64, Chunks(to-from))
		_, err := Forward(l, &Args[float32]{Pred: pred[from:to], Target: target[from:to], ChunkSums: part})
		require.NoError(t, err)
		sums = append(sums, part...)
	}
	got, err := Finish(l, sums, n, smoothl1.Divisor{})
	require.NoError(t, err)
	assert.Equal(t, math.Float64bits(whole), math.Float64bits(got))
}

func TestEmptyArrays(t *testing.T) {
	mean, err := Forward(smoothl1.Loss{}, &Args[float32]{})
	require.NoError(t, err)
	assert.True(t, math.IsNaN(mean))
	sum, err := Forward(smoothl1.Loss{Reduction: smoothl1.Sum}, &Args[float32]{})
	require.NoError(t, err)
	assert.Equal(t, uint64(0), math.Float64bits(sum), "+0")
	_, err = ForwardBackward(smoothl1.Loss{}, &Args[float32]{GradPred: []float32{}})
	require.NoError(t, err)
	sum, err = Finish(smoothl1.Loss{Reduction: smoothl1.Sum}, nil, 0, smoothl1.Divisor{})
	require.NoError(t, err)
	assert.Equal(t, uint64(0), math.Float64bits(sum))
}

func TestArgumentsAreRefused(t *testing.T) {
	x := func(n int) []float32 { return make([]float32, n) }
	long := x(12)
	ones := smoothl1.Loss{Beta: 1}
	for _, c := range []struct {
		name   string
		loss   smoothl1.Loss
		args   Args[float32]
		op     func(smoothl1.Loss, *Args[float32]) error
		reason error
		text   string
	}{
		{"target", ones, Args[float32]{Pred: x(3), Target: x(2), Terms: x(3)}, ForwardTerms[float32], smoothl1.ErrLength,
			"smoothl1: ForwardTerms: len(target) = 2: length does not fit: pred has 3"},
		{"terms", ones, Args[float32]{Pred: x(3), Target: x(3)}, ForwardTerms[float32], smoothl1.ErrLength,
			"smoothl1: ForwardTerms: len(terms) = 0: length does not fit: pred has 3"},
		{"no gradient", ones, Args[float32]{Pred: x(3), Target: x(3)}, Backward[float32], smoothl1.ErrNil,
			"smoothl1: Backward: gradPred and gradTarget = nil: must not be nil"},
		{"gradPred", ones, Args[float32]{Pred: x(3), Target: x(3), GradPred: x(4)}, Backward[float32], smoothl1.ErrLength,
			"smoothl1: Backward: len(gradPred) = 4: length does not fit: pred has 3"},
		{"gradTarget", ones, Args[float32]{Pred: x(3), Target: x(3), GradTarget: x(4)}, Backward[float32], smoothl1.ErrLength,
			"smoothl1: Backward: len(gradTarget) = 4: length does not fit: pred has 3"},
		{"upstream", ones, Args[float32]{Pred: x(3), Target: x(3), GradPred: x(3), Upstream: Elements[float32](nil)}, Backward[float32], smoothl1.ErrLength,
			"smoothl1: Backward: len(upstream) = 0: length does not fit: pred has 3"},
		{"divisor", ones, Args[float32]{Pred: x(3), Target: x(3), GradPred: x(3), Divisor: smoothl1.DivideBy(-1)}, Backward[float32],
			smoothl1.ErrDivisor, "smoothl1: Backward: divisor = -1: divisor out of range: must be positive and finite"},
		{"overlap with an input", ones, Args[float32]{Pred: long[:8], Target: x(8), GradPred: long[4:]}, Backward[float32], smoothl1.ErrOverlap, ""},
		{"overlap of outputs", ones, Args[float32]{Pred: x(8), Target: x(8), GradPred: long[:8], GradTarget: long[:8]}, Backward[float32], smoothl1.ErrOverlap, ""},
		{"beta", smoothl1.Loss{Beta: -1}, Args[float32]{}, ForwardTerms[float32], smoothl1.ErrBeta, ""},
		{"reference", ones, Args[float32]{Pred: x(3)}, RefBackward[float32], smoothl1.ErrLength,
			"smoothl1: RefBackward: len(target) = 0: length does not fit: pred has 3"},
	} {
		err := c.op(c.loss, &c.args)
		require.ErrorIs(t, err, c.reason, c.name)
		if c.text != "" {
			assert.EqualError(t, err, c.text)
		}
	}
	for _, forward := range []func(smoothl1.Loss, *Args[float32]) (float64, error){Forward[float32], RefForward[float32]} {
		_, err := forward(smoothl1.Loss{Reduction: smoothl1.None}, &Args[float32]{})
		require.ErrorIs(t, err, smoothl1.ErrReduction)
		_, err = forward(ones, &Args[float32]{Pred: x(Chunk), Target: x(Chunk), ChunkSums: make([]float64, 2)})
		require.ErrorIs(t, err, smoothl1.ErrLength)
	}
	for _, both := range []func(smoothl1.Loss, *Args[float32]) (float64, error){ForwardBackward[float32], RefForwardBackward[float32]} {
		_, err := both(smoothl1.Loss{Reduction: smoothl1.None}, &Args[float32]{GradPred: x(0)})
		require.ErrorIs(t, err, smoothl1.ErrReduction)
	}
	_, err := Finish(ones, make([]float64, 2), Chunk, smoothl1.Divisor{})
	require.EqualError(t, err, "smoothl1: Finish: len(chunkSums) = 2: length does not fit: 2048 elements have 1")
	_, err = Finish(ones, nil, -1, smoothl1.Divisor{})
	require.ErrorIs(t, err, smoothl1.ErrCount)
	_, err = Finish(smoothl1.Loss{Reduction: smoothl1.None}, nil, 0, smoothl1.Divisor{})
	require.ErrorIs(t, err, smoothl1.ErrReduction)
}

func TestRefusedCallsWriteNothing(t *testing.T) {
	long := []float32{1, 2, 3, 4}
	require.Error(t, Backward(smoothl1.Loss{Beta: 1}, &Args[float32]{Pred: long[:3], Target: long[:3], GradPred: long[1:]}))
	assert.Equal(t, []float32{1, 2, 3, 4}, long)
}

// TestPlainCallsAreValid checks that a call that passes the short check passes the long one, whatever the fields of its arguments: the
// short check must not pass over an array that it does not know.
func TestPlainCallsAreValid(t *testing.T) {
	memory := make([]float64, 12)
	r := rand.New(rand.NewPCG(1, 2))
	part := func() []float64 {
		if r.IntN(8) == 0 {
			return nil
		}
		from := r.IntN(len(memory))
		return memory[from : from+min(1+r.IntN(3), len(memory)-from)]
	}
	plain := map[op.Pass]int{}
	for range 200_000 {
		a := Args[float64]{Pred: part(), Target: part(), NoLoss: r.IntN(4) == 0}
		fields := reflect.ValueOf(&a).Elem()
		for i := range fields.NumField() {
			if r.IntN(8) > 0 && !plainFields[fields.Type().Field(i).Name] || r.IntN(2) == 0 {
				continue
			}
			switch x := fields.Field(i).Addr().Interface().(type) {
			case *[]float64:
				if x != &a.Pred && x != &a.Target {
					*x = part()
				}
			case *Upstream[float64]:
				x.elements = part()
			case *smoothl1.Divisor:
				if r.IntN(2) == 0 {
					*x = smoothl1.DivideBy(float64(r.IntN(3)))
				}
			case *[]uint8:
				*x = []uint8{1}
			case *[]int32:
				*x = []int32{0}
			case **smoothl1.Shape:
				*x = &smoothl1.Shape{Rows: 1, Cols: 1}
			case *bool:
				*x = r.IntN(8) == 0
			default:
				require.Failf(t, "draw values for this field", "%s %T", fields.Type().Field(i).Name, x)
			}
		}
		l := smoothl1.Loss{Beta: 1, Reduction: smoothl1.Reduction(r.IntN(3))}
		for p := range op.Pass(op.Passes + 1) {
			if chosen, ok := a.plain(l, p, 8); ok {
				plain[p]++
				var c checked
				require.NoError(t, a.checkAll(&c, "op", l, p), "%v %+v", p, a)
				require.Equal(t, c.pass, chosen)
			}
		}
	}
	for p := range op.Pass(op.Passes + 1) {
		assert.Greater(t, plain[p], 100, p)
	}
}

// plainFields are the fields that a plain call may have.
var plainFields = map[string]bool{"Pred": true, "Target": true, "Upstream": true, "Terms": true, "GradPred": true, "GradTarget": true,
	"ChunkSums": true, "Divisor": true, "NoLoss": true}
