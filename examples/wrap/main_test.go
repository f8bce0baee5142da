package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

func Example() {
	fmt.Println(run(os.Stdout))
	// Output:
	// step  0: loss 2935.4050
	// step 10: loss 17.2144
	// step 20: loss 0.0546
	// step 29: loss 0.0003
	// <nil>
}

// TestDescent compares the output with the same descent on the CPU.
func TestDescent(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(&out))
	x, target, g := start(), make([]float32, n), make([]float32, n)
	want := ""
	for i := range steps {
		loss, err := cpu.ForwardBackward(smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}, &cpu.Args[float32]{Pred: x, Target: target, GradPred: g})
		require.NoError(t, err)
		for k := range x {
			x[k] -= float32(rate * g[k])
		}
		if i%10 == 0 || i == steps-1 {
			want += fmt.Sprintf("step %2d: loss %.4f\n", i, loss)
		}
	}
	assert.Equal(t, want, out.String())
}
