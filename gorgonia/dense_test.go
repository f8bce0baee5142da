package gorgonia

import (
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

var huber = smoothl1.Loss{Kind: smoothl1.Huber, Beta: 0.7, Reduction: smoothl1.Sum}

// views make tensors of the shape (6, 5) that lie differently in memory.
var views = map[string]func(t testing.TB, dtype tensor.Dtype, seed uint64) *tensor.Dense{
	"contiguous": func(_ testing.TB, d tensor.Dtype, seed uint64) *tensor.Dense { return random(d, seed, 6, 5) },
	"transposed": func(t testing.TB, d tensor.Dtype, seed uint64) *tensor.Dense {
		x := random(d, seed, 5, 6)
		require.NoError(t, x.T())
		return x
	},
	"columns": func(t testing.TB, d tensor.Dtype, seed uint64) *tensor.Dense {
		return sliced(t, random(d, seed, 6, 9), nil, tensor.S(2, 7))
	},
	"every second row": func(t testing.TB, d tensor.Dtype, seed uint64) *tensor.Dense {
		return sliced(t, random(d, seed, 12, 5), tensor.S(0, 12, 2))
	},
	"column-major": func(_ testing.TB, d tensor.Dtype, seed uint64) *tensor.Dense {
		x := random(d, seed, 6, 5)
		if d == tensor.Float32 {
			return tensor.New(tensor.WithShape(6, 5), tensor.AsFortran(x.Float32s()))
		}
		return tensor.New(tensor.WithShape(6, 5), tensor.AsFortran(x.Float64s()))
	},
}

func sliced(t testing.TB, x *tensor.Dense, s ...tensor.Slice) *tensor.Dense {
	v, err := x.Slice(s...)
	require.NoError(t, err)
	return v.(*tensor.Dense)
}

// Some of the elements of beta are negative, which gives NaN.

func TestRunGivesTheBitsOfPackageCPUForAnyView(t *testing.T) {
	for _, dtype := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		for p, makePred := range views {
			for q, makeOther := range views {
				what := fmt.Sprint(dtype, " pred ", p, ", others ", q)
				grad := makeOther(t, dtype, 3)
				a := &Args{Pred: makePred(t, dtype, 1), Target: makeOther(t, dtype, 2), GradPred: makeOther(t, dtype, 3), AccumulatePred: true,
					Weight: makePred(t, dtype, 4), Mask: random(tensor.Bool, 5, 6, 5), Upstream: Elements(makeOther(t, dtype, 6)),
					Terms: makePred(t, dtype, 7), Abs: makeOther(t, dtype, 8), GradTarget: makePred(t, dtype, 9),
					Direction: makePred(t, dtype, 10), Second: makeOther(t, dtype, 11), Beta: makeOther(t, dtype, 12)}
				want := reference(t, dtype, a, grad)
				got, err := Run(huber, a)
				require.NoError(t, err, what)
				requireBits(t, []float64{want.loss}, []float64{got}, what)
				for r, x := range want.outputs {
					requireBits(t, x, list(t, a.tensors()[r]), what, " ", r)
				}
			}
		}
	}
}

type expected struct {
	loss    float64
	outputs map[role][]float64
}

// reference computes a call with package cpu, on copies.
func reference(t *testing.T, dtype tensor.Dtype, a *Args, grad *tensor.Dense) expected {
	if dtype == tensor.Float64 {
		return referenceOf(t, a, grad, (*tensor.Dense).Float64s)
	}
	return referenceOf(t, a, grad, (*tensor.Dense).Float32s)
}

func referenceOf[T float32 | float64](t *testing.T, a *Args, grad *tensor.Dense, slice func(*tensor.Dense) []T) expected {
	of := func(x *tensor.Dense) []T {
		if x == nil {
			return nil
		}
		return slice(copied(t, x, a.Pred.Shape()...))
	}
	b := &cpu.Args[T]{Pred: of(a.Pred), Target: of(a.Target), Weight: of(a.Weight), Beta: of(a.Beta), Terms: of(a.Terms), Abs: of(a.Abs),
		GradPred: of(grad), GradTarget: of(a.GradTarget), AccumulatePred: a.AccumulatePred, Direction: of(a.Direction), Second: of(a.Second),
		Divisor: a.Divisor}
	if a.Mask != nil {
		b.Mask = smoothl1.Bytes(copied(t, a.Mask, a.Pred.Shape()...).Bools())
	}
	if a.Upstream.elements != nil {
		b.Upstream = cpu.Elements(of(a.Upstream.elements))
	}
	loss, err := cpu.Run(huber, b)
	require.NoError(t, err)
	e := expected{loss, map[role][]float64{}}
	for r, x := range map[role][]T{terms: b.Terms, abs: b.Abs, gradPred: b.GradPred, gradTarget: b.GradTarget, second: b.Second} {
		for _, v := range x {
			e.outputs[r] = append(e.outputs[r], float64(v))
		}
	}
	return e
}

