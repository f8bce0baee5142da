package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/sim"
)

func Example() {
	dev, _ := gpu.Open(gpu.CPU())
	defer dev.Close()
	fmt.Println(run(dev, os.Stdout))
	// Output:
	// step   0: loss 5.746051 over 60 of 512 boxes
	// step  50: loss 0.486352 over 60 of 512 boxes
	// step 100: loss 0.107746 over 60 of 512 boxes
	// step 150: loss 0.022874 over 60 of 512 boxes
	// step 200: loss 0.001696 over 60 of 512 boxes
	// <nil>
}

// TestByHand compares the loss and the gradient with the same thing composed from loops.
func TestByHand(t *testing.T) {
	h := data()
	var sum float64
	want := make([]float32, len(h.pred))
	norm := float32(1 / float64(h.positives))
	for i := range h.pred {
		b := i / coords
		if !h.matched[b] {
			continue
		}
		d, beta := h.pred[i]-h.target[i], float32(loss.Beta)
		a, u := float32(math.Abs(float64(d))), norm*h.weight[b]
		switch {
		case a < beta:
			sum += float64(float32(0.5*a) * a / beta * h.weight[b])
		default:
			sum += float64(float32(a-float32(0.5*beta)) * h.weight[b])
		}
		switch {
		case a <= beta:
			want[i] = float32(d*u) / beta
		case d < 0:
			want[i] = -u
		default:
			want[i] = u
		}
	}
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	defer dev.Close()
	a, err := h.args(dev)
	require.NoError(t, err)
	crit, err := gpu.NewSmoothL1[float32](dev, loss)
	require.NoError(t, err)
	require.NoError(t, crit.Run(a))
	value, err := crit.Value()
	require.NoError(t, err)
	assert.InEpsilon(t, sum/float64(h.positives), value, 1e-12)
	got := make([]float32, len(want))
	require.NoError(t, a.GradPred.Download(got))
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
