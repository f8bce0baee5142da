package gpu

import (
	"fmt"
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/memory"
)

// A Buffer is a one-dimensional array in a device's memory, of numbers, of the bytes of a mask, or of indices; on the CPU it is a slice.
// For numbers of 16 bits and masks that a program has in types of its own, see smoothl1.F16s, BF16s and Bytes. A Buffer may be used from
// several goroutines at once, as long as none of them writes to it while another reads or writes it.
type Buffer[T smoothl1.Element] struct{ array }

// array is a buffer of any type.
type array struct {
	dev    *Device
	dtype  smoothl1.DType
	n      int
	ptr    driver.Ptr     // device memory
	host   unsafe.Pointer // the first element on the CPU
	held   *heldMemory    // the allocation that begins at ptr; nil if the buffer does not own its memory
	guard  guard
	parent *array       // the buffer that this one is a slice of, or nil
	graphs atomic.Int32 // the graphs that use the buffer or a slice of it
}

// Alloc returns a buffer of n ≥ 0 elements, whose contents are undefined. If the device or the process has too little memory left,
// even after a garbage collection, the error wraps smoothl1.ErrMemory.
func Alloc[T smoothl1.Element](d *Device, n int) (*Buffer[T], error) {
	const op = "Alloc"
	if err := d.enter(op); err != nil {
		return nil, err
	}
	defer d.leave()
	return alloc[T](d, op, n)
}

// alloc is Alloc for a caller that has entered the device.
func alloc[T smoothl1.Element](d *Device, op string, n int) (*Buffer[T], error) {
	b := &Buffer[T]{array{dev: d, dtype: smoothl1.DTypeOf[T](), n: n}}
	bytes, err := byteSize[T](op, n)
	if err != nil {
		return nil, err
	}
	if !d.quiet() {
		return nil, whileCapturing(op, "n", n)
	}
	defer d.loud()
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

// byteSize returns the size of n elements in bytes.
func byteSize[T smoothl1.Element](op string, n int) (int, error) {
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

// makeSlice is make, but returns an error if there is too little memory.
func makeSlice[T smoothl1.Element](op string, n int) ([]T, error) {
	x, err := memory.Make[T](n)
	if err != nil {
		return nil, smoothl1.NewArgError(op, "n", n, fmt.Errorf("%w: %w", smoothl1.ErrMemory, err))
	}
	memory.UseHugePages(x)
	return x, nil
}

// Upload returns a buffer with a copy of x. The copy is complete when Upload returns, so work on any stream may use it.
func Upload[T smoothl1.Element](d *Device, x []T) (*Buffer[T], error) {
	const op = "Upload"
	if err := d.enter(op); err != nil {
		return nil, err
	}
	defer d.leave()
	b, err := alloc[T](d, op, len(x))
	if err != nil {
		return nil, err
	}
	if d.quiet() {
		if err = b.copyIn(x, 0); err == nil {
			err = d.wait(0)
		}
		d.loud()
	} else {
		err = whileCapturing(op, "len(x)", len(x))
	}
	if err != nil {
		_ = b.giveBack() // report the first error
		return nil, err
	}
	return b, nil
}

// Slice returns a buffer of the elements from i up to but not including j, sharing b's memory. It cannot be used once b is closed,
// and closing b waits for the calls that use it. It keeps b reachable, and need not be closed itself.
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

// String returns the buffer's element type and length.
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

// Close waits for the calls and the queued work that use the buffer, and frees it; memory passed to Wrap or WrapHost is not freed. A
// second Close does nothing. An unreachable buffer is freed eventually without Close: see the package documentation. If a graph uses the
// buffer, Close fails with an error wrapping smoothl1.ErrGraph.
func (b *Buffer[T]) Close() error {
	const op = "Buffer.Close"
	if b == nil || b.dev == nil || b.guard.closed() {
		return nil
	}
	if err := b.dev.enter(op); err != nil {
		return nil // the device has released it
	}
	defer b.dev.leave()
	if !b.dev.quiet() {
		return whileCapturing(op, "buffer", b)
	}
	defer b.dev.loud()
	if b.graphs.Load() > 0 {
		return smoothl1.NewArgError(op, "buffer", b, smoothl1.ErrGraph)
	}
	if !b.guard.closeAfter() {
		return nil
	}
	b.dev.waitForTurns()
	b.host = nil
	return b.giveBack()
}

// giveBack releases the device memory that the buffer owns, if any.
func (b *array) giveBack() error {
	if b.held == nil {
		return nil
	}
	return b.dev.giveBack(b.held)
}

func (b *array) bytes() int { return b.n * b.dtype.Size() }

// slice returns the elements of a buffer on the CPU.
func (b *Buffer[T]) slice() []T { return sliceOf[T](&b.array) }

// sliceOf returns the elements of a buffer on the CPU: never nil, unless b is.
func sliceOf[T smoothl1.Element](b *array) []T {
	switch {
	case b == nil:
		return nil
	case b.n == 0:
		return []T{}
	}
	return unsafe.Slice((*T)(b.host), b.n)
}

// enter begins a call on the buffer, entering its device and acquiring a reference. The caller ends it with leave.
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

// acquire adds a reference to the buffer and its parents.
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

// closed reports whether the buffer or one of its parents is closed. One that is still open is not freed before the op's turn ends.
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
