package gpu

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// A holding is a resource of the driver, such as memory, a stream or an event, that an object of this package owns. It does not
// refer to the object, so that the garbage collector can free an object that was not closed; the holding is then released by the
// next call that allocates or waits. The CPU has no holdings.
type holding interface {
	release(d *Device) error
}

// holdings are the holdings of a device.
type holdings struct {
	mu        sync.Mutex
	held      map[holding]struct{}
	dropped   []holding // of unreachable objects, to be released
	bytes     uint64    // device memory held
	granted   uint64    // allocations so far
	collected uint64    // holdings released because their objects were unreachable

	sweeping sync.Mutex // held while dropped holdings are released
	short    sync.Mutex // held by makeRoom
}

// Usage counts the driver's resources that a program holds. On the CPU all fields are 0.
type Usage struct {
	Objects   int    // buffers, page-locked host buffers, streams, events, ops, graphs and stagings of Compute that hold driver resources
	Bytes     uint64 // device memory that they hold; host memory does not count
	Collected uint64 // objects so far that were released because they became unreachable without Close
}

// Usage returns the current usage. If Collected keeps growing, a Close is missing: see the package documentation.
func (d *Device) Usage() Usage {
	if d == nil {
		return Usage{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return Usage{Objects: len(d.held), Bytes: d.bytes, Collected: d.collected}
}

// hold registers h, which is released by Close or after its object has become unreachable. The caller has entered the device.
func hold[T any](d *Device, object *T, h holding) {
	d.mu.Lock()
	d.held[h] = struct{}{}
	d.mu.Unlock()
	runtime.AddCleanup(object, d.drop, h)
}

// drop records that the object of h is unreachable. It runs on a cleanup goroutine of the runtime, which must not wait for a device.
func (d *Device) drop(h holding) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.held[h]; ok {
		d.dropped = append(d.dropped, h)
	}
}

// take removes h, and reports whether the caller must release it.
func (d *Device) take(h holding) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.held[h]
	delete(d.held, h)
	return ok
}

// giveBack releases h unless it has been released. The caller has entered the device.
func (d *Device) giveBack(h holding) error {
	if !d.take(h) {
		return nil
	}
	return h.release(d)
}

// sweep releases the dropped holdings, unless another call is doing so. The caller has entered the device.
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

// releaseAll releases all holdings, for Device.Close.
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

// allocate allocates device memory.
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
		return nil, opError("allocate", "", bytes, d.withFree(err))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bytes += uint64(bytes)
	d.granted++
	return &heldMemory{at, bytes}, nil
}

// withFree adds to the error of a device that is out of memory how much of it is free.
func (d *Device) withFree(err error) error {
	e, ok := err.(*driver.Error)
	m, reports := d.drv.(driver.MemoryReporter)
	if !ok || !reports || e.Code != driver.CodeOutOfMemory {
		return err
	}
	free, total, unknown := m.MemoryInfo()
	if unknown != nil {
		return err
	}
	told := *e
	told.Detail = fmt.Sprintf("%d of %d bytes are free", free, total)
	return &told
}

// makeRoom is allocate for a device that has no memory left. The memory may be held by garbage: its objects are so small on the Go
// heap that they do not trigger a collection. makeRoom retries as long as anything is released or allocated, since other calls
// may take the memory it frees, and drop it during a collection that still sees it as reachable.
func (d *Device) makeRoom(bytes int) (h *heldMemory, err error) {
	d.short.Lock()
	defer d.short.Unlock()
	if err := d.dropIdle(); err != nil {
		return nil, err
	}
	for before, now := uint64(0), d.changes()+1; before != now; now = d.changes() {
		before = d.changes()
		runtime.GC()
		for pause := 50 * time.Microsecond; pause < 20*time.Millisecond; pause *= 2 { // cleanups run on another goroutine
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

// sweepAfterOthers is sweep, but waits for another call that is sweeping.
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

// release waits first, since a driver destroys a stream without waiting for its work.
func (h *heldStream) release(d *Device) error {
	return errors.Join(d.wait(h.s), opError("destroy a stream", "", 0, d.drv.CloseStream(h.s)))
}

type heldEvent struct{ e driver.Event }

func (h *heldEvent) release(d *Device) error {
	return opError("destroy an event", "", 0, d.drv.CloseEvent(h.e))
}
