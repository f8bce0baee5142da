package gorgonia

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
)

func TestSmoothL1Refuses(t *testing.T) {
	g := G.NewGraph()
	node := func(name string, dtype tensor.Dtype, shape ...int) *G.Node {
		return G.NewTensor(g, dtype, len(shape), G.WithShape(shape...), G.WithName(name))
	}
	p, q := node("p", tensor.Float32, 6, 4), node("q", tensor.Float32, 6, 4)
	computed := G.Must(G.Square(q))
	mean := smoothl1.Loss{Beta: 1}
	for name, c := range map[string]struct {
		loss         smoothl1.Loss
		pred, target *G.Node
		options      []Option
		arg          string
		err          error
	}{
		"no pred":            {mean, nil, q, nil, "pred", smoothl1.ErrNil},
		"no target":          {mean, p, nil, nil, "target", smoothl1.ErrNil},
		"zero pred":          {mean, new(G.Node), q, nil, "pred", smoothl1.ErrDType},
		"pred of no graph":   {mean, p.Clone().(*G.Node), q, nil, "pred", ErrGraph},
		"target of no graph": {mean, p, q.Clone().(*G.Node), nil, "target", ErrGraph},
		"no shape":           {mean, G.NewMatrix(g, tensor.Float32, G.WithName("n")), q, nil, "pred", ErrGraph},
		"another graph": {mean, p, G.NewMatrix(G.NewGraph(), tensor.Float32, G.WithShape(6, 4), G.WithName("z")), nil,
			"target", ErrGraph},
		"integers":           {mean, node("i", tensor.Int, 3), node("j", tensor.Int, 3), nil, "pred", smoothl1.ErrDType},
		"scalars":            {mean, node("s", tensor.Float32), node("r", tensor.Float32), nil, "pred", smoothl1.ErrView},
		"float64 target":     {mean, p, node("d", tensor.Float64, 6, 4), nil, "target", smoothl1.ErrDType},
		"transposed target":  {mean, p, node("t", tensor.Float32, 4, 6), nil, "target", smoothl1.ErrLength},
		"row as target":      {mean, p, node("w", tensor.Float32, 4), []Option{Broadcast()}, "target", smoothl1.ErrLength},
		"weight for rows":    {mean, p, q, []Option{Weight(node("b", tensor.Float32, 6, 1))}, "weight", smoothl1.ErrLength},
		"no weight":          {mean, p, q, []Option{Weight(nil)}, "weight", smoothl1.ErrNil},
		"computed weight":    {mean, p, q, []Option{Weight(computed)}, "weight", smoothl1.ErrOption},
		"mask of floats":     {mean, p, q, []Option{Mask(q)}, "mask", smoothl1.ErrDType},
		"no mask":            {mean, p, q, []Option{Mask(nil)}, "mask", smoothl1.ErrNil},
		"no option":          {mean, p, q, []Option{nil}, "options[0]", smoothl1.ErrNil},
		"kept without mask":  {mean, p, q, []Option{Divisor(smoothl1.DivideByKept())}, "divisor", smoothl1.ErrDivisor},
		"weights without":    {mean, p, q, []Option{Divisor(smoothl1.DivideByWeights())}, "divisor", smoothl1.ErrDivisor},
		"divisor of a sum":   {huber, p, q, []Option{Divisor(smoothl1.DivideBy(1))}, "divisor", smoothl1.ErrReduction},
		"infinite divisor":   {mean, p, q, []Option{Divisor(smoothl1.DivideBy(math.Inf(1)))}, "divisor", smoothl1.ErrDivisor},
		"NaN beta":           {smoothl1.Loss{Beta: math.NaN()}, p, q, nil, "beta", smoothl1.ErrBeta},
		"beta of 0 in float": {smoothl1.Loss{Beta: 1e-60}, p, q, nil, "beta", smoothl1.ErrBeta},
		"unknown reduction":  {smoothl1.Loss{Reduction: 9}, p, q, nil, "reduction", smoothl1.ErrReduction},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(g.AllNodes())
			n, err := SmoothL1(c.loss, c.pred, c.target, c.options...)
			assert.Nil(t, n)
			require.ErrorIs(t, err, c.err)
			var e *smoothl1.ArgError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, c.arg, e.Arg)
			assert.Len(t, g.AllNodes(), before)
		})
	}
	_, err := SmoothL1(mean, p, q, FixedWeight(computed))
	require.NoError(t, err)
}

