package gpu

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/cuda"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/kernels"
)

// A Device computes: a CUDA device, a simulated one, or the CPU. It may be used from any goroutine.
type Device struct {
	drv    driver.Device // nil: the CPU
	info   driver.Info
	reason string // why the CPU

	functions [kernels.Entries]driver.Function

	// closing is held for reading by every call on the device or on what belongs to it, and for writing by Close. The calls
	// on ops do not hold it: they take turns, which look at closed.
	closing sync.RWMutex
	closed  atomic.Bool

	mu    sync.Mutex
	owned map[resource]struct{} // what Close has to release
	ops   map[*turns]struct{}   // those of the ops among it
}

// resource is what a device releases when it is closed.
type resource interface{ release() error }

// An OpenOption chooses the device that Open opens.
type OpenOption struct {
	choice choice
	device int
	drv    driver.Device
}

type choice uint8

const (
	chooseAny choice = iota
	chooseCPU
	chooseCUDA
	chooseGiven
)

// CPU chooses the CPU.
func CPU() OpenOption { return OpenOption{choice: chooseCPU} }

// CUDA chooses the CUDA device of this ordinal, counted from 0. Open fails where it cannot be had.
func CUDA(ordinal int) OpenOption { return OpenOption{choice: chooseCUDA, device: ordinal} }

// On chooses a device that the caller has made, such as a simulated one of package sim. It belongs to the opened Device from
// then on, which closes it, also when Open fails.
func On(d driver.Device) OpenOption { return OpenOption{choice: chooseGiven, drv: d} }

// Open opens a device: without options CUDA device 0, and where there is none the CPU; String says which it took and why.
//
// Opening a CUDA device compiles the kernels for it, which takes about a second the first time and is cached by the driver.
func Open(options ...OpenOption) (*Device, error) {
	const op = "Open"
	if len(options) > 1 {
		return nil, smoothl1.NewArgError(op, "options", len(options), errors.New("at most one device can be chosen"))
	}
	var o OpenOption
	if len(options) == 1 {
		o = options[0]
	}
	switch o.choice {
	case chooseCPU:
		return openCPU("asked for"), nil
	case chooseGiven:
		if o.drv == nil {
			return nil, smoothl1.NewArgError(op, "device", "nil", smoothl1.ErrNil)
		}
		return openDriver(o.drv)
	case chooseCUDA:
		if o.device < 0 {
			return nil, smoothl1.NewArgError(op, "ordinal", o.device, errors.New("must not be negative"))
		}
		drv, err := cuda.Open(o.device)
		if errors.Is(err, cuda.ErrUnavailable) {
			return nil, fmt.Errorf("gpu: Open: CUDA device %d: %w: %w", o.device, smoothl1.ErrNoCUDA, err)
		}
		if err != nil {
			return nil, fmt.Errorf("gpu: Open: CUDA device %d: %w", o.device, err)
		}
		return openDriver(drv)
	default:
		drv, err := cuda.Open(0)
		if errors.Is(err, cuda.ErrUnavailable) {
			return openCPU(err.Error()), nil
		}
		// A GPU that is there but does not work is an error: who has one does not want the CPU unawares.
		if err != nil {
			return nil, fmt.Errorf("gpu: Open: CUDA device 0: %w", err)
		}
		return openDriver(drv)
	}
}

func openCPU(reason string) *Device {
	return &Device{reason: reason, owned: map[resource]struct{}{}, ops: map[*turns]struct{}{}}
}

func openDriver(drv driver.Device) (*Device, error) {
	d := &Device{drv: drv, info: drv.Info(), owned: map[resource]struct{}{}, ops: map[*turns]struct{}{}}
	module, err := drv.Load(kernels.PTX)
	if err != nil {
		return nil, errors.Join(opError("load the kernels", "", 0, err), drv.Close())
	}
	d.owned[moduleOf{drv, module}] = struct{}{}
	for _, e := range kernels.All() {
		if d.functions[e.Index()], err = drv.Function(module, e.Name()); err != nil {
			return nil, errors.Join(opError("find the kernel", e.Name(), 0, err), d.Close())
		}
	}
	return d, nil
}

type moduleOf struct {
	drv    driver.Device
	module driver.Module
}

func (m moduleOf) release() error { return m.drv.Unload(m.module) }

// String says which device it is, and of the CPU why it was taken.
func (d *Device) String() string {
	if d == nil {
		return "no device"
	}
	if d.drv == nil {
		return fmt.Sprintf("CPU (%s, %d threads): %s", runtime.GOARCH, runtime.GOMAXPROCS(0), d.reason)
	}
	i := d.info
	s := fmt.Sprintf("%s device %d: %s (sm_%d%d, %d multiprocessors", i.Backend, i.Ordinal, i.Name, i.Major, i.Minor, i.Multiprocessors)
	if i.DriverVersion != 0 {
		s += fmt.Sprintf(", driver for CUDA %d.%d", i.DriverVersion/1000, i.DriverVersion%1000/10)
	}
	return s + ")"
}

// Backend returns "cpu", "cuda" or "sim".
func (d *Device) Backend() string {
	if d.drv == nil {
		return "cpu"
	}
	return d.info.Backend
}

// Reason says why the CPU was taken; it is empty for other devices.
func (d *Device) Reason() string { return d.reason }

// Close waits for the calls in progress and for the device's work, and releases everything that belongs to the device:
// buffers, streams, ops. They, and the device, then return errors wrapping smoothl1.ErrClosed. A second Close does nothing.
func (d *Device) Close() error {
	if d == nil {
		return nil
	}
	d.closing.Lock()
	defer d.closing.Unlock()
	if d.closed.Swap(true) {
		return nil
	}
	d.settle()
	var errs []error
	for r := range d.owned {
		errs = append(errs, r.release())
	}
	d.owned, d.ops = nil, nil
	if d.drv != nil {
		errs = append(errs, d.drv.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return opError("close", "", 0, err)
	}
	return nil
}

// enter begins a call on the device, which leave ends; Close waits for it.
func (d *Device) enter(op string) error {
	if d == nil {
		return smoothl1.NewArgError(op, "device", "nil", smoothl1.ErrNil)
	}
	d.closing.RLock()
	if d.closed.Load() {
		d.closing.RUnlock()
		return smoothl1.NewArgError(op, "device", d, smoothl1.ErrClosed)
	}
	return nil
}

func (d *Device) leave() { d.closing.RUnlock() }

// own has Close release r. The caller has entered.
func (d *Device) own(r resource) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.owned[r] = struct{}{}
}

// ownOp is own for an op, whose turns settle is to know.
func (d *Device) ownOp(r resource, t *turns) {
	d.own(r)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ops[t] = struct{}{}
}

// disownOp is disown for an op.
func (d *Device) disownOp(r resource, t *turns) error {
	d.mu.Lock()
	delete(d.ops, t)
	d.mu.Unlock()
	return d.disown(r)
}

// disown releases r and forgets it. The caller has entered.
func (d *Device) disown(r resource) error {
	d.mu.Lock()
	delete(d.owned, r)
	d.mu.Unlock()
	return r.release()
}

// settle returns when the calls on ops that go on have ended. What was closed before is not used by later ones.
func (d *Device) settle() {
	type turn struct {
		of *turns
		n  uint64
	}
	var begun []turn
	d.mu.Lock()
	for t := range d.ops {
		if n := t.n.Load(); n%2 == 1 {
			begun = append(begun, turn{t, n})
		}
	}
	d.mu.Unlock()
	for _, b := range begun {
		wait(func() bool { return b.of.n.Load() != b.n })
	}
}
