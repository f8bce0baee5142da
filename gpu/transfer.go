package gpu

import (
	"fmt"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// Set copies x, which must have the buffer's length, to the buffer, after the earlier work of the default stream or of the stream
// given by OnStream.
func (b *Buffer[T]) Set(x []T, options ...Option) error {
	return b.transfer("Set", x, options, b.copyIn)
}

// Download copies the buffer to x, which must have its length, after the earlier work of the default stream or of the stream given by
// OnStream.
func (b *Buffer[T]) Download(x []T, options ...Option) error {
	return b.transfer("Download", x, options, b.copyOut)
}

// CopyFrom queues a copy of src, a buffer of the same device and length, to the buffer, on the default stream or on the stream given
// by OnStream. The two must not overlap.
func (b *Buffer[T]) CopyFrom(src *Buffer[T], options ...Option) error {
	const op = "CopyFrom"
	if err := b.enter(op); err != nil {
		return err
	}
	defer b.leave()
	switch {
	case src == nil:
		return smoothl1.NewArgError(op, "src", "nil", smoothl1.ErrNil)
	case src.dev == nil:
		return smoothl1.NewArgError(op, "src", "Buffer{}", smoothl1.ErrZero)
	case src.dev != b.dev:
		return smoothl1.NewArgError(op, "src", "buffer of "+src.dev.String(), smoothl1.ErrDevice)
	}
	if err := src.array.acquire(); err != nil { // before reading its address
		return smoothl1.NewArgError(op, "src", src, err)
	}
	defer src.array.release()
	switch {
	case src.n != b.n:
		return smoothl1.NewArgError(op, "len(src)", src.n, fmt.Errorf("%w: the buffer has %d", smoothl1.ErrLength, b.n))
	case b.array.overlaps(&src.array):
		return smoothl1.NewArgError(op, "src", "in the memory of the buffer", smoothl1.ErrOverlap)
	}
	c, err := readOptions(op, b.dev, options, optStream)
	if err != nil {
		return err
	}
	defer c.end()
	if k := c.capture(); k != nil {
		return k.copy(op, &b.array, &src.array)
	}
	return b.array.copyFrom(&src.array, c.stream.handle())
}

// copyFrom queues a copy of src, which has the same length.
func (b *array) copyFrom(src *array, on driver.Stream) error {
	switch {
	case b.n == 0:
		return nil
	case b.dev.drv == nil:
		copy(unsafe.Slice((*byte)(b.host), b.bytes()), unsafe.Slice((*byte)(src.host), b.bytes()))
		return nil
	}
	return opError("copy on the device", "", b.bytes(), b.dev.drv.Copy(b.ptr, src.ptr, uint64(b.bytes()), on))
}

func (b *Buffer[T]) transfer(op string, x []T, options []Option, copy func([]T, driver.Stream) error) error {
	if err := b.enter(op); err != nil {
		return err
	}
	defer b.leave()
	if len(x) != b.n {
		return smoothl1.NewArgError(op, "len(x)", len(x), fmt.Errorf("%w: the buffer has %d", smoothl1.ErrLength, b.n))
	}
	c, err := readOptions(op, b.dev, options, optStream)
	if err != nil {
		return err
	}
	defer c.end()
	if !b.dev.quiet() {
		return whileCapturing(op, "buffer", b)
	}
	defer b.dev.loud()
	return copy(x, c.stream.handle())
}

func (b *Buffer[T]) copyIn(x []T, on driver.Stream) error {
	if len(x) == 0 {
		return nil
	}
	if b.dev.drv == nil {
		copy(b.slice(), x)
		return nil
	}
	raw := deviceBytes(x)
	if err := b.dev.drv.CopyIn(b.ptr, raw, on); err != nil {
		return opError("copy to the device", "", len(raw), err)
	}
	return nil
}

func (b *Buffer[T]) copyOut(x []T, on driver.Stream) error {
	if len(x) == 0 {
		return nil
	}
	if b.dev.drv == nil {
		copy(x, b.slice())
		return nil
	}
	raw, done := rawBytes(x), b.dev.turnsQueued()
	if err := b.dev.drv.CopyOut(raw, b.ptr, on); err != nil {
		return opError("copy from the device", "", len(raw), err)
	}
	if err := b.dev.reportIndices(on, done); err != nil {
		return err
	}
	if bigEndian {
		swap(x)
	}
	return nil
}