func TestBroadcast(t *testing.T) {
	for _, shape := range [][]int{{6, 1}, {1, 5}, {5}, {1}, {}, {1, 1}, {6, 5}} {
		a := &Args{Pred: random(tensor.Float32, 1, 6, 5), Target: random(tensor.Float32, 2, shape...), Weight: random(tensor.Float32, 3, shape...),
			Mask: random(tensor.Bool, 4, 6, 1), Broadcast: true, GradPred: tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(6, 5))}
		want := reference(t, tensor.Float32, a, a.GradPred)
		got, err := Run(huber, a)
		require.NoError(t, err, shape)
		assert.Equal(t, want.loss, got, shape)
		requireBits(t, want.outputs[gradPred], list(t, a.GradPred), shape)

		a.Broadcast = false
		_, err = Run(huber, a)
		require.ErrorIs(t, err, smoothl1.ErrLength, shape)
	}
}

func TestMoreDimensions(t *testing.T) {
	p, q := random(tensor.Float64, 1, 3, 4, 5), random(tensor.Float64, 2, 3, 4, 5)
	loss, err := Forward(huber, p, q)
	require.NoError(t, err)
	flat := func(x *tensor.Dense) []float64 { return list(t, copied(t, x, x.Shape()...)) }
	want := func(p, q *tensor.Dense) float64 {
		loss, err := cpu.Run(huber, &cpu.Args[float64]{Pred: flat(p), Target: flat(q)})
		require.NoError(t, err)
		return loss
	}
	assert.Equal(t, want(p, q), loss)

	// Layers, and columns of all rows of all layers, are matrices.
	for _, s := range [][]tensor.Slice{{tensor.S(1, 3)}, {nil, nil, tensor.S(1, 4)}} {
		v, w := sliced(t, p, s...), sliced(t, q, s...)
		loss, err = Forward(huber, v, w)
		require.NoError(t, err)
		assert.Equal(t, want(v, w), loss)
	}
	// Columns of some rows of all layers are not.
	s := []tensor.Slice{nil, tensor.S(0, 2), tensor.S(1, 4)}
	_, err = Forward(huber, sliced(t, p, s...), sliced(t, q, s...))
	require.ErrorIs(t, err, smoothl1.ErrView)
	require.ErrorContains(t, err, "materialize")
}

func TestOutputsBesideEachOther(t *testing.T) {
	p, q := random(tensor.Float32, 1, 6, 2), random(tensor.Float32, 2, 6, 2)
	both := random(tensor.Float32, 3, 6, 4)
	a := &Args{Pred: p, Target: q, GradPred: sliced(t, both, nil, tensor.S(0, 2)), GradTarget: sliced(t, both, nil, tensor.S(2, 4))}
	_, err := Run(huber, a)
	require.NoError(t, err)
	for i, g := range list(t, a.GradPred) {
		assert.Equal(t, g, -list(t, a.GradTarget)[i])
	}
	a.GradTarget = sliced(t, both, nil, tensor.S(1, 3))
	_, err = Run(huber, a)
	require.ErrorIs(t, err, smoothl1.ErrOverlap)

	inPlace := copied(t, p, 6, 2)
	require.NoError(t, Backward(huber, inPlace, q, inPlace))
	want := zeros(p)
	require.NoError(t, Backward(huber, p, q, want))
	requireBits(t, list(t, want), list(t, inPlace))
}

func TestNothingIsCopied(t *testing.T) {
	p, q, g := random(tensor.Float32, 1, 512, 512), random(tensor.Float32, 2, 512, 512), random(tensor.Float32, 3, 512, 512)
	require.NoError(t, q.T())
	_, err := ForwardBackward(huber, p, q, g) // allocates what package cpu keeps
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = ForwardBackward(huber, p, q, g)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(p.MemSize()/4))
}

func TestNoElements(t *testing.T) {
	e := tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(0, 4))
	loss, err := ForwardBackward(huber, e, zeros(e), zeros(e))
	require.NoError(t, err)
	assert.Zero(t, loss)
	loss, err = Forward(smoothl1.Loss{}, e, e)
	require.NoError(t, err)
	assert.True(t, math.IsNaN(loss))
	_, err = Run(huber, &Args{Pred: e, Target: e, Weight: random(tensor.Float32, 1, 4), Broadcast: true})
	require.NoError(t, err)
	e = tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(0, 2, 3)) // no matrix, but then there is nothing to lie anywhere
	_, err = Run(huber, &Args{Pred: e, Target: e, Weight: random(tensor.Float32, 1, 2, 1), Broadcast: true})
	require.NoError(t, err)
	scalar := random(tensor.Float32, 1)
	loss, err = Forward(huber, scalar, scalar)
	require.NoError(t, err)
	assert.Zero(t, loss)
}

