package gpu

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// A HostBuffer is an array in host memory that is page-locked, so that SetAsync and DownloadAsync do not wait. Where the device has no
// page-locked memory, or refuses it, the array is ordinary memory, and they wait; Device.Pageable then says why. It may be used as a
// slice by any goroutine while no copy from or to it is under way.
//
// The garbage collector does not free page-locked memory: without Close it exists until its device is closed.
type HostBuffer[T smoothl1.Element] struct {
	dev   *Device
	x     []T
	held  *heldPinned // nil for ordinary memory
	guard guard
}

// AllocHost returns a host buffer of n ≥ 0 elements, whose contents are undefined. Page-locked memory is scarce, and takes long to
// allocate: a program makes a few buffers of some MiB and uses them again.
func AllocHost[T smoothl1.Element](d *Device, n int) (*HostBuffer[T], error) {
	const op = "AllocHost"
	if err := d.enter(op); err != nil {
		return nil, err
	}
	defer d.leave()
	bytes, err := byteSize[T](op, n)
	if err != nil {
		return nil, err
	}
	if !d.quiet() {
		return nil, whileCapturing(op, "n", n)
	}
	defer d.loud()
	h := &HostBuffer[T]{dev: d}
	if d.drv != nil && n > 0 && !bigEndian {
		if h.held = d.requestPinned(bytes); h.held != nil {
			d.mu.Lock()
			d.held[h.held] = struct{}{}
			d.mu.Unlock()
			h.x = elementsOf[T](h.held.host, n)
			return h, nil
		}
	}
	h.x, err = makeSlice[T](op, n)
	return h, err
}

// Slice returns the elements. They must not be used once the buffer or its device is closed.
func (h *HostBuffer[T]) Slice() []T {
	if h == nil || h.guard.closed() {
		return nil
	}
	return h.x
}

// Close waits for the calls and the queued work that use the buffer, and frees it. A second Close does nothing.
func (h *HostBuffer[T]) Close() error {
	const op = "HostBuffer.Close"
	if h == nil || h.dev == nil || h.guard.closed() {
		return nil
	}
	if err := h.dev.enter(op); err != nil {
		return nil // the device has released it
	}
	defer h.dev.leave()
	if !h.dev.quiet() {
		return whileCapturing(op, "len(h)", len(h.x))
	}
	defer h.dev.loud()
	if !h.guard.closeAfter() || h.held == nil {
		return nil
	}
	return h.dev.giveBack(h.held)
}

// SetAsync queues a copy of the first elements of h, as many as the buffer has, to the buffer, on the default stream or on the stream
// given by OnStream. They must not be changed before the copy is done, for example before that stream has been waited for. If h is
// ordinary memory, SetAsync waits. The copy cannot be part of a Graph.
func (b *Buffer[T]) SetAsync(h *HostBuffer[T], options ...Option) error {
	return b.async("SetAsync", "src", h, options, b.copyIn, func(p driver.Pinned, on driver.Stream) error {
		return opError("copy to the device", "", b.bytes(), p.CopyInAsync(b.ptr, h.held.at, uint64(b.bytes()), on))
	})
}

// DownloadAsync queues a copy of the buffer to the first elements of h, on the default stream or on the stream given by OnStream. They must
// not be used before the copy is done, for example before that stream has been waited for. If h is ordinary memory, DownloadAsync waits.
// The copy cannot be part of a Graph.
func (b *Buffer[T]) DownloadAsync(h *HostBuffer[T], options ...Option) error {
	return b.async("DownloadAsync", "dst", h, options, b.copyOut, func(p driver.Pinned, on driver.Stream) error {
		return opError("copy from the device", "", b.bytes(), p.CopyOutAsync(h.held.at, b.ptr, uint64(b.bytes()), on))
	})
}

// async queues a copy between the buffer and h, or performs it if h is not page-locked.
func (b *Buffer[T]) async(op, arg string, h *HostBuffer[T], options []Option, wait func([]T, driver.Stream) error,
	queue func(driver.Pinned, driver.Stream) error) error {
	if err := b.enter(op); err != nil {
		return err
	}
	defer b.leave()
	switch {
	case h == nil:
		return smoothl1.NewArgError(op, arg, "nil", smoothl1.ErrNil)
	case h.dev == nil:
		return smoothl1.NewArgError(op, arg, "HostBuffer{}", smoothl1.ErrZero)
	case h.dev != b.dev:
		return smoothl1.NewArgError(op, arg, "host buffer of "+h.dev.String(), smoothl1.ErrDevice)
	}
	if err := h.guard.acquire(); err != nil {
		return smoothl1.NewArgError(op, arg, fmt.Sprintf("host buffer of %d elements", len(h.x)), err)
	}
	defer h.guard.release()
	if len(h.x) < b.n {
		return smoothl1.NewArgError(op, "len("+arg+")", len(h.x), fmt.Errorf("%w: the buffer has %d", smoothl1.ErrLength, b.n))
	}
	c, err := readOptions(op, b.dev, options, optStream)
	if err != nil {
		return err
	}
	defer c.end()
	switch {
	case c.capture() != nil:
		return smoothl1.NewArgError(op, "stream", c.stream, fmt.Errorf("%w: copies from and to the host are not captured", smoothl1.ErrCapture))
	case b.n == 0:
		return nil
	case h.held == nil:
		if !b.dev.quiet() {
			return whileCapturing(op, "buffer", b)
		}
		defer b.dev.loud()
		return wait(h.x[:b.n], c.stream.handle())
	}
	return queue(driver.PinnedOf(b.dev.drv), c.stream.handle())
}
