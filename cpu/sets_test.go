package cpu

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/op"
)

// eachSet runs a test with each instruction set that this machine supports.
func eachSet(t *testing.T, test func(t *testing.T)) {
	for _, set := range isa.Available() {
		t.Run(set.String(), func(t *testing.T) {
			defer isa.Use(set)()
			test(t)
		})
	}
}

// If the pass has no slice for chunk sums, it keeps the sum of its only chunk in Sum.
func TestChunkSumStaysInThePass(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		for _, n := range []int{1, 16, 17, 128, 1000, Chunk} {
			a := randomArgs[float32](n)
			want, err := RefForward(smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}, &a)
			require.NoError(t, err)
			var p pass[float32]
			setPass(&p, op.Forward, smoothl1.Loss{Beta: 1}, &a)
			p.compute()
			require.Equal(t, want, p.Sum, n)
		}
	})
}

func TestWhatRan(t *testing.T) {
	var ran []string
	for _, set := range isa.Available() {
		ran = append(ran, fmt.Sprint(set))
	}
	name, err := InstructionSet()
	t.Logf("instruction sets tested: %s; in use: %s", strings.Join(ran, ", "), name)
	assert.Equal(t, isa.Current().String(), name)
	assert.Equal(t, isa.Complaint(), err)
}

// Where pred equals target, the gradient of the L1 loss with respect to target is −0, even if it is the only one that is wanted.
func testZeroGradient[T smoothl1.Float](t *testing.T) {
	const n = 3*Lanes + 5
	a := Args[T]{Pred: make([]T, n), Target: make([]T, n), GradTarget: make([]T, n)}
	for _, upstream := range []Upstream[T]{{}, Elements(randomArgs[T](n).Pred)} {
		a.Upstream = upstream
		require.NoError(t, Backward(smoothl1.Loss{}, &a))
		for i, x := range a.GradTarget {
			require.True(t, x == 0 && math.Signbit(float64(x)), i)
		}
	}
}

func TestZeroGradientOfTarget(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		t.Run("float32", testZeroGradient[float32])
		t.Run("float64", testZeroGradient[float64])
	})
}
