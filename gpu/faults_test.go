package gpu

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

// failing is a simulated device whose n-th call fails, once, without having done anything; it keeps account of what is alive.
type failing struct {
	driver.Device
	mu     sync.Mutex
	n      int      // the call that fails, from 1; 0: none
	calls  []string // so far
	alive  map[string]int
	failed string // the call that failed
}

var errInjected = &driver.Error{Call: "injected", Code: driver.CodeUnknown, Name: "CUDA_ERROR_UNKNOWN"}

// call counts a call and says whether it fails.
func (f *failing) call(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name)
	if len(f.calls) == f.n {
		f.failed = name
		return errInjected
	}
	return nil
}

// made and gone account for a kind of thing.
func (f *failing) made(kind string, err error) error {
	if err == nil {
		f.alive[kind]++
	}
	return err
}

func (f *failing) gone(kind string, err error) error {
	if err == nil {
		f.alive[kind]--
	}
	return err
}

func (f *failing) Alloc(bytes uint64) (driver.Ptr, error) {
	if err := f.call("Alloc"); err != nil {
		return 0, err
	}
	p, err := f.Device.Alloc(bytes)
	return p, f.made("memory", err)
}

// Free, like every call that releases, reports the failure and yet releases, as CUDA does with the error of earlier work.
func (f *failing) Free(p driver.Ptr) error {
	return errors.Join(f.call("Free"), f.gone("memory", f.Device.Free(p)))
}

func (f *failing) CopyIn(dst driver.Ptr, src []byte, on driver.Stream) error {
	if err := f.call("CopyIn"); err != nil {
		return err
	}
	return f.Device.CopyIn(dst, src, on)
}

func (f *failing) CopyOut(dst []byte, src driver.Ptr, on driver.Stream) error {
	if err := f.call("CopyOut"); err != nil {
		return err
	}
	return f.Device.CopyOut(dst, src, on)
}

func (f *failing) Copy(dst, src driver.Ptr, bytes uint64, on driver.Stream) error {
	if err := f.call("Copy"); err != nil {
		return err
	}
	return f.Device.Copy(dst, src, bytes, on)
}

func (f *failing) Zero(dst driver.Ptr, bytes uint64, on driver.Stream) error {
	if err := f.call("Zero"); err != nil {
		return err
	}
	return f.Device.Zero(dst, bytes, on)
}

func (f *failing) NewStream() (driver.Stream, error) {
	if err := f.call("NewStream"); err != nil {
		return 0, err
	}
	s, err := f.Device.NewStream()
	return s, f.made("streams", err)
}

func (f *failing) CloseStream(s driver.Stream) error {
	return errors.Join(f.call("CloseStream"), f.gone("streams", f.Device.CloseStream(s)))
}

func (f *failing) Wait(s driver.Stream) error {
	if err := f.call("Wait"); err != nil {
		return err
	}
	return f.Device.Wait(s)
}

func (f *failing) NewEvent() (driver.Event, error) {
	if err := f.call("NewEvent"); err != nil {
		return 0, err
	}
	e, err := f.Device.NewEvent()
	return e, f.made("events", err)
}

func (f *failing) CloseEvent(e driver.Event) error {
	return errors.Join(f.call("CloseEvent"), f.gone("events", f.Device.CloseEvent(e)))
}

func (f *failing) Record(e driver.Event, on driver.Stream) error {
	if err := f.call("Record"); err != nil {
		return err
	}
	return f.Device.Record(e, on)
}

func (f *failing) WaitEvent(e driver.Event, on driver.Stream) error {
	if err := f.call("WaitEvent"); err != nil {
		return err
	}
	return f.Device.WaitEvent(e, on)
}

func (f *failing) Elapsed(start, end driver.Event) (float32, error) {
	if err := f.call("Elapsed"); err != nil {
		return 0, err
	}
	return f.Device.Elapsed(start, end)
}

func (f *failing) Load(ptx string) (driver.Module, error) {
	if err := f.call("Load"); err != nil {
		return 0, err
	}
	m, err := f.Device.Load(ptx)
	return m, f.made("modules", err)
}

func (f *failing) Unload(m driver.Module) error {
	return errors.Join(f.call("Unload"), f.gone("modules", f.Device.Unload(m)))
}

