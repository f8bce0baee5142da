package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/sim"
)

func Example() {
	dev, _ := gpu.Open(gpu.CPU())
	defer dev.Close()
	fmt.Println(run(dev, os.Stdout))
	// Output:
	// epoch 0: beta 1, loss of the last batch 0.249999
	// epoch 1: beta 0.5, loss of the last batch 0.413497
	// epoch 2: beta 0.1, loss of the last batch 0.587691
	// epoch 3: beta 0.01, loss of the last batch 0.631643
	// largest gradient × batch: 1.000
	// <nil>
}

// TestOnTheSimulatedDevice runs the loop on the simulated device, whose output must be the CPU's.
func TestOnTheSimulatedDevice(t *testing.T) {
	var here, there strings.Builder
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	require.NoError(t, run(dev, &here))
	require.NoError(t, dev.Close())
	for seed := range uint64(3) {
		there.Reset()
		dev, err := gpu.Open(gpu.On(sim.New(sim.Seed(seed))))
		require.NoError(t, err)
		require.NoError(t, run(dev, &there))
		require.NoError(t, dev.Close())
		require.Equal(t, here.String(), there.String())
	}
}
