package cpu

import (
	"runtime/debug"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// fenced is memory between two inaccessible pages.
type fenced struct {
	whole []byte
	page  int
}

func newFenced(t *testing.T, pages int) fenced {
	page := syscall.Getpagesize()
	whole, err := syscall.Mmap(-1, 0, (pages+2)*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Munmap(whole)) })
	require.NoError(t, syscall.Mprotect(whole[:page], syscall.PROT_NONE))
	require.NoError(t, syscall.Mprotect(whole[len(whole)-page:], syscall.PROT_NONE))
	return fenced{whole, page}
}

// fencedSlice returns n elements that end at the second inaccessible page, or begin after the first.
func fencedSlice[T smoothl1.Element](f fenced, n int, atEnd bool) []T {
	size := int(unsafe.Sizeof(T(0)))
	from := f.page
	if atEnd {
		from = len(f.whole) - f.page - n*size
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&f.whole[from])), n)
}

func testFences[T smoothl1.Float](t *testing.T) {
	var memory [5]fenced
	for i := range memory {
		memory[i] = newFenced(t, 5)
	}
	losses := []smoothl1.Loss{{Beta: 1}, {Beta: 0.25}, {Beta: 0.1}}
	counts := []int{2047, 2048, 2049, 2100}
	for n := 1; n < 200; n++ {
		counts = append(counts, n)
	}
	for _, n := range counts {
		for _, atEnd := range []bool{false, true} {
			var x [5][]T
			for i := range x {
				x[i] = fencedSlice[T](memory[i], n, atEnd)
			}
			a := Args[T]{Pred: x[0], Target: x[1], GradPred: x[3], GradTarget: x[4]}
			for _, l := range losses {
				require.NoError(t, ForwardTerms(l, &Args[T]{Pred: x[0], Target: x[1], Terms: x[3]}))
				a.Upstream = Upstream[T]{}
				_, err := Forward(l, &a)
				require.NoError(t, err)
				require.NoError(t, Backward(l, &a))
				a.Upstream = Elements(x[2])
				require.NoError(t, Backward(l, &a))
				_, err = ForwardBackward(l, &a)
				require.NoError(t, err)
			}
		}
	}
}

// Arrays that adjoin an inaccessible page reveal reads outside of them.
func TestNoReadsOutsideArrays(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		t.Run("float32", testFences[float32])
		t.Run("float64", testFences[float64])
	})
}

// testRichFences is the same for weights, a mask, and elements of any storage type.
func testRichFences[T smoothl1.Float](t *testing.T) {
	var memory [6]fenced
	for i := range memory {
		memory[i] = newFenced(t, 5)
	}
	for _, n := range []int{1, 2, 7, 15, 16, 17, 31, 33, 64, 100, 127, 128, 129, 256, 300, 2047, 2048, 2049, 2176} {
		for _, atEnd := range []bool{false, true} {
			var x [5][]T
			for i := range x {
				x[i] = fencedSlice[T](memory[i], n, atEnd)
			}
			mask := fencedSlice[uint8](memory[5], n, atEnd)
			for i := range mask {
				mask[i] = uint8(i % 3)
			}
			for k, a := range []Args[T]{{}, {Weight: x[2]}, {Mask: mask}, {Weight: x[2], Mask: mask}, {Mask: mask, Divisor: smoothl1.DivideByKept()},
				{Weight: x[2], Mask: mask, Divisor: smoothl1.DivideByWeights()}, {Mask: mask, AccumulatePred: true},
				{Weight: x[2], Beta: x[0], Upstream: Elements(x[1])}} {
				a.Pred, a.Target, a.GradPred, a.GradTarget = x[0], x[1], x[3], x[4]
				_, err := Run(smoothl1.Loss{Beta: 0.1}, &a)
				require.NoError(t, err, k)
				_, err = Forward(smoothl1.Loss{Beta: 0.1}, &a)
				require.NoError(t, err, k)
				if k != 6 {
					a.Terms, a.Abs, a.GradPred, a.GradTarget = x[3], x[4], nil, nil
					require.NoError(t, ForwardTerms(smoothl1.Loss{Beta: 0.1}, &a), k)
				}
			}
			for _, cols := range []int{2, 3, 4, 8, 16, 48} { // a weight and a mask for each row
				rows := n / cols
				a := Args[T]{Pred: x[0][:rows*cols], Target: x[1][:rows*cols], GradPred: x[3][:rows*cols],
					Weight: fencedSlice[T](memory[2], rows, atEnd), Mask: fencedSlice[uint8](memory[5], rows, atEnd),
					Shape: &smoothl1.Shape{Rows: rows, Cols: cols, Weight: smoothl1.PerRow(), Mask: smoothl1.PerRow()}}
				_, err := Run(smoothl1.Loss{Beta: 0.1}, &a)
				require.NoError(t, err, "%d × %d", rows, cols)
			}
		}
	}
}

func TestNoReadsOutsideArraysOfRichCalls(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		t.Run("float32", testRichFences[float32])
		t.Run("float64", testRichFences[float64])
		t.Run("float16", testRichFences[smoothl1.F16])
		t.Run("bfloat16", testRichFences[smoothl1.BF16])
	})
}

// TestFaultWhileCounting recovers from a fault in the pass that counts what a mask keeps. Later calls must not notice.
func TestFaultWhileCounting(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // for this goroutine
	fix(t, "threads=1")
	const n = 4 * Chunk
	mask, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Munmap(mask)) }()
	a := randomArgs[float32](n)
	a.GradTarget, a.Weight, a.Mask = nil, a.Target, make([]uint8, n)
	for i := range a.Mask {
		a.Mask[i] = 1
	}
	want := *a.clone()
	value, err := RefRun(smoothl1.Loss{Beta: 1}, &want)
	require.NoError(t, err)
	require.NoError(t, syscall.Mprotect(mask, syscall.PROT_NONE))
	fault := a
	fault.Mask, fault.Divisor = mask, smoothl1.DivideByKept()
	assert.Panics(t, func() { _, _ = Run(smoothl1.Loss{Beta: 1}, &fault) })
	for range 2 {
		clear(a.GradPred)
		got, err := Run(smoothl1.Loss{Beta: 1}, &a)
		require.NoError(t, err)
		require.Equal(t, value, got)
		require.NoError(t, sameNumbers(a.GradPred, want.GradPred))
	}
}