func TestShorthands(t *testing.T) {
	p, q := random(tensor.Float32, 1, 7), random(tensor.Float32, 2, 7)
	terms := zeros(p)
	require.NoError(t, ForwardTerms(huber, p, q, terms))
	sum := 0.0
	for _, x := range list(t, terms) {
		sum += x
	}
	loss, err := Forward(huber, p, q)
	require.NoError(t, err)
	assert.InDelta(t, loss, sum, 1e-12)
	for name, err := range map[string]error{
		"ForwardTerms":    ForwardTerms(huber, p, q, nil),
		"Backward":        Backward(huber, p, q, nil),
		"ForwardBackward": errorOf(ForwardBackward(huber, p, q, nil)),
		"Forward":         errorOf(Forward(smoothl1.Loss{Reduction: smoothl1.None}, p, q)),
	} {
		var e *smoothl1.ArgError
		require.ErrorAs(t, err, &e)
		assert.Equal(t, name, e.Op)
	}
}

func TestRunRefuses(t *testing.T) {
	p, q := random(tensor.Float32, 1, 2, 3), random(tensor.Float32, 2, 2, 3)
	masked := random(tensor.Float32, 1, 2, 3)
	require.NoError(t, masked.ResetMask(true))
	foreign := tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(2, 3), tensor.WithEngine(foreignEngine{}), tensor.FromMemory(p.Uintptr(), p.MemSize()))
	torn := random(tensor.Float32, 1, 2, 3)
	torn.Init(tensor.Shape{2, 300}, []int{300, 1})
	nan := huber
	nan.Beta = math.NaN()
	for name, c := range map[string]struct {
		args *Args
		loss smoothl1.Loss
		arg  string
		err  error
	}{
		"no arguments":         {nil, huber, "args", smoothl1.ErrNil},
		"no pred":              {&Args{Target: q}, huber, "pred", smoothl1.ErrNil},
		"no target":            {&Args{Pred: p}, huber, "target", smoothl1.ErrNil},
		"zero pred":            {&Args{Pred: new(tensor.Dense), Target: q}, huber, "pred", smoothl1.ErrZero},
		"zero mask":            {&Args{Pred: p, Target: q, Mask: new(tensor.Dense)}, huber, "mask", smoothl1.ErrZero},
		"integers":             {&Args{Pred: tensor.New(tensor.Of(tensor.Int), tensor.WithShape(2)), Target: q}, huber, "pred", smoothl1.ErrDType},
		"float64 target":       {&Args{Pred: p, Target: random(tensor.Float64, 1, 2, 3)}, huber, "target", smoothl1.ErrDType},
		"float mask":           {&Args{Pred: p, Target: q, Mask: q}, huber, "mask", smoothl1.ErrDType},
		"target of a row":      {&Args{Pred: p, Target: random(tensor.Float32, 1, 6)}, huber, "target", smoothl1.ErrLength},
		"gradient of a row":    {&Args{Pred: p, Target: q, GradPred: random(tensor.Float32, 1, 3), Broadcast: true}, huber, "gradPred", smoothl1.ErrLength},
		"weight that is wider": {&Args{Pred: p, Target: q, Weight: random(tensor.Float32, 1, 2, 4), Broadcast: true}, huber, "weight", smoothl1.ErrLength},
		"more dimensions":      {&Args{Pred: p, Target: q, Weight: random(tensor.Float32, 1, 1, 2, 3), Broadcast: true}, huber, "weight", smoothl1.ErrLength},
		"masked tensor":        {&Args{Pred: masked, Target: q}, huber, "pred", smoothl1.ErrOption},
		"too little memory":    {&Args{Pred: torn, Target: torn}, huber, "pred", smoothl1.ErrView},
		"memory of a device":   {&Args{Pred: p, Target: foreign}, huber, "target", smoothl1.ErrDevice},
		"gradient of a target that repeats": {&Args{Pred: p, Target: random(tensor.Float32, 1, 3), Broadcast: true, GradTarget: zeros(p)}, huber,
			"target", smoothl1.ErrRepeat},
		"nil upstream":       {&Args{Pred: p, Target: q, GradPred: zeros(p), Upstream: Elements(nil)}, huber, "upstream", smoothl1.ErrNil},
		"unused upstream":    {&Args{Pred: p, Target: q, Upstream: Number(2)}, huber, "upstream", smoothl1.ErrUnused},
		"output over target": {&Args{Pred: p, Target: q, GradPred: sliced(t, q, nil)}, huber, "", nil},
		"NaN delta":          {&Args{Pred: p, Target: q}, nan, "delta", smoothl1.ErrBeta},
		"divisor of a sum":   {&Args{Pred: p, Target: q, Divisor: smoothl1.DivideBy(2)}, huber, "divisor", smoothl1.ErrReduction},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Run(c.loss, c.args)
			if c.err == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.err)
			var e *smoothl1.ArgError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, c.arg, e.Arg)
		})
	}
}

func errorOf(_ float64, err error) error { return err }

// foreignEngine is the engine of tensors whose memory Go cannot access.
type foreignEngine struct{ tensor.StdEng }

func (foreignEngine) AllocAccessible() bool           { return false }
func (foreignEngine) WorksWith(tensor.DataOrder) bool { return true }
func (foreignEngine) NonStdAlloc()                    {}
