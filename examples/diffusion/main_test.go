package main

import (
	"fmt"
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
	// step  0: loss 0.777465 with beta 0.01, 0.430762 with beta 1.00
	// step 10: loss 0.385491 with beta 0.01, 0.218469 with beta 1.00
	// step 20: loss 0.169447 with beta 0.01, 0.098708 with beta 1.00
	// step 30: loss 0.068695 with beta 0.01, 0.040582 with beta 1.00
	// <nil>
}

// TestByHand compares the losses and the gradient with one op for each sample.
func TestByHand(t *testing.T) {
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	defer dev.Close()
	predicted, target, beta := make([]float32, samples*pixels), noise(), schedule()
	predicted[5] = 100
	a, err := args(dev, predicted)
	require.NoError(t, err)
	crit, err := gpu.NewSmoothL1[float32](dev, loss)
	require.NoError(t, err)
	require.NoError(t, crit.Run(a))
	losses, grad := make([]float64, samples), make([]float32, samples*pixels)
	require.NoError(t, a.Losses.Download(losses))
	require.NoError(t, a.GradPred.Download(grad))
	for s := range samples {
		from, to := s*pixels, (s+1)*pixels
		want := make([]float32, pixels)
		value, err := gpu.Compute(dev, smoothl1.Loss{Beta: float64(beta[s]), Reduction: smoothl1.Mean}, predicted[from:to], target[from:to], want)
		require.NoError(t, err)
		assert.Equal(t, value, losses[s])
		assert.Equal(t, want, grad[from:to])
	}
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
