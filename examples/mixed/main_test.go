package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/sim"
)

func Example() {
	dev, _ := gpu.Open(gpu.CPU())
	defer dev.Close()
	fmt.Println(run(dev, os.Stdout))
	// Output:
	// step  0: loss 0.413451
	// step 10: loss 0.010425
	// step 20: loss 0.000116
	// step 30: loss 0.000000
	// step 40: loss 0.000000
	// <nil>
}

// TestByHand compares the loss and the gradient, for a loss scale in the device's memory, with the same thing composed from loops.
func TestByHand(t *testing.T) {
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	defer dev.Close()
	x, y := make([]smoothl1.BF16, n), make([]smoothl1.BF16, n)
	want := make([]smoothl1.BF16, n)
	var sum float64
	const beta, scale, norm = 0.5, 256, float32(1.0 / n)
	for i := range x {
		x[i], y[i] = smoothl1.ToBF16(math.Cos(float64(i))), smoothl1.ToBF16(math.Sin(float64(i)))
		d := x[i].Float32() - y[i].Float32()
		a := float32(math.Abs(float64(d)))
		if a < beta {
			sum += float64(float32(float32(0.5*a)*a) / beta)
		} else {
			sum += float64(a - 0.5*beta)
		}
		g := float32(float32(norm*d)*scale) / beta
		if a > beta {
			g = float32(math.Copysign(float64(norm*scale), float64(d)))
		}
		want[i] = smoothl1.ToBF16(float64(g))
	}
	pred, _ := gpu.Upload(dev, x)
	target, _ := gpu.Upload(dev, y)
	grad, _ := gpu.Alloc[smoothl1.BF16](dev, n)
	factor, _ := gpu.Upload(dev, []smoothl1.BF16{smoothl1.ToBF16(scale)})
	crit, err := gpu.NewSmoothL1[smoothl1.BF16](dev, loss)
	require.NoError(t, err)
	require.NoError(t, crit.Run(&gpu.Args[smoothl1.BF16]{
		Pred: pred, Target: target, GradPred: grad, Upstream: gpu.Elements(factor),
		Shape: &smoothl1.Shape{Rows: 1, Cols: n, Upstream: smoothl1.Single()},
	}))
	value, err := crit.Value()
	require.NoError(t, err)
	assert.InEpsilon(t, sum/n, value, 1e-12)
	got := make([]smoothl1.BF16, n)
	require.NoError(t, grad.Download(got))
	assert.Equal(t, want, got)
}

// TestOnTheSimulatedDevice runs the program on the simulated device, whose output must be the CPU's.
func TestOnTheSimulatedDevice(t *testing.T) {
	var here, there strings.Builder
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	require.NoError(t, run(dev, &here))
	require.NoError(t, dev.Close())
	dev, err = gpu.Open(gpu.On(sim.New(sim.Seed(1))))
	require.NoError(t, err)
	require.NoError(t, run(dev, &there))
	require.NoError(t, dev.Close())
	require.Equal(t, here.String(), there.String())
}
