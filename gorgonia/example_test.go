package gorgonia_test

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gorgonia"
)

// A line through points of which one is an outlier, fitted by Gorgonia's gradient descent.
func ExampleSmoothL1() {
	g := G.NewGraph()
	x := G.NewMatrix(g, tensor.Float64, G.WithName("x"), G.WithShape(4, 1),
		G.WithValue(tensor.New(tensor.WithShape(4, 1), tensor.WithBacking([]float64{1, 2, 3, 4}))))
	target := G.NewMatrix(g, tensor.Float64, G.WithName("target"), G.WithShape(4, 1),
		G.WithValue(tensor.New(tensor.WithShape(4, 1), tensor.WithBacking([]float64{2, 4, 600, 8}))))
	slope := G.NewMatrix(g, tensor.Float64, G.WithName("slope"), G.WithShape(1, 1), G.WithInit(G.Zeroes()))

	pred, err := G.Mul(x, slope)
	if err != nil {
		fmt.Println(err)
		return
	}
	loss, err := gorgonia.SmoothL1(smoothl1.Loss{Beta: 0.1, Reduction: smoothl1.Mean}, pred, target)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := G.Grad(loss, slope); err != nil {
		fmt.Println(err)
		return
	}
	machine := G.NewTapeMachine(g, G.BindDualValues(slope))
	defer machine.Close()
	solver := G.NewVanillaSolver(G.WithLearnRate(0.01))
	for range 500 {
		if err := machine.RunAll(); err != nil {
			fmt.Println(err)
			return
		}
		if err := solver.Step(G.NodesToValueGrads(G.Nodes{slope})); err != nil {
			fmt.Println(err)
			return
		}
		machine.Reset()
	}
	fmt.Printf("%.2f\n", slope.Value().Data())
	// Output: [2.01]
}

// Boxes of four coordinates with a weight for each box, and a mean over the boxes that were matched. What was not matched may be NaN.
func ExampleSmoothL1_boxes() {
	g := G.NewGraph()
	node := func(name string, x *tensor.Dense) *G.Node {
		return G.NewTensor(g, x.Dtype(), x.Dims(), G.WithName(name), G.WithShape(x.Shape()...), G.WithValue(x))
	}
	pred := node("pred", tensor.New(tensor.WithShape(2, 4), tensor.WithBacking([]float32{1, 2, 3, 4, 5, 6, 7, 8})))
	target := node("target", tensor.New(tensor.WithShape(2, 4), tensor.WithBacking([]float32{0, 2, 3, 9, 0, 0, 0, 0})))
	matched := node("matched", tensor.New(tensor.WithShape(2, 1), tensor.WithBacking([]bool{true, false})))
	weight := node("weight", tensor.New(tensor.WithShape(2, 1), tensor.WithBacking([]float32{2, 1})))

	loss, err := gorgonia.SmoothL1(smoothl1.Loss{Beta: 1}, pred, target, gorgonia.Weight(weight), gorgonia.Mask(matched),
		gorgonia.Broadcast(), gorgonia.Divisor(smoothl1.DivideByKept()))
	if err != nil {
		fmt.Println(err)
		return
	}
	grads, err := G.Grad(loss, pred)
	if err != nil {
		fmt.Println(err)
		return
	}
	machine := G.NewTapeMachine(g)
	defer machine.Close()
	if err := machine.RunAll(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(loss.Value(), grads[0].Value().Data())
	// Output: 2.5 [0.5 0 0 -0.5 0 0 0 0]
}

// The loss before it is rounded to float32.
func ExampleValue() {
	g := G.NewGraph()
	pred := G.NewVector(g, tensor.Float32, G.WithName("pred"), G.WithShape(3), G.WithInit(G.Ones()))
	target := G.NewVector(g, tensor.Float32, G.WithName("target"), G.WithShape(3), G.WithInit(G.RangedFrom(1)))
	loss, err := gorgonia.SmoothL1(smoothl1.Loss{Beta: 1}, pred, target)
	if err != nil {
		fmt.Println(err)
		return
	}
	machine := G.NewTapeMachine(g)
	defer machine.Close()
	if err := machine.RunAll(); err != nil {
		fmt.Println(err)
		return
	}
	exact, err := gorgonia.Value(loss)
	fmt.Println(loss.Value(), exact, err)
	// Output: 0.6666667 0.6666666666666666 <nil>
}

func ExampleForwardBackward() {
	pred := tensor.New(tensor.WithShape(2, 2), tensor.WithBacking([]float32{1, 2, 3, 4}))
	target := tensor.New(tensor.WithShape(2, 2), tensor.WithBacking([]float32{1, 5, 2.5, 4}))
	grad := tensor.New(tensor.WithShape(2, 2), tensor.Of(tensor.Float32))
	loss, err := gorgonia.ForwardBackward(smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}, pred, target, grad)
	fmt.Println(loss, grad.Data(), err)
	// Output: 2.625 [0 -1 0.5 0] <nil>
}

// The first two columns of pred against a transposed target, where they lie.
func ExampleRun() {
	pred := tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float64{1, 2, 99, 3, 4, 99}))
	columns, err := pred.Slice(nil, tensor.S(0, 2))
	if err != nil {
		fmt.Println(err)
		return
	}
	target := tensor.New(tensor.WithShape(2, 2), tensor.WithBacking([]float64{1, 3, 5, 4}))
	if err := target.T(); err != nil {
		fmt.Println(err)
		return
	}
	terms := tensor.New(tensor.WithShape(2, 2), tensor.Of(tensor.Float64))
	loss, err := gorgonia.Run(smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}, &gorgonia.Args{
		Pred: columns.(*tensor.Dense), Target: target, Terms: terms,
		Weight: tensor.New(tensor.WithShape(2), tensor.WithBacking([]float64{1, 2})), Broadcast: true, // one for each column
	})
	fmt.Println(loss, terms.Data(), err)
	// Output: 5 [0 5 0 0] <nil>
}
