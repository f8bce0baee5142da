package cpu

import (
	"math"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Streaming stores must be used if the arrays together exceed the last-level cache, unless an output is misaligned or is also an input.
// The arrays are not accessed here, so their lengths may exceed their memory.
func TestStreamingIsUsedOnlyIfItPays(t *testing.T) {
	memory := make([]float32, 64)
	i := 0
	for uintptr(unsafe.Pointer(&memory[i]))%64 != 0 {
		i++
	}
	in, out, off := &memory[i+4], &memory[i], &memory[i+1]
	third := isa.LastLevelCache() / 4 / 3 // length of three arrays that just fit
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

// A streaming store to a misaligned output would fault. Each output is placed at every offset that is a multiple of its element size.
func TestStreamingStoresAtEveryOffset(t *testing.T) {
	defer isa.UseCache(0)() // so that all arrays exceed it
	eachSet(t, func(t *testing.T) {
		t.Run("float32", testOffsets[float32])
		t.Run("float64", testOffsets[float64])
	})
}

// behind returns n elements that begin offset elements after a multiple of core.Line bytes.
func behind[T smoothl1.Float](offset, n int) []T {
	line := core.Line / int(unsafe.Sizeof(T(0)))
	whole := make([]T, n+2*line)
	from := 0
	for uintptr(unsafe.Pointer(&whole[from]))%core.Line != 0 {
		from++
	}
	return whole[from+offset:][:n]
}

func testOffsets[T core.Float](t *testing.T) {
	const n = 2*Chunk + 77
	line := core.Line / int(unsafe.Sizeof(T(0)))
	l := smoothl1.Loss{Beta: 0.7}
	want := randomArgs[T](n)
	upstream := Elements(want.Pred)
	terms := want
	terms.Terms = make([]T, n)
	require.NoError(t, RefForwardTerms(l, &terms))
	require.NoError(t, RefBackward(l, &want))
	each := want
	each.GradPred, each.GradTarget, each.Upstream = make([]T, n), make([]T, n), upstream
	require.NoError(t, RefBackward(l, &each))

	check := func(kind op.Pass, a, want Args[T], streams bool) {
		var p pass[T]
		setPass(&p, kind, l, &a)
		p.stream()
		require.Equal(t, streams, p.Stores&core.StoreStreaming != 0)
		p.Sums = unsafe.SliceData(make([]float64, Chunks(n)))
		p.compute()
		for _, x := range []struct{ got, want []T }{{a.Terms, want.Terms}, {a.GradPred, want.GradPred}, {a.GradTarget, want.GradTarget}} {
			if x.got != nil && !equal(x.got, x.want) {
				t.Fatalf("%v: outputs at %p, %p and %p differ from the reference", kind, a.Terms, a.GradPred, a.GradTarget)
			}
		}
	}
	for i := range line {
		check(op.Terms, Args[T]{Pred: want.Pred, Target: want.Target, Terms: behind[T](i, n)}, terms, i == 0)
		for _, kind := range []op.Pass{op.Backward, op.ForwardBackward} {
			for _, w := range []Args[T]{want, each} {
				a := Args[T]{Pred: w.Pred, Target: w.Target, Upstream: w.Upstream, GradPred: behind[T](i, n)}
				check(kind, a, w, i == 0)
				a.GradPred, a.GradTarget = nil, behind[T](i, n)
				check(kind, a, w, i == 0)
				for j := range line {
					a.GradPred = behind[T](j, n)
					check(kind, a, w, i == 0 && j == 0)
				}
			}
		}
	}
}

// Operations on arrays that exceed the cache must produce the bits of the reference, whether the outputs are aligned for streaming stores,
// misaligned, or off by half an AVX-512 vector.
func TestArraysLargerThanTheCache(t *testing.T) {
	defer isa.UseCache(1 << 20)()
	n := (maxSerialLimit+5)*Chunk + 3
	l := smoothl1.Loss{Beta: 0.1}
	for _, shift := range []int{0, 1, core.Line / 2 / 4} {
		a := randomArgs[float32](n)
		for _, x := range []*[]float32{&a.GradPred, &a.GradTarget} {
			*x = behind[float32](shift, n)
		}
		want := Args[float32]{Pred: a.Pred, Target: a.Target, GradPred: make([]float32, n), GradTarget: make([]float32, n)}
		wantValue, err := RefForwardBackward(l, &want)
		require.NoError(t, err)
		value, err := ForwardBackward(l, &a)
		require.NoError(t, err)
		require.Equal(t, wantValue, value)
		require.True(t, equal(want.GradPred, a.GradPred))
		require.True(t, equal(want.GradTarget, a.GradTarget))
		a.GradPred, a.GradTarget = a.Pred, nil // in place
		_, err = ForwardBackward(l, &a)
		require.NoError(t, err)
		require.True(t, equal(want.GradPred, a.Pred))
	}
}

// equal reports whether two slices have the same bits. It is fast enough for millions of elements.
func equal[T smoothl1.Float](a, b []T) bool {
	return slices.EqualFunc(a, b, func(x, y T) bool { return math.Float64bits(float64(x)) == math.Float64bits(float64(y)) })
}
