package gpu

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/memory"
)

// A Buffer is a one-dimensional array in a device's memory; on the CPU, a slice. It may be used from any goroutine, as long
// as no two calls write to it, or one writes and another reads, at once.
type Buffer[T smoothl1.Float] struct{ array }

// array is a buffer of either type.
type array struct {
	dev    *Device
	dtype  smoothl1.DType
	n      int
	ptr    driver.Ptr     // device memory
	host   unsafe.Pointer // the first element on the CPU
	held   *heldMemory    // what ptr is the beginning of; nil: it belongs to somebody else
	guard  guard
	parent *array // the buffer that this one is a slice of; nil: none
}

// Alloc returns a buffer of n elements, n ≥ 0, whose contents are undefined. Where there is not so much memory free, on the
// device or for a process on the CPU, also after a collection of what the program has dropped, the error wraps smoothl1.ErrMemory.
func Alloc[T smoothl1.Float](d *Device, n int) (*Buffer[T], error) {
	const op = "Alloc"
	if err := d.enter(op); err != nil {
		return nil, err
	}
	defer d.leave()
	return alloc[T](d, op, n)
}

// alloc is Alloc within a call that has entered.
func alloc[T smoothl1.Float](d *Device, op string, n int) (*Buffer[T], error) {
	b := &Buffer[T]{array{dev: d, dtype: smoothl1.DTypeOf[T](), n: n}}
	bytes, err := byteSize[T](op, n)
	if err != nil {
		return nil, err
	}
	switch {
	case n == 0:
	case d.drv != nil:
		if b.held, err = d.allocate(bytes); err != nil {
			return nil, err
		}
		b.ptr = b.held.at
		hold(d, b, b.held)
	default:
		x, err := makeSlice[T](op, n)
		if err != nil {
			return nil, err
		}
		b.host = unsafe.Pointer(unsafe.SliceData(x))
	}
	return b, nil
}

// byteSize returns the bytes of n elements.
func byteSize[T smoothl1.Float](op string, n int) (int, error) {
	t := smoothl1.DTypeOf[T]()
	size := t.Size()
	if size == 0 {
		return 0, smoothl1.NewArgError(op, "dtype", t, smoothl1.ErrDType)
	}
	if n < 0 {
		return 0, smoothl1.NewArgError(op, "n", n, fmt.Errorf("%w: must not be negative", smoothl1.ErrLength))
	}
	if n > math.MaxInt/size {
		return 0, smoothl1.NewArgError(op, "n", n, fmt.Errorf("%w: %d-byte elements", smoothl1.ErrTooLarge, size))
	}
	return n * size, nil
}

// makeSlice is make with an error where there is not so much memory.
func makeSlice[T smoothl1.Float](op string, n int) ([]T, error) {
	x, err := memory.Make[T](n)
	if err != nil {
		return nil, smoothl1.NewArgError(op, "n", n, fmt.Errorf("%w: %w", smoothl1.ErrMemory, err))
	}
	return x, nil
}

// Upload returns a buffer with a copy of x, which is there for work on any stream.
func Upload[T smoothl1.Float](d *Device, x []T) (*Buffer[T], error) {
	const op = "Upload"
	if err := d.enter(op); err != nil {
		return nil, err
	}
	defer d.leave()
	b, err := alloc[T](d, op, len(x))
	if err != nil {
		return nil, err
	}
	err = b.copyIn(x, 0)
	if err == nil {
		err = d.wait(0)
	}
	if err != nil {
		_ = b.giveBack() // the error that matters is the first
		return nil, err
	}
	return b, nil
}

// Slice returns the buffer of the elements from i up to but not including j, in the same memory. It cannot be used after b
// is closed, and a Close of b waits for the calls that use it. It keeps b, and need not be closed itself.
func (b *Buffer[T]) Slice(i, j int) (*Buffer[T], error) {
	const op = "Slice"
	if err := b.enter(op); err != nil {
		return nil, err
	}
	defer b.leave()
	if i < 0 || j < i || j > b.n {
		return nil, smoothl1.NewArgError(op, "[i:j]", fmt.Sprintf("[%d:%d]", i, j), fmt.Errorf("%w: 0 ≤ i ≤ j ≤ %d", smoothl1.ErrLength, b.n))
	}
	s := &Buffer[T]{array{dev: b.dev, dtype: b.dtype, n: j - i, parent: &b.array}}
	offset := i * b.dtype.Size()
	if j > i && b.host != nil {
		s.host = unsafe.Add(b.host, offset)
	} else if j > i {
		s.ptr = b.ptr + driver.Ptr(offset)
	}
	return s, nil
}

// Len returns the number of elements.
func (b *Buffer[T]) Len() int {
	if b == nil {
		return 0
	}
	return b.n
}

// String describes the buffer, not its elements.
func (b *Buffer[T]) String() string {
	switch {
	case b == nil:
		return "nil"
	case b.dev == nil:
		return "Buffer{}"
	}
	return b.array.String()
}

func (b *array) String() string { return fmt.Sprintf("%v[%d]", b.dtype, b.n) }

// Close frees the buffer, after the calls in progress and the work that uses it; what Wrap and WrapHost were given is left
// alone. A second Close does nothing. A buffer that nothing refers to is freed without it, some time later: see the package's
// documentation.
func (b *Buffer[T]) Close() error {
	const op = "Buffer.Close"
	if b == nil || b.dev == nil || b.guard.closed() {
		return nil
	}
	if err := b.dev.enter(op); err != nil {
		return nil // the device has released it
	}
	defer b.dev.leave()
	if !b.guard.closeAfter() {
		return nil
	}
	b.dev.waitForTurns()
	b.host = nil
	return b.giveBack()
}

// giveBack releases the memory, if it is the device's and not the buffer's own or somebody else's.
func (b *array) giveBack() error {
	if b.held == nil {
		return nil
	}
	return b.dev.giveBack(b.held)
}

func (b *array) bytes() int { return b.n * b.dtype.Size() }

// slice returns the elements of a buffer of the CPU.
func (b *Buffer[T]) slice() []T { return sliceOf[T](&b.array) }

func sliceOf[T smoothl1.Float](b *array) []T { return unsafe.Slice((*T)(b.host), b.n) }

// enter begins a call on a buffer by itself.
func (b *Buffer[T]) enter(op string) error {
	if b == nil {
		return smoothl1.NewArgError(op, "buffer", "nil", smoothl1.ErrNil)
	}
	if b.dev == nil {
		return smoothl1.NewArgError(op, "buffer", "Buffer{}", smoothl1.ErrZero)
	}
	if err := b.dev.enter(op); err != nil {
		return err
	}
	if err := b.array.acquire(); err != nil {
		b.dev.leave()
		return smoothl1.NewArgError(op, "buffer", b, err)
	}
	return nil
}

func (b *Buffer[T]) leave() {
	b.array.release()
	b.dev.leave()
}

// acquire adds a reference to the buffer, and to those that it is a slice of.
func (b *array) acquire() error {
	if err := b.guard.acquire(); err != nil {
		return err
	}
	if b.parent == nil {
		return nil
	}
	if err := b.parent.acquire(); err != nil {
		b.guard.release()
		return err
	}
	return nil
}

// closed says whether the buffer, or one that it is a slice of, is closed. One that is not stays in memory for the op's turn.
func (b *array) closed() bool {
	for ; b != nil; b = b.parent {
		if b.guard.closed() {
			return true
		}
	}
	return false
}

func (b *array) release() {
	if b.parent != nil {
		b.parent.release()
	}
	b.guard.release()
}
