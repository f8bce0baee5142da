package gpu

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

func TestConcurrentUseOfOneOpIsAnError(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		b := newFour[float32](t, d, 4)
		require.NoError(t, op.guard.take()) // a call is in progress
		refused(t, op.Forward(b.pred, b.target), smoothl1.ErrBusy, "Forward", "op", op.Loss())
		_, err := op.Value()
		refused(t, err, smoothl1.ErrBusy, "Value", "op", op.Loss())
		refused(t, op.Close(), smoothl1.ErrBusy, "SmoothL1.Close", "op", op.Loss())
		op.guard.unshare()
		require.NoError(t, op.Forward(b.pred, b.target))

		require.NoError(t, b.pred.share()) // a call uses the buffer
		refused(t, b.pred.Close(), smoothl1.ErrBusy, "Buffer.Close", "buffer", b.pred)
		require.NoError(t, op.Forward(b.pred, b.target), "two calls may use one buffer")
		b.pred.unshare()
		require.NoError(t, b.pred.Close())
	})
}

func TestCallsOnOneOpFromManyGoroutines(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		b := newFour[float32](t, d, 1000)
		var done, busy atomic.Int64
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 50 {
					switch err := op.ForwardBackward(b.pred, b.target, nil, GradTarget(b.gradTarget)); {
					case err == nil:
						done.Add(1)
					case errors.Is(err, smoothl1.ErrBusy):
						busy.Add(1)
					default:
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		assert.EqualValues(t, 400, done.Load()+busy.Load())
		assert.Positive(t, done.Load())
	})
}

func TestManyOpsSideBySide(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		x := make([]float32, 3000)
		for i := range x {
			x[i] = float32(i%7) - 3
		}
		want, err := Compute(d, smoothl1.Loss{Beta: 0.5}, x, make([]float32, len(x)), nil)
		require.NoError(t, err)
		var group sync.WaitGroup
		for range 64 {
			group.Go(func() {
				pred, err := Upload(d, x)
				if !assert.NoError(t, err) {
					return
				}
				target, err := Upload(d, make([]float32, len(x)))
				if !assert.NoError(t, err) {
					return
				}
				grad, err := Alloc[float32](d, len(x))
				if !assert.NoError(t, err) {
					return
				}
				op, err := NewSmoothL1[float32](d, smoothl1.Loss{Beta: 0.5})
				if !assert.NoError(t, err) {
					return
				}
				stream, err := d.NewStream()
				if !assert.NoError(t, err) {
					return
				}
				for range 5 {
					assert.NoError(t, op.ForwardBackward(pred, target, grad, OnStream(stream)))
					got, err := op.Value()
					assert.NoError(t, err)
					assert.Equal(t, want, got)
				}
				assert.NoError(t, errors.Join(op.Close(), pred.Close(), target.Close(), grad.Close(), stream.Close()))
			})
		}
		group.Wait()
	})
}

func TestCloseOfTheDeviceWhileItIsUsed(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		var group sync.WaitGroup
		started := make(chan struct{}, 8)
		for range 8 {
			op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
			b := newFour[float32](t, d, 100)
			group.Go(func() {
				for i := 0; ; i++ {
					if err := op.Forward(b.pred, b.target); err != nil {
						assert.ErrorIs(t, err, smoothl1.ErrClosed)
						return
					}
					if i == 0 {
						started <- struct{}{}
					}
				}
			})
		}
		for range 8 {
			<-started
		}
		require.NoError(t, d.Close())
		group.Wait()
	})
}

func TestStreams(t *testing.T) {
	d, s := openStub(t)
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	b := newFour[float32](t, d, 10)
	first, err := d.NewStream()
	require.NoError(t, err)
	second, err := d.NewStream()
	require.NoError(t, err)
	wrapped, err := d.WrapStream(uintptr(second.s))
	require.NoError(t, err)

	for _, on := range []*Stream{first, second, wrapped} {
		require.NoError(t, op.Forward(b.pred, b.target, OnStream(on)))
		assert.Equal(t, on.s, s.last().on)
		require.NoError(t, on.Wait())
		require.NoError(t, b.pred.Download(make([]float32, 10), OnStream(on)))
	}
	require.NoError(t, op.Forward(b.pred, b.target))
	assert.Zero(t, s.last().on)

	require.NoError(t, op.Forward(b.pred, b.target, OnStream(first)))
	require.NoError(t, first.Close())
	_, err = op.Value()
	require.NoError(t, err, "the loss outlives the stream it was computed on")
	require.NoError(t, wrapped.Close())
	assert.True(t, s.streams[second.s], "a wrapped stream is left alone")
	require.NoError(t, d.Wait())
}
