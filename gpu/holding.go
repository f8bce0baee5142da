package gpu

import (
	"errors"
	"runtime"
	"sync"
	"weak"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// A holding is what the driver has given for an object of this package, and wants back: memory, a stream, an event, a module. It
// does not know the object, so that the garbage collector can take one that the program has dropped without closing it; the
// holding is then released by the next call that allocates or waits. On the CPU there are none.
type holding interface {
	release(d *Device) error
}

// holdings are those of a device.
type holdings struct {
	mu        sync.Mutex
	held      map[holding]func() bool // says whether the object is gone
	dropped   []holding               // of objects that are, to be released
	bytes     uint64                  // of device memory
	collected uint64
}

// Usage is what a device's driver holds for a program. All is 0 on the CPU, where the garbage collector does everything.
type Usage struct {
	Objects   int    // open buffers, streams, events and ops
	Bytes     uint64 // of device memory, theirs
	Collected uint64 // objects so far that nobody closed, and the garbage collector released
}

// Usage returns what is held now. A Collected that grows is a Close that is missing: see the package's documentation.
func (d *Device) Usage() Usage {
	if d == nil {
		return Usage{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return Usage{Objects: max(len(d.held)-1, 0), Bytes: d.bytes, Collected: d.collected} // less the module
}

// hold has Close release h, or the garbage collector, once nothing refers to its object. The caller has entered.
func hold[T any](d *Device, object *T, h holding) {
	there := weak.Make(object)
	gone := func() bool { return there.Value() == nil }
	d.mu.Lock()
	d.held[h] = gone
	d.mu.Unlock()
	runtime.AddCleanup(object, d.drop, h)
}

// drop notes that the object of h is gone. It runs on a goroutine of the garbage collector, which is not to wait for a device.
func (d *Device) drop(h holding) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.held[h]; ok {
		d.dropped = append(d.dropped, h)
	}
}

// giveBack releases h, unless that has been done. The caller has entered.
func (d *Device) giveBack(h holding) error {
	d.mu.Lock()
	_, ok := d.held[h]
	delete(d.held, h)
	d.mu.Unlock()
	if !ok {
		return nil
	}
	return h.release(d)
}

// sweep releases what the garbage collector has found to be dropped. The caller has entered.
func (d *Device) sweep() error {
	d.mu.Lock()
	dropped := d.dropped
	d.dropped = nil
	for _, h := range dropped {
		if _, ok := d.held[h]; ok {
			d.collected++
		}
	}
	d.mu.Unlock()
	var errs []error
	for _, h := range dropped {
		errs = append(errs, d.giveBack(h))
	}
	return errors.Join(errs...)
}

// collect is sweep after a collection of garbage: device memory that is short may be held by objects that are small here.
func (d *Device) collect() error {
	runtime.GC()
	d.search()
	return d.sweep()
}

// search drops the holdings whose objects are gone, before the garbage collector's goroutines come to it.
func (d *Device) search() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropped = d.dropped[:0]
	for h, gone := range d.held {
		if gone() {
			d.dropped = append(d.dropped, h)
		}
	}
}

// releaseAll is for the device's Close.
func (d *Device) releaseAll() error {
	d.mu.Lock()
	held := d.held
	d.held, d.ops, d.dropped = nil, nil, nil
	d.mu.Unlock()
	var errs []error
	for h := range held {
		errs = append(errs, h.release(d))
	}
	return errors.Join(errs...)
}

// allocate returns device memory.
func (d *Device) allocate(bytes int) (*heldMemory, error) {
	if err := d.sweep(); err != nil {
		return nil, err
	}
	at, err := d.drv.Alloc(uint64(bytes))
	if err = opError("allocate", "", bytes, err); errors.Is(err, smoothl1.ErrMemory) {
		if err := d.collect(); err != nil {
			return nil, err
		}
		at, err = d.drv.Alloc(uint64(bytes))
		err = opError("allocate", "", bytes, err)
	}
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bytes += uint64(bytes)
	return &heldMemory{at, bytes}, nil
}

type heldMemory struct {
	at    driver.Ptr
	bytes int
}

func (h *heldMemory) release(d *Device) error {
	d.mu.Lock()
	d.bytes -= uint64(h.bytes)
	d.mu.Unlock()
	return opError("free", "", h.bytes, d.drv.Free(h.at))
}

type heldStream struct{ s driver.Stream }

// release waits first: a driver would destroy the stream and finish its work later.
func (h *heldStream) release(d *Device) error {
	return errors.Join(d.wait(h.s), opError("destroy a stream", "", 0, d.drv.CloseStream(h.s)))
}

type heldEvent struct{ e driver.Event }

func (h *heldEvent) release(d *Device) error {
	return opError("destroy an event", "", 0, d.drv.CloseEvent(h.e))
}

type heldModule struct{ m driver.Module }

func (h *heldModule) release(d *Device) error {
	return opError("unload the kernels", "", 0, d.drv.Unload(h.m))
}
