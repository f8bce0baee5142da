package sim

import (
	"math"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/memory"
	"github.com/smoothl1/smoothl1/sim/internal/vm"
)

const (
	firstAddress = 0x10_0000_0000 // far from 0, so that no small number is a valid address
	lastAddress  = 0x7000_0000_0000
	guardBytes   = 4096 // unmapped, between allocations
	alignment    = 256
)

// Alloc allocates bytes > 0 bytes of device memory, aligned to 256 bytes and filled with noise. Addresses are never reused.
func (d *Device) Alloc(bytes uint64) (Ptr, error) {
	const call = "cuMemAlloc"
	err := d.usable(call, AllocCall)
	defer d.unlock()
	if err != nil {
		return 0, err
	}
	r, err := d.allocate(call, "", bytes, alignment)
	if err != nil {
		return 0, err
	}
	d.draws.Scribble(r.Data)
	return Ptr(r.Base), nil
}

func (d *Device) allocate(call, name string, bytes, align uint64) (*vm.Region, error) {
	if bytes == 0 {
		return nil, fail(call, driver.CodeInvalidValue, "0 bytes")
	}
	base := (d.nextAddr + max(align, alignment) - 1) &^ (max(align, alignment) - 1)
	if bytes > d.opts.memory-d.used || bytes > math.MaxInt/2 || bytes > lastAddress-base {
		return nil, fail(call, driver.CodeOutOfMemory, "%d bytes; %d of %d are in use", bytes, d.used, d.opts.memory)
	}
	data, err := memory.Make[byte](int(bytes))
	if err == nil && d.opts.strict {
		err = memory.Check(bytes / 4) // the shadow
	}
	if err != nil {
		return nil, fail(call, driver.CodeOutOfMemory, "%d bytes: %v", bytes, err)
	}
	r := &vm.Region{Base: base, Data: data, Name: name}
	if d.opts.strict {
		r.Shadow = vm.NewShadow(bytes)
		if name != "" { // a module's variable, which has an initial value
			r.Shadow.Written(0, bytes)
		}
	}
	d.nextAddr = r.End() + guardBytes
	d.used += bytes
	d.memory.Add(r)
	return r, nil
}

func (d *Device) release(base uint64) bool {
	r := d.memory.Remove(base)
	if r == nil {
		return false
	}
	d.used -= uint64(len(r.Data))
	return true
}

// Free waits for all work of the device and releases an allocation.
func (d *Device) Free(p Ptr) error {
	const call = "cuMemFree"
	err := d.usable(call, FreeCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	d.drainAll()
	if err := d.after(call); err != nil {
		return err
	}
	if r := d.memory.Find(uint64(p)); r == nil || r.Name != "" || r.Pinned || !d.release(uint64(p)) {
		return fail(call, driver.CodeInvalidValue, "%#x is not the beginning of an allocation", uint64(p))
	}
	return nil
}

// area is a range of device memory.
type area struct {
	data   []byte
	region *vm.Region
	at     uint64
}

// written marks the whole area as written.
func (a area) written() {
	if len(a.data) > 0 && a.region.Shadow != nil {
		a.region.Shadow.Written(a.at, uint64(len(a.data)))
	}
}

// bytesAt returns the n bytes of device memory at p.
func (d *Device) bytesAt(call string, p Ptr, n uint64) (area, error) {
	if n == 0 {
		return area{}, nil
	}
	r := d.memory.Find(uint64(p))
	if r == nil {
		return area{}, fail(call, driver.CodeInvalidValue, "%d bytes at %#x are in no allocation", n, uint64(p))
	}
	at := uint64(p) - r.Base
	if n > uint64(len(r.Data))-at {
		return area{}, fail(call, driver.CodeInvalidValue, "%d bytes at %#x go beyond the allocation of %d bytes at %#x", n, uint64(p), len(r.Data), r.Base)
	}
	return area{r.Data[at : at+n], r, at}, nil
}

// small is the size up to which a copy from the host may be done after the call has returned, from a copy that the driver keeps.
const small = 64 << 10

// CopyIn copies src to the device after the stream's earlier work, and returns when src may be changed again. A small copy may be
// deferred until something waits for it.
func (d *Device) CopyIn(dst Ptr, src []byte, on Stream) error {
	const call = "cuMemcpyHtoDAsync"
	err := d.usable(call, CopyCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	s, err := d.stream(call, on)
	if err != nil {
		return err
	}
	to, err := d.bytesAt(call, dst, uint64(len(src)))
	if err != nil {
		return err
	}
	if d.captures > 0 {
		return d.refuseCapture(call, "a copy from the host")
	}
	d.stats.CopiesIn++
	d.stats.BytesIn += uint64(len(src))
	if len(src) <= small && d.draws.Below(2) == 0 {
		kept := append([]byte(nil), src...)
		d.enqueue(s, func() *Error {
			copy(to.data, kept)
			to.written()
			return nil
		})
		return nil
	}
	d.drain(s)
	if err := d.after(call); err != nil {
		return err
	}
	copy(to.data, src)
	to.written()
	return nil
}

// CopyOut copies from the device after the stream's earlier work, and returns when dst is filled.
func (d *Device) CopyOut(dst []byte, src Ptr, on Stream) error {
	const call = "cuMemcpyDtoHAsync"
	err := d.usable(call, CopyCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	s, err := d.stream(call, on)
	if err != nil {
		return err
	}
	from, err := d.bytesAt(call, src, uint64(len(dst)))
	if err != nil {
		return err
	}
	if d.captures > 0 {
		return d.refuseCapture(call, "a copy to the host")
	}
	d.drain(s)
	if err := d.after(call); err != nil {
		return err
	}
	copy(dst, from.data)
	d.stats.CopiesOut++
	d.stats.BytesOut += uint64(len(dst))
	return nil
}

// Copy copies within the device, after the stream's earlier work.
func (d *Device) Copy(dst, src Ptr, bytes uint64, on Stream) error {
	const call = "cuMemcpyDtoDAsync"
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
	if err != nil {
		return err
	}
	d.submit(s, &d.stats.DeviceCopies, func() *Error {
		copy(to.data, from.data)
		if bytes > 0 && to.region.Shadow != nil {
			to.region.Shadow.Copied(to.at, from.region.Shadow, from.at, bytes)
		}
		return nil
	}, to, from)
	return nil
}

// Zero clears device memory, after the stream's earlier work.
func (d *Device) Zero(dst Ptr, bytes uint64, on Stream) error {
	const call = "cuMemsetD8Async"
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
	d.submit(s, &d.stats.Clears, func() *Error {
		clear(to.data)
		to.written()
		return nil
	}, to)
	return nil
}
