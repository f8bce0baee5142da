package gpu

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

func TestConcurrentUseOfOneOpIsAnError(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		b := newFour[float32](t, d, 4)
		require.NoError(t, op.turns.begin()) // a call is in progress
		refused(t, op.Forward(b.pred, b.target), smoothl1.ErrBusy, "Forward", "op", op.Loss())
		_, err := op.Value()
		refused(t, err, smoothl1.ErrBusy, "Value", "op", op.Loss())
		refused(t, op.Close(), smoothl1.ErrBusy, "SmoothL1.Close", "op", op.Loss())
		op.turns.end()
		require.NoError(t, op.Forward(b.pred, b.target))
	})
}

// TestCloseOfABufferWaits closes buffers during calls of an op, and during calls on the buffer itself.
func TestCloseOfABufferWaits(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		b := newFour[float32](t, d, 4)
		part, err := b.target.Slice(1, 3)
		require.NoError(t, err)
		for _, x := range []struct {
			begin func() error
			end   func()
			close func() error
		}{
			{op.turns.begin, op.turns.end, b.pred.Close},
			{b.grad.acquire, b.grad.release, b.grad.Close},
			{part.acquire, part.release, b.target.Close},
			{op.turns.begin, op.turns.end, d.Close},
		} {
			require.NoError(t, x.begin())
			done := make(chan error, 1)
			go func() { done <- x.close() }()
			time.Sleep(20 * time.Millisecond)
			assert.Empty(t, done, "closed during a call")
			x.end()
			require.NoError(t, <-done)
		}
		runtime.KeepAlive(op) // else the device forgets its turns, which are all that the table has of it
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
					switch err := op.Run(&Args[float32]{Pred: b.pred, Target: b.target, GradTarget: b.gradTarget}); {
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

func TestConcurrentOps(t *testing.T) {
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

	_, err = d.WrapStream(^uintptr(0))
	require.ErrorContains(t, err, "not a CUstream")

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

func TestEvents(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		start, err := d.NewEvent()
		require.NoError(t, err)
		end, err := d.NewEvent()
		require.NoError(t, err)
		require.NoError(t, start.Record())
		_, err = end.Since(start)
		require.EqualError(t, err, "smoothl1: Event.Since: event = event 2: has not been recorded")
		_, err = start.Since(end)
		require.EqualError(t, err, "smoothl1: Event.Since: start = event 2: has not been recorded")
		_, err = end.Since(end)
		require.ErrorContains(t, err, "has not been recorded")
		stream, err := d.NewStream()
		require.NoError(t, err)
		require.NoError(t, end.Record(OnStream(stream)))
		took, err := end.Since(start)
		require.NoError(t, err)
		assert.Positive(t, took)
		took, err = end.Since(end)
		require.NoError(t, err)
		assert.Zero(t, took)

		_, err = end.Since(nil)
		refused(t, err, smoothl1.ErrNil, "Event.Since", "start", "nil")
		other, err := Open(CPU())
		require.NoError(t, err)
		foreign, err := other.NewEvent()
		require.NoError(t, err)
		_, err = end.Since(foreign)
		refused(t, err, smoothl1.ErrDevice, "Event.Since", "start", "of "+other.String())
		require.NoError(t, other.Close())
		refused(t, end.Record(MaxBlocks(1)), smoothl1.ErrOption, "Event.Record", "option", "MaxBlocks")
		require.NoError(t, start.Close())
		require.NoError(t, start.Close(), "twice")
		refused(t, start.Record(), smoothl1.ErrClosed, "Event.Record", "event", start)
		_, err = end.Since(start)
		refused(t, err, smoothl1.ErrClosed, "Event.Since", "start", start)
		require.NoError(t, end.guard.take())
		refused(t, end.Close(), smoothl1.ErrBusy, "Event.Close", "event", end)
		end.guard.release()
		var none *Event
		refused(t, none.Record(), smoothl1.ErrNil, "Event.Record", "event", "nil")
		require.NoError(t, none.Close())
	})
}

func TestCopyFrom(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		a, err := Upload(d, []float32{1, 2, 3, 4})
		require.NoError(t, err)
		b, err := Alloc[float32](d, 4)
		require.NoError(t, err)
		require.NoError(t, b.CopyFrom(a))
		got := make([]float32, 4)
		require.NoError(t, b.Download(got))
		assert.Equal(t, []float32{1, 2, 3, 4}, got)

		low, err := a.Slice(0, 3)
		require.NoError(t, err)
		high, err := a.Slice(1, 4)
		require.NoError(t, err)
		refused(t, high.CopyFrom(low), smoothl1.ErrOverlap, "CopyFrom", "src", "in the memory of the buffer")
		refused(t, b.CopyFrom(low), smoothl1.ErrLength, "CopyFrom", "len(src)", 3)
		refused(t, b.CopyFrom(nil), smoothl1.ErrNil, "CopyFrom", "src", "nil")
		refused(t, b.CopyFrom(a, MaxBlocks(1)), smoothl1.ErrOption, "CopyFrom", "option", "MaxBlocks")
		other, err := Open(CPU())
		require.NoError(t, err)
		foreign, err := Alloc[float32](other, 4)
		require.NoError(t, err)
		refused(t, b.CopyFrom(foreign), smoothl1.ErrDevice, "CopyFrom", "src", "buffer of "+other.String())
		require.NoError(t, other.Close())
		require.NoError(t, a.Close())
		refused(t, b.CopyFrom(a), smoothl1.ErrClosed, "CopyFrom", "src", a)
	})
}

// TestCopyFromWhileTheSourceCloses is for the race detector: the address of the source is read only while a reference to it is held.
func TestCopyFromWhileTheSourceCloses(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		b, err := Alloc[float32](d, 4)
		require.NoError(t, err)
		for range 100 {
			src, err := Upload(d, []float32{1, 2, 3, 4})
			require.NoError(t, err)
			var group sync.WaitGroup
			group.Go(func() { assert.NoError(t, src.Close()) })
			if err := b.CopyFrom(src); err != nil {
				require.ErrorIs(t, err, smoothl1.ErrClosed)
			}
			group.Wait()
		}
	})
}
