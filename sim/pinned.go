package sim

import (
	"math"
	"unsafe"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/memory"
	"github.com/smoothl1/smoothl1/sim/internal/vm"
)

var (
	_ driver.Pinned         = (*Device)(nil)
	_ driver.MemoryReporter = (*Device)(nil)
)

// AllocPinned allocates bytes > 0 bytes of page-locked host memory, filled with noise. The host uses it as the slice, kernels by the
// address. Kernels' accesses are checked as in device memory, except that all of it counts as written: the device does not see what
// the host writes. It is not part of the device's memory, and is limited only by the host's.
func (d *Device) AllocPinned(bytes uint64) ([]byte, Ptr, error) {
	const call = "cuMemHostAlloc"
	err := d.usable(call, PinnedCall)
	defer d.unlock()
	if err != nil {
		return nil, 0, err
	}
	if bytes == 0 {
		return nil, 0, fail(call, driver.CodeInvalidValue, "0 bytes")
	}
	base := (d.nextAddr + alignment - 1) &^ (alignment - 1)
	if bytes > math.MaxInt/2 || bytes > lastAddress-base {
		return nil, 0, fail(call, driver.CodeOutOfMemory, "%d bytes", bytes)
	}
	words, err := memory.Make[uint64](int((bytes + 7) / 8)) // which aligns the slice
	if err == nil && d.opts.strict {
		err = memory.Check(bytes / 4) // the shadow
	}
	if err != nil {
		return nil, 0, fail(call, driver.CodeOutOfMemory, "%d bytes: %v", bytes, err)
	}
	r := &vm.Region{Base: base, Data: unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), bytes), Pinned: true}
	if d.opts.strict {
		r.Shadow = vm.NewShadow(bytes)
		r.Shadow.Written(0, bytes)
	}
	d.nextAddr = r.End() + guardBytes
	d.memory.Add(r)
	d.draws.Scribble(r.Data)
	return r.Data, Ptr(base), nil
}

// FreePinned waits for all work of the device and frees page-locked memory.
func (d *Device) FreePinned(p Ptr) error {
	const call = "cuMemFreeHost"
	err := d.usable(call, PinnedCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	d.drainAll()
	if err := d.after(call); err != nil {
		return err
	}
	if r := d.memory.Find(uint64(p)); r == nil || !r.Pinned || d.memory.Remove(uint64(p)) == nil {
		return fail(call, driver.CodeInvalidValue, "%#x is not the beginning of page-locked memory", uint64(p))
	}
	return nil
}

// CopyInAsync copies page-locked memory at src to device memory at dst, after the stream's earlier work. The memory at src is read when
// the copy is done, which is when the seed says or something waits for it.
func (d *Device) CopyInAsync(dst, src Ptr, bytes uint64, on Stream) error {
	return d.copyAsync("cuMemcpyHtoDAsync", dst, src, bytes, on, true)
}

// CopyOutAsync copies device memory at src to page-locked memory at dst, after the stream's earlier work. The memory at dst is written
// when the copy is done, which is when the seed says or something waits for it.
func (d *Device) CopyOutAsync(dst, src Ptr, bytes uint64, on Stream) error {
	return d.copyAsync("cuMemcpyDtoHAsync", dst, src, bytes, on, false)
}

func (d *Device) copyAsync(call string, dst, src Ptr, bytes uint64, on Stream, in bool) error {
	err := d.usable(call, CopyCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	s, err := d.stream(call, on)
	if err != nil {
		return err
	}
	to, err := d.bytesAt(call, dst, bytes)
	if err != nil {
		return err
	}
	from, err := d.bytesAt(call, src, bytes)
	if err != nil || bytes == 0 {
		return err
	}
	host, at, copies, total := to, dst, &d.stats.CopiesOut, &d.stats.BytesOut
	if in {
		host, at, copies, total = from, src, &d.stats.CopiesIn, &d.stats.BytesIn
	}
	if !host.region.Pinned {
		return fail(call, driver.CodeInvalidValue, "%d bytes at %#x are not page-locked", bytes, uint64(at))
	}
	d.submit(s, copies, func() *Error {
		*total += bytes
		copy(to.data, from.data)
		to.written()
		return nil
	}, to, from)
	return nil
}

// Await returns when the work that an event was last recorded after is done; at once if the event was never recorded.
func (d *Device) Await(e Event) error {
	const call = "cuEventSynchronize"
	err := d.usable(call, WaitCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	ev := d.events[e]
	if ev == nil {
		return fail(call, driver.CodeInvalidHandle, "no event %d", e)
	}
	switch {
	case ev.mark == nil:
	case ev.mark.captured != nil:
		return fail(call, driver.CodeCapturedEvent, "event %d was last recorded in a capture", e)
	default:
		d.drainTo(ev.mark.on, ev.mark.end)
	}
	return d.after(call)
}

// MemoryInfo returns the bytes of device memory that are free, and how many there are.
func (d *Device) MemoryInfo() (free, total uint64, err error) {
	err = d.usable("cuMemGetInfo", InfoCall)
	defer d.unlock()
	if err != nil {
		return 0, 0, err
	}
	return d.opts.memory - d.used, d.opts.memory, nil
}
