package cpu

import (
	"syscall"
	"testing"
	"unsafe"

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
func fencedSlice[T smoothl1.Float](f fenced, n int, atEnd bool) []T {
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
			a := Args[T]{Pred: x[0], Target: x[1], Terms: x[3], GradPred: x[3], GradTarget: x[4]}
			for _, l := range losses {
				a.Upstream = Upstream[T]{}
				require.NoError(t, ForwardTerms(l, a))
				_, err := Forward(l, a)
				require.NoError(t, err)
				require.NoError(t, Backward(l, a))
				a.Upstream = Elements(x[2])
				require.NoError(t, Backward(l, a))
				_, err = ForwardBackward(l, a)
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
