// Package faults injects errors and other actions before a device's calls, and counts the objects that are alive on the device. It
// wraps any driver.Device that is a driver.Capturer too. To inject errors below that interface, use fakedriver.Fail for libcuda, and
// FailNext of a simulated device for the simulation.
package faults

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// Device is a device with faults. Its methods may be called from several goroutines at once.
type Device struct {
	driver.Device

	mu      sync.Mutex
	calls   map[string]int
	alive   map[string]int
	planned []*plan
}

// plan is an action planned before a call.
type plan struct {
	call string // the method; "": any
	left int    // calls until the action, 1 being the next; 0: before every call
	do   func(call string) error
}

// Wrap returns a device that forwards its calls to d.
func Wrap(d driver.Device) *Device {
	return &Device{Device: d, calls: map[string]int{}, alive: map[string]int{}}
}

// Before makes d call do before the n-th call of a method from now on, 1 being the next, or before every call if n is 0. The method ""
// is any method. If do returns an error, the call fails with it and does nothing else, except that a call that releases an object still
// releases it, as CUDA does when it reports an error of earlier work.
func (d *Device) Before(method string, n int, do func(method string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.planned = append(d.planned, &plan{method, n, do})
}

// Fail makes the n-th call of a method fail with a code: see Before.
func (d *Device) Fail(method string, n, code int, name string) {
	d.Before(method, n, func(method string) error { return &driver.Error{Call: method, Code: code, Name: name} })
}

// Mend cancels everything planned by Before and Fail.
func (d *Device) Mend() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.planned = nil
}

// Calls returns the number of calls of each method but Info.
func (d *Device) Calls() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.calls)
}

// Alive returns the number of objects of each kind that were created and not released.
func (d *Device) Alive() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.alive)
}

// before counts a call and performs the actions planned before it.
func (d *Device) before(method string) error {
	d.mu.Lock()
	d.calls[method]++
	var due []*plan
	if len(d.planned) > 0 {
		kept := d.planned[:0]
		for _, p := range d.planned {
			ours := p.call == "" || p.call == method
			if ours && p.left <= 1 {
				due = append(due, p)
			}
			if ours && p.left == 1 {
				continue
			}
			if ours && p.left > 1 {
				p.left--
			}
			kept = append(kept, p)
		}
		d.planned = kept
	}
	d.mu.Unlock()
	var err error
	for _, p := range due {
		if e := p.do(method); e != nil {
			err = e
		}
	}
	return err
}

func (d *Device) account(kind string, n int, err error) error {
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.alive[kind] += n
		if d.alive[kind] < 0 {
			return fmt.Errorf("faults: more %s released than created", kind)
		}
	}
	return err
}

// The methods of driver.Device.

func (d *Device) Alloc(bytes uint64) (p driver.Ptr, err error) {
	if err = d.before("Alloc"); err == nil {
		p, err = d.Device.Alloc(bytes)
		err = d.account("memory", 1, err)
	}
	return p, err
}

func (d *Device) Free(p driver.Ptr) error {
	return errors.Join(d.before("Free"), d.account("memory", -1, d.Device.Free(p)))
}

func (d *Device) CopyIn(dst driver.Ptr, src []byte, on driver.Stream) error {
	if err := d.before("CopyIn"); err != nil {
		return err
	}
	return d.Device.CopyIn(dst, src, on)
}

func (d *Device) CopyOut(dst []byte, src driver.Ptr, on driver.Stream) error {
	if err := d.before("CopyOut"); err != nil {
		return err
	}
	return d.Device.CopyOut(dst, src, on)
}

func (d *Device) Copy(dst, src driver.Ptr, bytes uint64, on driver.Stream) error {
	if err := d.before("Copy"); err != nil {
		return err
	}
	return d.Device.Copy(dst, src, bytes, on)
}

func (d *Device) Zero(dst driver.Ptr, bytes uint64, on driver.Stream) error {
	if err := d.before("Zero"); err != nil {
		return err
	}
	return d.Device.Zero(dst, bytes, on)
}

func (d *Device) NewStream() (s driver.Stream, err error) {
	if err = d.before("NewStream"); err == nil {
		s, err = d.Device.NewStream()
		err = d.account("streams", 1, err)
	}
	return s, err
}

func (d *Device) CloseStream(s driver.Stream) error {
	return errors.Join(d.before("CloseStream"), d.account("streams", -1, d.Device.CloseStream(s)))
}

func (d *Device) Wait(s driver.Stream) error {
	if err := d.before("Wait"); err != nil {
		return err
	}
	return d.Device.Wait(s)
}

func (d *Device) NewEvent() (e driver.Event, err error) {
	if err = d.before("NewEvent"); err == nil {
		e, err = d.Device.NewEvent()
		err = d.account("events", 1, err)
	}
	return e, err
}