func TestNotDifferentiable(t *testing.T) {
	p := problems()[1]
	n := p.build(t, TargetGradient(false))
	for _, name := range []string{"target", "weight", "mask"} {
		_, err := G.Grad(n.loss, n.graph.ByName(name)[0])
		require.ErrorContains(t, err, "Non Differentiable", name)
	}
	p.differentiate(t, &nodes{pred: n.pred, objective: n.loss})
	grad := n.loss.Deriv() // of the loss: the constant 1
	require.NotNil(t, grad)
	second, err := G.Sum(n.pred.Deriv())
	require.NoError(t, err)
	_, err = G.Grad(second, n.pred)
	require.Error(t, err, "a second derivative")
}

func TestExecutionRefuses(t *testing.T) {
	p := &problem{loss: smoothl1.Loss{Beta: 1}, dtype: tensor.Float32, scale: 1, pred: random(tensor.Float32, 1, shape...),
		target: random(tensor.Float32, 2, shape...), m: random(tensor.Bool, 3, shape...)}
	n := p.build(t) // with Broadcast
	p.differentiate(t, n)
	one := G.NewF32(1)
	short := random(tensor.Float32, 1, 5)
	loss, grad := n.loss.Op(), n.grads[0].Op()
	for name, c := range map[string]struct {
		op     G.Op
		inputs []G.Value
		arg    string
		err    error
	}{
		"no mask":             {loss, []G.Value{p.pred, p.target}, "inputs", smoothl1.ErrLength},
		"too few":             {grad, []G.Value{p.pred, p.target, p.m}, "inputs", smoothl1.ErrLength},
		"a number":            {loss, []G.Value{p.pred, one, p.m}, "target", smoothl1.ErrDType},
		"a nil mask":          {loss, []G.Value{p.pred, p.target, (*G.B)(nil)}, "mask", smoothl1.ErrDType},
		"nil":                 {loss, []G.Value{nil, p.target, p.m}, "pred", smoothl1.ErrDType},
		"a nil tensor":        {loss, []G.Value{p.pred, (*tensor.Dense)(nil), p.m}, "target", smoothl1.ErrDType},
		"a zero tensor":       {loss, []G.Value{new(tensor.Dense), p.target, p.m}, "pred", smoothl1.ErrZero},
		"a zero mask":         {loss, []G.Value{p.pred, p.target, new(tensor.Dense)}, "mask", smoothl1.ErrZero},
		"integers":            {loss, []G.Value{tensor.New(tensor.Of(tensor.Int), tensor.WithShape(2)), p.target, p.m}, "pred", smoothl1.ErrDType},
		"another length":      {loss, []G.Value{p.pred, short, p.m}, "target", smoothl1.ErrLength},
		"a row as target":     {loss, []G.Value{p.pred, random(tensor.Float32, 1, 60), p.m}, "target", smoothl1.ErrLength},
		"nil upstream":        {grad, []G.Value{p.pred, p.target, p.m, nil, one}, "upstream", smoothl1.ErrDType},
		"no upstream":         {grad, []G.Value{p.pred, p.target, p.m, (*G.F32)(nil), one}, "upstream", smoothl1.ErrDType},
		"a zero upstream":     {grad, []G.Value{p.pred, p.target, p.m, new(tensor.Dense), one}, "upstream", smoothl1.ErrZero},
		"an integer upstream": {grad, []G.Value{p.pred, p.target, p.m, tensor.New(tensor.FromScalar(3)), one}, "upstream", smoothl1.ErrDType},
		"a short upstream":    {grad, []G.Value{p.pred, p.target, p.m, short, one}, "upstream", smoothl1.ErrLength},
		"float64 as upstream": {grad, []G.Value{p.pred, p.target, p.m, random(tensor.Float64, 1, 60), one}, "upstream", smoothl1.ErrDType},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := c.op.Do(c.inputs...)
			assert.Nil(t, v)
			require.ErrorIs(t, err, c.err)
			var e *smoothl1.ArgError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, c.arg, e.Arg)
			assert.Equal(t, "SmoothL1", e.Op)
		})
	}
}

func TestInferShape(t *testing.T) {
	n := problems()[0].build(t)
	_, err := n.loss.Op().InferShape(tensor.Shape{3})
	require.ErrorIs(t, err, smoothl1.ErrLength)
	_, err = n.loss.Op().InferShape(nil, nil)
	require.Error(t, err)
}

func TestValueRefuses(t *testing.T) {
	_, err := Value(nil)
	require.ErrorIs(t, err, smoothl1.ErrNil)
	n := problems()[0].build(t)
	_, err = Value(n.pred)
	require.ErrorIs(t, err, ErrGraph)
	_, err = Value(n.loss)
	require.ErrorIs(t, err, smoothl1.ErrNoValue)
}
