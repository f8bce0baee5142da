package gpu

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// A holding is what the driver has given for an object of this package, and wants back: memory, a stream, an event. It
// does not know the object, so that the garbage collector can take one that the program has dropped without closing it; the
// holding is then released by the next call that allocates or waits. On the CPU there are none.
type holding interface {
	release(d *Device) error
}

// holdings are those of a device.
type holdings struct {
	mu        sync.Mutex
	held      map[holding]struct{}
	dropped   []holding // of objects that are gone, to be released
	bytes     uint64    // of device memory
	granted   uint64    // allocations so far
	collected uint64

	sweeping sync.Mutex // held while dropped holdings are released
	short    sync.Mutex // held by whoever makes room for an allocation
}

// Usage is what a device's driver holds for a program. All is 0 on the CPU, where the garbage collector does everything.
type Usage struct {
	Objects   int    // buffers, streams, events and ops that hold something of the driver's
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
	return Usage{Objects: len(d.held), Bytes: d.bytes, Collected: d.collected}
}

// hold has Close release h, or the garbage collector, once nothing refers to its object. The caller has entered.
func hold[T any](d *Device, object *T, h holding) {
	d.mu.Lock()
	d.held[h] = struct{}{}
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

// take says whether h is still to be released, which the caller then does.
func (d *Device) take(h holding) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.held[h]
	delete(d.held, h)
	return ok
}

// giveBack releases h, unless that has been done. The caller has entered.
func (d *Device) giveBack(h holding) error {
	if !d.take(h) {
		return nil
	}
	return h.release(d)
}

// sweep releases what the garbage collector has found to be dropped, unless another call does so. The caller has entered.
func (d *Device) sweep() error {
	if !d.sweeping.TryLock() {
		return nil
	}
	defer d.sweeping.Unlock()
	return d.releaseDropped()
}

// releaseDropped is sweep for a caller that holds d.sweeping.
func (d *Device) releaseDropped() error {
	d.mu.Lock()
	dropped := d.dropped
	d.dropped = nil
	d.mu.Unlock()
	var errs []error
	released := uint64(0)
	for _, h := range dropped {
		if d.take(h) {
			errs = append(errs, h.release(d))
			released++
		}
	}
	d.mu.Lock()
	d.collected += released
	d.mu.Unlock()
	return errors.Join(errs...)
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
	h, err := d.request(bytes)
	if errors.Is(err, smoothl1.ErrMemory) {
		return d.makeRoom(bytes)
	}
	return h, err
}

func (d *Device) request(bytes int) (*heldMemory, error) {
	at, err := d.drv.Alloc(uint64(bytes))
	if err != nil {
		return nil, opError("allocate", "", bytes, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bytes += uint64(bytes)
	d.granted++
	return &heldMemory{at, bytes}, nil
}

// makeRoom is allocate where the device has no memory left: that may be held by objects that are garbage, but so small here that
// the collector has not run for them. It goes on as long as anything is released, or allocated: others may take what it frees, and
// drop it while the collector is already at work, which then sees it as in use.
func (d *Device) makeRoom(bytes int) (h *heldMemory, err error) {
	d.short.Lock()
	defer d.short.Unlock()
	for before, now := uint64(0), d.changes()+1; before != now; now = d.changes() {
		before = d.changes()
		runtime.GC()
		for pause := 50 * time.Microsecond; pause < 20*time.Millisecond; pause *= 2 { // the cleanups have goroutines of their own
			time.Sleep(pause)
			if err := d.sweepAfterOthers(); err != nil {
				return nil, err
			}
			if h, err = d.request(bytes); !errors.Is(err, smoothl1.ErrMemory) {
				return h, err
			}
		}
	}
	return h, err
}

func (d *Device) changes() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.granted + d.collected
}

// sweepAfterOthers is sweep that waits for another call that does so.
func (d *Device) sweepAfterOthers() error {
	d.sweeping.Lock()
	defer d.sweeping.Unlock()
	return d.releaseDropped()
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
