package gpu

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/faults"
	"github.com/smoothl1/smoothl1/sim"
)

var errInjected = &driver.Error{Call: "injected", Code: driver.CodeUnknown, Name: "CUDA_ERROR_UNKNOWN"}

// everything uses all of the package on a device. If a step fails, it skips the steps that need its result and continues. It returns all
// errors.
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
		for range 2 { // the second time in the state that a failure left
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
			g, err := stream.Capture(func() error { return op.ForwardBackward(pred, target, grad, OnStream(stream)) })
			loss := 0.0
			if note(err) {
				if note(g.Launch()) {
					loss, err = op.Value()
					note(err)
				}
				note(g.Close())
			}
			losses = append(losses, loss)
			note(end.Record())
			_, err = end.Since(start)
			note(err)
			note(stream.Wait())
			note(pred.Set(x))
			note(grad.Download(make([]float32, n)))
		}
		note(op.Reserve(firstChunks*cpu.Chunk+1, 1))
		note(op.Forward(pred, target))
		d.pieceBytes = 4 * cpu.Chunk
		loss, err := Compute(d, smoothl1.Loss{Beta: 1}, x, make([]float32, n), make([]float32, n))
		note(err)
		losses = append(losses, loss)
		note(d.Wait())
		note(op.Close())
		note(stream.Close())
		note(start.Close())
		note(pred.Close())
	}
	note(d.Close()) // and everything that is still open
	return losses, errors.Join(errs...)
}

func TestEveryDriverCallFailsOnce(t *testing.T) {
	count := faults.Wrap(sim.New(sim.Seed(1)))
	want, err := everything(count)
	require.NoError(t, err)
	require.Len(t, want, 7)
	sites := count.Calls()
	assert.Len(t, sites, 28, "every call of the interfaces")
	total := 0
	for _, n := range sites {
		total += n
	}
	t.Logf("%d calls of the driver: %v", total, sites)

	for n := 1; n <= total; n++ {
		if testing.Short() && n%5 != 0 {
			continue // under the race detector
		}
		failed := ""
		f := faults.Wrap(sim.New(sim.Seed(1)))
		f.Before("", n, func(method string) error {
			failed = method
			return errInjected
		})
		got, err := everything(f)
		where := fmt.Sprintf("call %d, %s", n, failed)
		if failed == "AllocPinned" {
			require.NoError(t, err, "there is a way without")
		} else {
			require.ErrorIs(t, err, error(errInjected), where)
			var e *DeviceError
			require.ErrorAs(t, err, &e, where)
			assert.Equal(t, driver.CodeUnknown, e.Code, where)
		}
		for kind, left := range f.Alive() {
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
