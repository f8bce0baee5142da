package gpu

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/cuda"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// A Device computes: a CUDA device, a simulated one, or the CPU. It may be used from any goroutine.
type Device struct {
	drv    driver.Device // nil: the CPU
	info   driver.Info
	reason string // why the CPU

	modules modules

	// closing is held for reading by every call on the device or on what belongs to it, and for writing by Close. The calls
	// on ops do not hold it: they take turns, which look at closed.
	closing sync.RWMutex
	closed  atomic.Bool

	holdings
	ops map[*turns]struct{} // of the ops that are open; nil before Open and after Close
	ids atomic.Int64        // of streams and events, for their names
}

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

// CPU chooses the CPU. Open fails where the environment variable SMOOTHL1_CPU asks in vain for a way to use it: see
// cpu.InstructionSet.
func CPU() OpenOption { return OpenOption{choice: chooseCPU} }

// CUDA chooses the CUDA device of this ordinal, counted from 0. Open fails where it cannot be had.
func CUDA(ordinal int) OpenOption { return OpenOption{choice: chooseCUDA, device: ordinal} }

// On chooses a device that the caller has made, such as a simulated one of package sim. It belongs to the opened Device from
// then on, which closes it; Open closes it where it fails.
func On(d driver.Device) OpenOption { return OpenOption{choice: chooseGiven, drv: d} }

// Open opens a device: without options CUDA device 0, and where there is none the CPU; String says which it took and why.
//
// Opening a device does not compile the kernels: NewSmoothL1 does, for the first op of an element type.
func Open(options ...OpenOption) (*Device, error) {
	const op = "Open"
	if len(options) > 1 {
		errs := []error{smoothl1.NewArgError(op, "options", len(options), errors.New("at most one device can be chosen"))}
		for _, o := range options {
			if !isNil(o.drv) {
				errs = append(errs, o.drv.Close())
			}
		}
		return nil, errors.Join(errs...)
	}
	var o OpenOption
	if len(options) == 1 {
		o = options[0]
	}
	switch o.choice {
	case chooseCPU:
		return openCPU("asked for")
	case chooseGiven:
		if isNil(o.drv) {
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
			return openCPU(err.Error())
		}
		// A GPU that is there but does not work is an error: who has one does not want the CPU unawares.
		if err != nil {
			return nil, fmt.Errorf("gpu: Open: CUDA device 0: %w", err)
		}
		return openDriver(drv)
	}
}

// isNil says whether there is no device behind the interface: none at all, or a nil pointer.
func isNil(drv driver.Device) bool {
	v := reflect.ValueOf(drv)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

func openCPU(reason string) (*Device, error) {
	if _, err := cpu.InstructionSet(); err != nil { // somebody means the environment to say how to compute
		return nil, fmt.Errorf("gpu: Open: the CPU: %w", err)
	}
	return &Device{reason: reason, ops: map[*turns]struct{}{}}, nil
}

func openDriver(drv driver.Device) (*Device, error) {
	if err := probe(drv); err != nil {
		return nil, errors.Join(err, drv.Close())
	}
	return &Device{drv: drv, info: drv.Info(), holdings: holdings{held: map[holding]struct{}{}}, ops: map[*turns]struct{}{}}, nil
}

// String says which device it is, and of the CPU why it was taken.
func (d *Device) String() string {
	if !d.made() {
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

// Backend returns "cpu", "cuda" or "sim"; "" of a device that Open has not returned.
func (d *Device) Backend() string {
	switch {
	case !d.made():
		return ""
	case d.drv == nil:
		return "cpu"
	}
	return d.info.Backend
}

// Reason says why the CPU was taken; it is empty for other devices.
func (d *Device) Reason() string {
	if d == nil {
		return ""
	}
	return d.reason
}

// Close waits for the calls in progress and for the device's work, and releases everything that belongs to the device:
// buffers, streams, events, ops. They, and the device, then return errors wrapping smoothl1.ErrClosed. A second Close does
// nothing.
func (d *Device) Close() error {
	if !d.made() {
		return nil
	}
	d.closing.Lock()
	defer d.closing.Unlock()
	if d.closed.Swap(true) {
		return nil
	}
	d.waitForTurns()
	errs := []error{d.releaseAll()}
	if d.drv != nil {
		errs = append(errs, d.unloadAll(), d.drv.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return opError("close", "", 0, err)
	}
	return nil
}

// made says whether Open has made the device. The CPU has a reason, all others have a driver.
func (d *Device) made() bool { return d != nil && (d.drv != nil || d.reason != "") }

// enter begins a call on the device, which leave ends; Close waits for it.
func (d *Device) enter(op string) error {
	switch {
	case d == nil:
		return smoothl1.NewArgError(op, "device", "nil", smoothl1.ErrNil)
	case !d.made():
		return smoothl1.NewArgError(op, "device", "Device{}", smoothl1.ErrZero)
	}
	d.closing.RLock()
	if d.closed.Load() {
		d.closing.RUnlock()
		return smoothl1.NewArgError(op, "device", d, smoothl1.ErrClosed)
	}
	return nil
}

func (d *Device) leave() { d.closing.RUnlock() }
