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
	// step 100: distance to the data 64.7157, roughness 0.4887
	// step 200: distance to the data 64.8960, roughness 0.4858
	// step 300: distance to the data 64.9078, roughness 0.4857
	// step 399: distance to the data 64.9081, roughness 0.4857
	// mean error: 0.1918 at first, 0.0851 at last
	// <nil>
}

// TestOnTheSimulatedDevice runs the program on the simulated device, whose output must be the CPU's.
func TestOnTheSimulatedDevice(t *testing.T) {
	var here, there strings.Builder
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	require.NoError(t, run(dev, &here))
	require.NoError(t, dev.Close())
	for seed := range uint64(2) {
		there.Reset()
		dev, err := gpu.Open(gpu.On(sim.New(sim.Seed(seed), sim.Fast())))
		require.NoError(t, err)
		require.NoError(t, run(dev, &there))
		require.NoError(t, dev.Close())
		require.Equal(t, here.String(), there.String())
	}
}