func (d *Device) CloseEvent(e driver.Event) error {
	return errors.Join(d.before("CloseEvent"), d.account("events", -1, d.Device.CloseEvent(e)))
}

func (d *Device) Record(e driver.Event, on driver.Stream) error {
	if err := d.before("Record"); err != nil {
		return err
	}
	return d.Device.Record(e, on)
}

func (d *Device) WaitEvent(e driver.Event, on driver.Stream) error {
	if err := d.before("WaitEvent"); err != nil {
		return err
	}
	return d.Device.WaitEvent(e, on)
}

func (d *Device) Elapsed(start, end driver.Event) (float32, error) {
	if err := d.before("Elapsed"); err != nil {
		return 0, err
	}
	return d.Device.Elapsed(start, end)
}

func (d *Device) Load(ptx string) (m driver.Module, err error) {
	if err = d.before("Load"); err == nil {
		m, err = d.Device.Load(ptx)
		err = d.account("modules", 1, err)
	}
	return m, err
}

func (d *Device) Unload(m driver.Module) error {
	return errors.Join(d.before("Unload"), d.account("modules", -1, d.Device.Unload(m)))
}

func (d *Device) Function(m driver.Module, name string) (driver.Function, error) {
	if err := d.before("Function"); err != nil {
		return 0, err
	}
	return d.Device.Function(m, name)
}

func (d *Device) Launch(k driver.Function, g driver.Geometry, on driver.Stream, args []uint64) error {
	if err := d.before("Launch"); err != nil {
		return err
	}
	return d.Device.Launch(k, g, on, args)
}

func (d *Device) BeginCapture(on driver.Stream) error {
	if err := d.before("BeginCapture"); err != nil {
		return err
	}
	return d.Device.(driver.Capturer).BeginCapture(on)
}

func (d *Device) EndCapture(on driver.Stream) (g driver.Graph, err error) {
	planned := d.before("EndCapture")
	g, err = d.Device.(driver.Capturer).EndCapture(on)
	if planned != nil && err == nil {
		return 0, errors.Join(planned, d.Device.(driver.Capturer).CloseGraph(g))
	}
	return g, d.account("graphs", 1, err)
}

func (d *Device) LaunchGraph(g driver.Graph, on driver.Stream) error {
	if err := d.before("LaunchGraph"); err != nil {
		return err
	}
	return d.Device.(driver.Capturer).LaunchGraph(g, on)
}

func (d *Device) CloseGraph(g driver.Graph) error {
	return errors.Join(d.before("CloseGraph"), d.account("graphs", -1, d.Device.(driver.Capturer).CloseGraph(g)))
}

// pinned is the page-locked memory of a device with faults.
type pinned struct {
	driver.Pinned
	of *Device
}

// Pinned returns the device's page-locked memory, with faults, or nil if the device has none.
func (d *Device) Pinned() driver.Pinned {
	if p := driver.PinnedOf(d.Device); p != nil {
		return pinned{p, d}
	}
	return nil
}

func (p pinned) AllocPinned(bytes uint64) (host []byte, at driver.Ptr, err error) {
	if err = p.of.before("AllocPinned"); err == nil {
		host, at, err = p.Pinned.AllocPinned(bytes)
		err = p.of.account("pinned", 1, err)
	}
	return host, at, err
}

func (p pinned) FreePinned(at driver.Ptr) error {
	return errors.Join(p.of.before("FreePinned"), p.of.account("pinned", -1, p.Pinned.FreePinned(at)))
}

func (p pinned) CopyInAsync(dst, src driver.Ptr, bytes uint64, on driver.Stream) error {
	if err := p.of.before("CopyInAsync"); err != nil {
		return err
	}
	return p.Pinned.CopyInAsync(dst, src, bytes, on)
}

func (p pinned) CopyOutAsync(dst, src driver.Ptr, bytes uint64, on driver.Stream) error {
	if err := p.of.before("CopyOutAsync"); err != nil {
		return err
	}
	return p.Pinned.CopyOutAsync(dst, src, bytes, on)
}

func (p pinned) Await(e driver.Event) error {
	if err := p.of.before("Await"); err != nil {
		return err
	}
	return p.Pinned.Await(e)
}

// MemoryInfo returns the free and the total memory of the device, or an error if the device does not know it.
func (d *Device) MemoryInfo() (free, total uint64, err error) {
	if err := d.before("MemoryInfo"); err != nil {
		return 0, 0, err
	}
	m, ok := d.Device.(driver.MemoryReporter)
	if !ok {
		return 0, 0, errors.New("faults: the device does not know its free memory")
	}
	return m.MemoryInfo()
}

func (d *Device) Close() error { return errors.Join(d.before("Close"), d.Device.Close()) }
