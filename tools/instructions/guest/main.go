// Command guest makes one call of package cpu, for tools/instructions, which counts its instructions.
//
// usage: guest PASS TYPE N
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: guest PASS TYPE N")
		os.Exit(2)
	}
	n, err := strconv.Atoi(os.Args[3])
	if err == nil {
		switch os.Args[2] {
		case "float32":
			err = call(os.Args[1], n, func(x float64) float32 { return float32(x) })
		case "float64":
			err = call(os.Args[1], n, func(x float64) float64 { return x })
		case "float16":
			err = call(os.Args[1], n, smoothl1.ToF16)
		case "bfloat16":
			err = call(os.Args[1], n, smoothl1.ToBF16)
		default:
			err = fmt.Errorf("no type %s", os.Args[2])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

// call makes the pass over n elements, numbers on both sides of beta.
func call[T smoothl1.Float](pass string, n int, of func(float64) T) error {
	array := func(step int) []T {
		x := make([]T, n)
		for i := range x {
			x[i] = of(float64(i*step%101)/25 - 2)
		}
		return x
	}
	l := smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean}
	a := cpu.Args[T]{Pred: array(37), Target: array(53)}
	grad := func() []T { return make([]T, n) }
	mask := func() []uint8 {
		m := make([]uint8, n)
		for i := range m {
			m[i] = uint8(i % 3)
		}
		return m
	}
	switch pass {
	case "terms":
		l.Reduction = smoothl1.None
		a.Terms = grad()
	case "forward":
	case "forward, beta 0.1":
		l.Beta = 0.1
	case "backward":
		a.GradPred, a.NoLoss = grad(), true
	case "backward, upstream by element":
		a.GradPred, a.Upstream, a.NoLoss = grad(), cpu.Elements(array(71)), true
	case "forward+backward":
		a.GradPred = grad()
	case "forward+backward, beta 0.1":
		l.Beta = 0.1
		a.GradPred = grad()
	case "forward+backward, L1":
		l.Beta = 0
		a.GradPred = grad()
	case "forward+backward, both gradients":
		a.GradPred, a.GradTarget = grad(), grad()
	case "weights":
		a.GradPred, a.Weight = grad(), array(71)
	case "mask":
		a.GradPred, a.Mask = grad(), mask()
	case "weights and mask":
		a.GradPred, a.Weight, a.Mask = grad(), array(71), mask()
	case "beta by element":
		a.GradPred, a.Beta = grad(), make([]T, n)
		for i := range a.Beta {
			a.Beta[i] = of(0.5 + float64(i%7)/8)
		}
	case "accumulated gradient":
		a.GradPred, a.AccumulatePred = grad(), true
	default:
		return fmt.Errorf("no pass %s", pass)
	}
	_, err := cpu.Run(l, &a)
	return err
}
