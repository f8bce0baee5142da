package main

import (
	"fmt"
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
	// 4 goroutines: 0.7757554677779358
	// in one go:    0.7757554677779358, the same bits: true
	// <nil>
}

func TestOnTheSimulatedDevice(t *testing.T) {
	dev, err := gpu.Open(gpu.On(sim.New()))
	require.NoError(t, err)
	defer dev.Close()
	var out strings.Builder
	require.NoError(t, run(dev, &out))
	assert.Contains(t, out.String(), "the same bits: true\n")
}
