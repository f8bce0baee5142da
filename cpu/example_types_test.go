package cpu_test

import (
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

// All functions take an Args and use the fields that they need.
func ExampleArgs() {
	l := smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}
	a := cpu.Args[float32]{
		Pred:     []float32{0.5, 2, -3},
		Target:   []float32{0, 0, 0},
		Terms:    make([]float32, 3),
		GradPred: make([]float32, 3),
	}
	loss, err := cpu.ForwardBackward(l, &a)
	fmt.Println(loss, a.GradPred, err)
	err = cpu.ForwardTerms(l, &a)
	fmt.Println(a.Terms, err)
	// Output:
	// 4.125 [0.5 1 -1] <nil>
	// [0.125 1.5 2.5] <nil>
}

// Run computes the outputs that its arguments have slices for.
func ExampleRun() {
	a := cpu.Args[float64]{Pred: []float64{0.5, 2, -3}, Target: make([]float64, 3), GradTarget: make([]float64, 3), Divisor: smoothl1.DivideBy(2)}
	loss, err := cpu.Run(smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean}, &a)
	fmt.Println(loss, a.GradTarget, err)
	// Output: 2.0625 [-0.25 -0.5 0.5] <nil>
}

// An upstream gradient is one number, or a slice with a number for each element.
func ExampleUpstream() {
	l := smoothl1.Loss{Beta: 1, Reduction: smoothl1.None}
	a := cpu.Args[float64]{Pred: []float64{0.5, 2, -3}, Target: make([]float64, 3), GradPred: make([]float64, 3)}
	for _, g := range []cpu.Upstream[float64]{cpu.Number[float64](2), cpu.Elements([]float64{1, 0, 10})} {
		a.Upstream = g
		err := cpu.Backward(l, &a)
		fmt.Println(a.GradPred, err)
	}
	// Output:
	// [1 2 -2] <nil>
	// [0.5 0 -10] <nil>
}

// The mean is over what the mask keeps. What it leaves out may be anything.
func ExampleRun_mask() {
	a := cpu.Args[float32]{
		Pred:     []float32{0.5, 2, float32(math.NaN())},
		Target:   []float32{0, 0, 0},
		Mask:     smoothl1.Bytes([]bool{true, true, false}),
		Divisor:  smoothl1.DivideByKept(),
		GradPred: make([]float32, 3),
	}
	loss, err := cpu.Run(smoothl1.Loss{Beta: 1}, &a)
	fmt.Println(loss, a.GradPred, err)
	// Output: 0.8125 [0.25 0.5 0] <nil>
}

// Each row is one box of 4 coordinates with a weight and a loss of its own.
func ExampleRun_rows() {
	a := cpu.Args[smoothl1.F16]{
		Pred:   make([]smoothl1.F16, 8),
		Target: make([]smoothl1.F16, 8),
		Weight: []smoothl1.F16{smoothl1.ToF16(1), smoothl1.ToF16(0.5)},
		ByRow:  true,
		Losses: make([]float64, 2),
		Shape:  &smoothl1.Shape{Rows: 2, Cols: 4, Weight: smoothl1.PerRow()},
	}
	_ = smoothl1.Convert(a.Pred, []float32{1, 2, 3, 4, 1, 2, 3, 4})
	_, err := cpu.Run(smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}, &a)
	fmt.Println(a.Losses, err)
	// Output: [8 4] <nil>
}

// The index names the action that was taken in each row of a batch.
func ExampleRun_index() {
	a := cpu.Args[float64]{
		Pred:     []float64{1, 2, 3, 4, 5, 6}, // two rows of three actions
		Target:   []float64{2.5, 4.5},
		Index:    []int32{1, 0},
		Abs:      make([]float64, 2),
		GradPred: make([]float64, 6),
		Shape:    &smoothl1.Shape{Rows: 2, Cols: 3},
	}
	loss, err := cpu.Run(smoothl1.Loss{Beta: 1}, &a)
	fmt.Println(loss, a.Abs, a.GradPred, err)
	// Output: 0.125 [0.5 0.5] [0 -0.25 0 -0.25 0 0] <nil>
}
