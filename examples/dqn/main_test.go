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
	// step  0: loss 0.719747, highest priority 6.8076
	// step 20: loss 0.024073, highest priority 1.8076
	// step 40: loss 0.000016, highest priority 0.0400
	// step 60: loss 0.000000, highest priority 0.0028
	// <nil>
}

// TestByHand compares the loss, the gradient and the priorities with the same thing composed from loops.
func TestByHand(t *testing.T) {
	s := draw()
	var sum float64
	wantGrad, wantPriority := make([]float32, batch*actions), make([]float32, batch)
	norm := float32(1.0 / batch)
	for r := range batch {
		i := r*actions + int(s.action[r])
		d := s.values[i] - s.returns[r]
		a, u := float32(math.Abs(float64(d))), norm*s.weight[r]
		wantPriority[r] = a
		if a < 1 {
			sum += float64(float32(float32(0.5*a)*a) * s.weight[r])
		} else {
			sum += float64(float32(a-0.5) * s.weight[r])
		}
		switch {
		case a <= 1:
			wantGrad[i] = d * u
		case d < 0:
			wantGrad[i] = -u
		default:
			wantGrad[i] = u
		}
	}
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	defer dev.Close()
	a, err := s.args(dev)
	require.NoError(t, err)
	crit, err := gpu.NewSmoothL1[float32](dev, loss)
	require.NoError(t, err)
	require.NoError(t, crit.Run(a))
	value, err := crit.Value()
	require.NoError(t, err)
	assert.InEpsilon(t, sum/batch, value, 1e-12)
	grad, priority := make([]float32, batch*actions), make([]float32, batch)
	require.NoError(t, a.GradPred.Download(grad))
	require.NoError(t, a.Abs.Download(priority))
	assert.Equal(t, wantGrad, grad)
	assert.Equal(t, wantPriority, priority)
}

// TestActionOutOfRange checks that the program hears of an action that the network does not have: on the CPU from the call itself, on a
// device from the next call that waits.
func TestActionOutOfRange(t *testing.T) {
	const text = "smoothl1: Run: index[7] = 6: index out of range: pred has 6 columns"
	s := draw()
	s.action[7] = actions
	for _, choice := range []gpu.OpenOption{gpu.CPU(), gpu.On(sim.New())} {
		dev, err := gpu.Open(choice)
		require.NoError(t, err)
		a, err := s.args(dev)
		require.NoError(t, err)
		crit, err := gpu.NewSmoothL1[float32](dev, loss)
		require.NoError(t, err)
		err = crit.Run(a)
		if dev.Backend() != "cpu" {
			require.NoError(t, err)
			_, err = crit.Value()
		}
		require.EqualError(t, err, text)
		require.ErrorIs(t, err, smoothl1.ErrIndex)
		var argument *smoothl1.ArgError
		require.ErrorAs(t, err, &argument)
		assert.EqualValues(t, actions, argument.Value)
		_, err = crit.Value()
		require.ErrorIs(t, err, smoothl1.ErrNoValue)
		require.NoError(t, dev.Close())
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
