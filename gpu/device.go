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

// A Device is where losses are computed: a CUDA device, a simulated one, or the CPU. It may be used from any goroutine.
type Device struct {
	drv    driver.Device // nil for the CPU
	info   driver.Info
	reason string // why the CPU was chosen; empty for other devices

	modules modules

	// closing is held for reading by every call on the device or on an object of it, and for writing by Close. Calls on ops do
	// not hold it: they check closed after beginning a turn.
	closing sync.RWMutex
	closed  atomic.Bool

	capturing atomic.Bool  // a stream is being captured
	captures  sync.RWMutex // held for writing by a capture, for reading by calls that wait, allocate or free: see quiet

	holdings
	indexFaults
	stagings
	values cells
	ops    map[*turns]struct{} // turns of the open ops; nil before Open and after Close
	ids    atomic.Int64        // last number given to a stream or event, for its name
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

// CPU chooses the CPU. Open fails if the environment variable SMOOTHL1_CPU names an instruction set that is unknown or not
// available, or SMOOTHL1_TUNE is not valid: see cpu.InstructionSet and cpu.Tuning.
func CPU() OpenOption { return OpenOption{choice: chooseCPU} }

// CUDA chooses the CUDA device with the given ordinal, counted from 0. Open fails if it is not available.
func CUDA(ordinal int) OpenOption { return OpenOption{choice: chooseCUDA, device: ordinal} }

// On chooses a device created by the caller: a *sim.Device. Open takes ownership of it: the opened Device closes it, and so does
// Open if it fails.
func On(d driver.Device) OpenOption { return OpenOption{choice: chooseGiven, drv: d} }

// Open opens a device. Without options it opens CUDA device 0, or the CPU if CUDA is not available; Device.String says which and
// why.
//
// Open does not compile the kernels: NewSmoothL1 does, for the first op of an element type.
func Open(options ...OpenOption) (*Device, error) {
	const op = "Open"
	if len(options) > 1 {
		var closing []error
		for _, o := range options {
			if !isNil(o.drv) {
				closing = append(closing, o.drv.Close())
			}
		}
		err := smoothl1.NewArgError(op, "options", len(options), fmt.Errorf("%w: at most one device can be chosen", smoothl1.ErrOption))
		if failed := errors.Join(closing...); failed != nil {
			err = errors.Join(err, failed)
		}
		return nil, err
	}
	var o OpenOption
	if len(options) == 1 {
		if o = options[0]; o.choice == chooseAny {
			return nil, smoothl1.NewArgError(op, "option", "OpenOption{}", fmt.Errorf("%w: use CPU, CUDA or On", smoothl1.ErrZero))
		}
	}
	switch o.choice {
	case chooseCPU:
		return openCPU("chosen")
	case chooseGiven:
		if isNil(o.drv) {
			return nil, smoothl1.NewArgError(op, "device", "nil", smoothl1.ErrNil)
		}
		return openDriver(o.drv)
	case chooseCUDA:
		if o.device < 0 {
			return nil, smoothl1.NewArgError(op, "ordinal", o.device, fmt.Errorf("%w: must not be negative", smoothl1.ErrOrdinal))
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
		// A GPU that is present but does not work is an error: falling back to the CPU would hide it.
		if err != nil {
			return nil, fmt.Errorf("gpu: Open: CUDA device 0: %w", err)
		}
		return openDriver(drv)
	}
}

// isNil reports whether drv is nil or holds a nil pointer.
func isNil(drv driver.Device) bool {
	v := reflect.ValueOf(drv)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

func openCPU(reason string) (*Device, error) {
	if _, err := cpu.InstructionSet(); err != nil { // SMOOTHL1_CPU cannot be honored
		return nil, fmt.Errorf("gpu: Open: the CPU: %w", err)
	}
	if _, err := cpu.Tuning(); err != nil { // SMOOTHL1_TUNE
		return nil, fmt.Errorf("gpu: Open: the CPU: %w", err)
	}
	return &Device{reason: reason, ops: map[*turns]struct{}{}}, nil
}

func openDriver(drv driver.Device) (*Device, error) {
	target, err := probe(drv)
	if err != nil {
		return nil, errors.Join(err, drv.Close())
	}
	return &Device{drv: drv, info: drv.Info(), modules: modules{target: target}, holdings: holdings{held: map[holding]struct{}{}},
		stagings: newStagings(), ops: map[*turns]struct{}{}, values: cells{pinned: driver.PinnedOf(drv)}}, nil
}

// String describes the device. For the CPU it says why it was chosen. For another device it says for which target the kernels are loaded,
// and whether page-locked host memory was refused: kernels write their losses to it, which Value otherwise copies, and Compute passes host
// arrays through it; see Pageable.
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
		s += ", driver for CUDA " + cudaVersion(i.DriverVersion)
	}
	s += ", kernels for " + d.modules.target.String()
	if refused := d.values.reason(); refused != "" {
		s += ", losses are copied, as there is no page-locked memory: " + refused
	}
	s += ")"
	if why := d.Pageable(); why != "" {
		s += "; host arrays through pageable memory: " + why
	}
	return s
}

// Backend returns "cpu", "cuda" or "sim", or "" for a device not returned by Open.
func (d *Device) Backend() string {
	switch {
	case !d.made():
		return ""
	case d.drv == nil:
		return "cpu"
	}
	return d.info.Backend
}

// Reason returns why the CPU was chosen, or "" for other devices.
func (d *Device) Reason() string {
	if d == nil {
		return ""
	}
	return d.reason
}

// Close waits for the calls in progress and for queued work, and releases everything that belongs to the device: buffers, streams,
// events, ops. Calls on them or the device then return errors wrapping smoothl1.ErrClosed. A second Close does nothing.
//
// While a stream is being captured, Close fails with an error wrapping smoothl1.ErrCapture.
func (d *Device) Close() error {
	if !d.made() {
		return nil
	}
	if !d.quiet() {
		return whileCapturing("Device.Close", "device", d)
	}
	defer d.loud()
	d.closing.Lock()
	defer d.closing.Unlock()
	if d.closed.Swap(true) {
		return nil
	}
	d.waitForTurns()
	errs := []error{d.releaseAll()}
	if d.drv != nil {
		errs = append(errs, d.values.release(), d.unloadAll(), d.drv.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return opError("close", "", 0, err)
	}
	return nil
}

// made reports whether Open returned the device. The CPU has a reason, every other device a driver.
func (d *Device) made() bool { return d != nil && (d.drv != nil || d.reason != "") }

// enter begins a call on the device; Close waits until the caller ends it with leave.
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
