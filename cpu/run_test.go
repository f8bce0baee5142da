package cpu

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/internal/isa"
)

// Streaming stores are for arrays that exceed the last cache together, in their place for vectors of 64 bytes, and not for an
// output that is an input. No memory is touched here, so that the lengths may be as they please.
func TestStreamsOnlyWhereItGains(t *testing.T) {
	memory := make([]float32, 64)
	i := 0
	for uintptr(unsafe.Pointer(&memory[i]))%64 != 0 {
		i++
	}
	in, out, off := &memory[i+4], &memory[i], &memory[i+1]
	third := isa.LastLevelCache() / 4 / 3 // elements of three arrays that just fit
	for _, c := range []struct {
		name   string
		params core.Params[float32]
		want   bool
	}{
		{"fits", core.Params[float32]{Kernel: core.Backward, Out: out, N: third}, false},
		{"exceeds", core.Params[float32]{Kernel: core.Backward, Out: out, N: third + 1}, true},
		{"a fourth array", core.Params[float32]{Kernel: core.BackwardElementwise, Out: out, Upstream: in, N: third}, true},
		{"a second gradient", core.Params[float32]{Kernel: core.Backward, Out: out, Negated: out, N: third}, true},
		{"out of place", core.Params[float32]{Kernel: core.Backward, Out: off, N: 2 * third}, false},
		{"second gradient out of place", core.Params[float32]{Kernel: core.Backward, Out: out, Negated: off, N: 2 * third}, false},
		{"in place of pred", core.Params[float32]{Kernel: core.Terms, Out: out, Pred: out, N: 2 * third}, false},
		{"in place of target", core.Params[float32]{Kernel: core.ForwardBackward, Out: out, Pred: in, Target: out, N: 2 * third}, false},
		{"in place of upstream", core.Params[float32]{Kernel: core.BackwardElementwise, Out: out, Upstream: out, N: 2 * third}, false},
		{"nothing to store", core.Params[float32]{Kernel: core.Forward, N: 9 * third}, false},
	} {
		p := pass[float32]{Params: c.params}
		p.stream()
		assert.Equal(t, c.want, p.Stores&core.StoreStreaming != 0, c.name)
	}
}

// The arrays that Go allocates at that size are in place: a whole pass over some of them, and over unaligned and overlapping
// ones, gives the bits of the reference.
func TestArraysLargerThanTheCache(t *testing.T) {
	if testing.Short() || isa.LastLevelCache() > 64<<20 {
		t.Skip("slow with so large a cache, or a tool looking on")
	}
	n := isa.LastLevelCache()/4/3 + 5*Chunk + 3
	l := smoothl1.Loss{Beta: 0.1}
	for _, shift := range []int{0, 1} {
		a := randomArgs[float32](n + shift)
		for _, x := range []*[]float32{&a.Pred, &a.Target, &a.Terms, &a.GradPred, &a.GradTarget} {
			*x = (*x)[shift:]
		}
		want := Args[float32]{Pred: a.Pred, Target: a.Target, GradPred: make([]float32, n), GradTarget: make([]float32, n)}
		wantValue, err := RefForwardBackward(l, want)
		require.NoError(t, err)
		value, err := ForwardBackward(l, a)
		require.NoError(t, err)
		require.Equal(t, wantValue, value)
		require.True(t, equal(want.GradPred, a.GradPred))
		require.True(t, equal(want.GradTarget, a.GradTarget))
		a.GradPred, a.GradTarget = a.Pred, nil // in place
		_, err = ForwardBackward(l, a)
		require.NoError(t, err)
		require.True(t, equal(want.GradPred, a.Pred))
	}
}

// equal compares millions of elements faster than assert.Equal.
func equal(a, b []float32) bool {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return len(a) == len(b)
}
