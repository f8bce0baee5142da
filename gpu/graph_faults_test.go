package gpu_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/faults"
	"github.com/smoothl1/smoothl1/sim"
)

// TestGraphCallsFail makes each call of the driver that a capture, a launch and a close make fail in turn. Afterwards everything must be
// usable, and nothing may be left.
func TestGraphCallsFail(t *testing.T) {
	for k := 1; ; k++ {
		drv := faults.Wrap(sim.New())
		d := must(gpu.Open(gpu.On(drv)))(t)
		a, b := must(gpu.Upload(d, wave(5000, 0)))(t), must(gpu.Upload(d, wave(5000, 1)))(t)
		grad := must(gpu.Alloc[float32](d, 5000))(t)
		crit := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1}))(t)
		other := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 0.5}))(t)
		args := &gpu.Args[float32]{Pred: a, Target: b, Weight: a, GradPred: grad, Divisor: smoothl1.DivideByWeights()} // two kernels
		s := must(d.NewStream())(t)
		require.NoError(t, errors.Join(crit.Forward(a, b), other.Run(args), d.Wait()))
		want, wantOther := must(crit.Value())(t), must(other.Value())(t)
		total := 0
		drv.Before("", 0, func(method string) error {
			if total++; total == k {
				return &driver.Error{Call: method, Code: driver.CodeUnknown, Name: "CUDA_ERROR_UNKNOWN"}
			}
			return nil
		})
		g, err := s.Capture(func() error {
			return errors.Join(crit.Forward(a, b, gpu.OnStream(s)), other.Run(args, gpu.OnStream(s)))
		})
		first := err
		if err == nil {
			if first = g.Launch(gpu.OnStream(s)); first != nil {
				if value, err := crit.Value(); err == nil { // what failed came after its work
					assert.Equal(t, want, value, "call %d", k)
				} else {
					require.ErrorIs(t, err, smoothl1.ErrNoValue)
				}
			}
			first = errors.Join(first, g.Close())
		}
		drv.Mend()
		if first == nil {
			require.Greater(t, k, 10)
			require.NoError(t, d.Close())
			return
		}
		var e *gpu.DeviceError
		require.ErrorAs(t, first, &e, "call %d", k)
		for range 2 {
			g, err = s.Capture(func() error {
				return errors.Join(crit.Forward(a, b, gpu.OnStream(s)), other.Run(args, gpu.OnStream(s)))
			})
			require.NoError(t, err, "call %d", k)
			require.NoError(t, g.Launch())
			assert.Equal(t, want, must(crit.Value())(t), "call %d", k)
			assert.Equal(t, wantOther, must(other.Value())(t), "call %d", k)
			require.NoError(t, g.Close())
		}
		require.NoError(t, errors.Join(a.Close(), b.Close(), grad.Close(), crit.Close(), other.Close(), s.Close(), d.Close()), "call %d", k)
		for kind, n := range drv.Alive() {
			assert.Zero(t, n, "call %d: %s", k, kind)
		}
	}
}

// A device that cannot capture says so.
func TestCaptureOfADeviceThatCannot(t *testing.T) {
	d := must(gpu.Open(gpu.On(struct{ driver.Device }{sim.New()})))(t)
	s := must(d.NewStream())(t)
	_, err := s.Capture(func() error { return nil })
	require.ErrorIs(t, err, smoothl1.ErrDevice)
	assert.Contains(t, err.Error(), "cannot capture")
	require.NoError(t, s.Wait())
	require.NoError(t, d.Close())

	drv := sim.New()
	d = must(gpu.Open(gpu.On(drv)))(t)
	for handle := range uintptr(2) {
		s := must(d.WrapStream(handle))(t)
		_, err := s.Capture(func() error { return nil })
		require.ErrorIs(t, err, smoothl1.ErrHandle)
	}
	require.NoError(t, d.Close())
}

// A call of two kernels of which one was captured makes the capture fail, even if the function ignores the error and goes on.
func TestCaptureOfHalfACall(t *testing.T) {
	drv := faults.Wrap(sim.New())
	d := must(gpu.Open(gpu.On(drv)))(t)
	a, grad := must(gpu.Upload(d, wave(100, 0)))(t), must(gpu.Alloc[float32](d, 100))(t)
	crit := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1}))(t)
	args := &gpu.Args[float32]{Pred: a, Target: a, Weight: a, GradPred: grad, Divisor: smoothl1.DivideByWeights()}
	s := must(d.NewStream())(t)
	require.NoError(t, errors.Join(crit.Run(args), d.Wait()))
	drv.Fail("Launch", 2, driver.CodeUnknown, "CUDA_ERROR_UNKNOWN")
	g, err := s.Capture(func() error {
		require.Error(t, crit.Run(args, gpu.OnStream(s)))
		return crit.Run(args, gpu.OnStream(s))
	})
	require.ErrorContains(t, err, "CUDA_ERROR_UNKNOWN")
	assert.Nil(t, g)
	require.NoError(t, d.Close())
}

// After a launch that failed, the next one clears the ticket, which the failed one may have left.
func TestTicketAfterAFailedLaunch(t *testing.T) {
	drv := faults.Wrap(sim.New())
	d := must(gpu.Open(gpu.On(drv)))(t)
	a := must(gpu.Upload(d, wave(100, 0)))(t)
	crit := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1}))(t)
	s := must(d.NewStream())(t)
	g, err := s.Capture(func() error { return crit.Forward(a, a, gpu.OnStream(s)) })
	require.NoError(t, err)
	before := drv.Calls()["Zero"]
	require.NoError(t, g.Launch())
	assert.Equal(t, before, drv.Calls()["Zero"])
	drv.Fail("LaunchGraph", 1, driver.CodeUnknown, "CUDA_ERROR_UNKNOWN")
	require.Error(t, g.Launch())
	require.NoError(t, g.Launch())
	assert.Equal(t, before+1, drv.Calls()["Zero"])
	require.NoError(t, g.Launch())
	assert.Equal(t, before+1, drv.Calls()["Zero"])
	assert.Zero(t, must(crit.Value())(t))
	require.NoError(t, d.Close())
}