func (f *failing) Function(m driver.Module, name string) (driver.Function, error) {
	if err := f.call("Function"); err != nil {
		return 0, err
	}
	return f.Device.Function(m, name)
}

func (f *failing) Launch(k driver.Function, g driver.Geometry, on driver.Stream, args []uint64) error {
	if err := f.call("Launch"); err != nil {
		return err
	}
	return f.Device.Launch(k, g, on, args)
}

func (f *failing) Close() error { return errors.Join(f.call("Close"), f.Device.Close()) }

// everything does all that the package can do on a device, and goes on as far as it gets: each step that needs what an
// earlier one failed to give is left out. It returns all errors.
func everything(drv driver.Device) (losses []float64, err error) {
	var errs []error
	note := func(err error) bool {
		if err != nil {
			errs = append(errs, err)
		}
		return err == nil
	}
	d, err := Open(On(drv))
	if !note(err) {
		return nil, errors.Join(errs...)
	}
	const n = 3000
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i%9) - 4
	}
	pred, err := Upload(d, x)
	okay := note(err)
	target, err := Upload(d, make([]float32, n))
	okay = note(err) && okay
	grad, err := Alloc[float32](d, n)
	okay = note(err) && okay
	op, err := NewSmoothL1[float32](d, smoothl1.Loss{Beta: 0.3})
	okay = note(err) && okay
	stream, err := d.NewStream()
	okay = note(err) && okay
	start, err := d.NewEvent()
	okay = note(err) && okay
	end, err := d.NewEvent()
	okay = note(err) && okay
	if okay {
		for range 2 { // the second time on what the first, with its failure, has left
			note(start.Record())
			note(op.ForwardTerms(pred, target, grad))
			note(op.Backward(pred, target, grad, OnStream(stream)))
			note(grad.CopyFrom(pred))
			for _, options := range [][]Option{nil, {OnStream(stream)}} {
				if !note(op.ForwardBackward(pred, target, grad, options...)) {
					losses = append(losses, 0)
					continue
				}
				loss, err := op.Value()
				note(err)
				losses = append(losses, loss)
				_, err = op.ChunkSums(nil)
				note(err)
			}
			note(end.Record())
			_, err := end.Since(start)
			note(err)
			note(stream.Wait())
			note(pred.Set(x))
			note(grad.Download(make([]float32, n)))
		}
		note(op.scratch.grow(d, firstChunks+1)) // as it does for a million elements
		note(op.Forward(pred, target))
		_, err = Compute(d, smoothl1.Loss{Beta: 1}, x, x, make([]float32, n))
		note(err)
		note(d.Wait())
		note(op.Close())
		note(stream.Close())
		note(start.Close())
		note(pred.Close())
	}
	note(d.Close()) // and what has not been closed
	return losses, errors.Join(errs...)
}

func TestEveryDriverCallFailsOnce(t *testing.T) {
	count := &failing{Device: sim.New(sim.Seed(1)), alive: map[string]int{}}
	want, err := everything(count)
	require.NoError(t, err)
	require.Len(t, want, 4)
	sites := map[string]int{}
	for _, c := range count.calls {
		sites[c]++
	}
	t.Logf("%d calls of the driver: %v", len(count.calls), sites)
	assert.Len(t, sites, 19, "every call of the interface")

	for n := 1; n <= len(count.calls); n++ {
		if testing.Short() && n%5 != 0 {
			continue // under the race detector
		}
		f := &failing{Device: sim.New(sim.Seed(1)), alive: map[string]int{}, n: n}
		got, err := everything(f)
		where := fmt.Sprintf("call %d, %s", n, f.failed)
		require.ErrorIs(t, err, error(errInjected), where)
		var e *DeviceError
		require.ErrorAs(t, err, &e, where)
		assert.Equal(t, driver.CodeUnknown, e.Code, where)
		for kind, left := range f.alive {
			assert.Zero(t, left, "%s: %s left", where, kind)
		}
		wrong := 0
		for i, loss := range got {
			if loss != want[i] {
				wrong++
				assert.Zero(t, loss, "%s: a loss is right or missing", where)
			}
		}
		assert.LessOrEqual(t, wrong, 1, "%s: the op works again", where)
	}
}
