package gpu

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// both runs a test on the stub and on the CPU, which return the same errors.
func both(t *testing.T, f func(t *testing.T, d *Device)) {
	t.Run("stub", func(t *testing.T) {
		d, _ := openStub(t)
		f(t, d)
	})
	t.Run("cpu", func(t *testing.T) {
		d, err := Open(CPU())
		require.NoError(t, err)
		defer func() { require.NoError(t, d.Close()) }()
		f(t, d)
	})
}

// refused requires err to be an *ArgError with the given operation, argument and value and, unless nil, reason.
func refused(t *testing.T, err error, reason error, op, arg string, value any) {
	t.Helper()
	var e *smoothl1.ArgError
	require.ErrorAs(t, err, &e)
	assert.ErrorIs(t, err, reason)
	assert.Equal(t, []string{op, arg, fmt.Sprint(value)}, []string{e.Op, e.Arg, fmt.Sprint(e.Value)})
	assert.NotEqual(t, arg, fmt.Sprint(e.Value), "says which, and not only what")
	assert.NotContains(t, err.Error(), "nil: is nil", "says what is wanted")
}

func TestOperandsAreRefused(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		b := newFour[float32](t, d, 100)
		short, err := b.pred.Slice(0, 99)
		require.NoError(t, err)
		moved, err := Alloc[float32](d, 101)
		require.NoError(t, err)
		low, err := moved.Slice(0, 100)
		require.NoError(t, err)
		high, err := moved.Slice(1, 101)
		require.NoError(t, err)
		other, err := Open(CPU())
		require.NoError(t, err)
		defer other.Close()
		foreign := newFour[float32](t, other, 100)
		closed := newFour[float32](t, d, 100)
		require.NoError(t, closed.pred.Close())
		require.NoError(t, closed.grad.Close())

		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		none := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.None})

		refused(t, op.Forward(nil, b.target), smoothl1.ErrNil, "Forward", "pred", "nil")
		refused(t, op.Forward(b.pred, nil), smoothl1.ErrNil, "Forward", "target", "nil")
		refused(t, op.ForwardTerms(b.pred, b.target, nil), smoothl1.ErrNil, "ForwardTerms", "terms", "nil")
		refused(t, op.Backward(b.pred, b.target, nil), smoothl1.ErrNil, "Backward", "gradPred and gradTarget", "nil")
		refused(t, op.Run(&Args[float32]{Pred: b.pred, Target: b.target, GradPred: b.grad, Upstream: Elements[float32](nil)}), smoothl1.ErrNil, "Run", "upstream", "nil")
		refused(t, op.Run(nil), smoothl1.ErrNil, "Run", "args", "nil")
		refused(t, op.Forward(b.pred, short), smoothl1.ErrLength, "Forward", "len(target)", 99)
		refused(t, op.Backward(short, b.target, b.grad), smoothl1.ErrLength, "Backward", "len(target)", 100)
		refused(t, op.Forward(b.pred, foreign.target), smoothl1.ErrDevice, "Forward", "target", "buffer of "+other.String())
		refused(t, op.Forward(closed.pred, b.target), smoothl1.ErrClosed, "Forward", "pred", closed.pred)
		refused(t, op.ForwardBackward(b.pred, b.target, closed.grad), smoothl1.ErrClosed, "ForwardBackward", "gradPred", closed.grad)
		refused(t, op.ForwardBackward(low, b.target, high), smoothl1.ErrOverlap, "ForwardBackward", "gradPred", "in the memory of pred")
		refused(t, op.Run(&Args[float32]{Pred: b.pred, Target: b.target, GradPred: b.grad, GradTarget: b.grad}), smoothl1.ErrOverlap, "Run", "gradTarget", "in the memory of gradPred")
		refused(t, none.Forward(b.pred, b.target), smoothl1.ErrReduction, "Forward", "reduction", "none")
		refused(t, none.ForwardBackward(b.pred, b.target, b.grad), smoothl1.ErrReduction, "ForwardBackward", "reduction", "none")
		_, err = op.Value()
		refused(t, err, smoothl1.ErrNoValue, "Value", "op", op.Loss())
		_, err = op.ChunkSums(nil)
		refused(t, err, smoothl1.ErrNoValue, "ChunkSums", "op", op.Loss())

		require.NoError(t, op.ForwardBackward(b.pred, b.target, b.pred), "in place")
		require.NoError(t, op.Forward(b.pred, b.pred), "an input twice")
		require.NoError(t, b.pred.Close(), "a refused call has let go of its buffers")
	})
}

func TestOptionsAreRefused(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		b := newFour[float32](t, d, 4)
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		other, err := Open(CPU())
		require.NoError(t, err)
		defer other.Close()
		foreign, err := other.NewStream()
		require.NoError(t, err)
		closed, err := d.NewStream()
		require.NoError(t, err)
		require.NoError(t, closed.Close())
		require.NoError(t, closed.Close(), "twice")

		grad := func(options ...Option) error { return op.Backward(b.pred, b.target, b.grad, options...) }
		refused(t, grad(MaxBlocks(0)), smoothl1.ErrCount, "Backward", "maxBlocks", 0)
		refused(t, grad(OnStream(nil)), smoothl1.ErrNil, "Backward", "stream", "nil")
		refused(t, grad(OnStream(foreign)), smoothl1.ErrDevice, "Backward", "stream", "of "+other.String())
		refused(t, grad(OnStream(closed)), smoothl1.ErrClosed, "Backward", "stream", closed)
		refused(t, closed.Wait(), smoothl1.ErrClosed, "Stream.Wait", "stream", closed)
		assert.EqualError(t, grad(MaxBlocks(1), MaxBlocks(1)), "smoothl1: Backward: option = MaxBlocks: not a valid option here: given twice")
		refused(t, grad(Option{}), smoothl1.ErrZero, "Backward", "option", "Option{}")
	})
}

func TestLossIsRefused(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		_, err := NewSmoothL1[float32](d, smoothl1.Loss{Beta: math.NaN()})
		refused(t, err, smoothl1.ErrBeta, "Loss", "beta", math.NaN())
		_, err = NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1e-60})
		refused(t, err, smoothl1.ErrBeta, "Loss", "beta", 1e-60)
		_, err = NewSmoothL1[float64](d, smoothl1.Loss{Kind: smoothl1.Huber})
		refused(t, err, smoothl1.ErrBeta, "Loss", "delta", 0.0)
		_, err = NewSmoothL1[float64](d, smoothl1.Loss{Beta: 1e-60})
		require.NoError(t, err)
	})
}

func TestSizesAreRefused(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		_, err := Alloc[float32](d, -1)
		refused(t, err, smoothl1.ErrLength, "Alloc", "n", -1)
		_, err = Alloc[float64](d, math.MaxInt/8+1)
		refused(t, err, smoothl1.ErrTooLarge, "Alloc", "n", math.MaxInt/8+1)
		_, err = Alloc[float64](d, math.MaxInt/8)
		require.ErrorIs(t, err, smoothl1.ErrMemory)
		b, err := Alloc[float32](d, 3)
		require.NoError(t, err)
		refused(t, b.Set(make([]float32, 2)), smoothl1.ErrLength, "Set", "len(x)", 2)
		refused(t, b.Download(make([]float32, 4)), smoothl1.ErrLength, "Download", "len(x)", 4)
		for _, r := range [][2]int{{-1, 2}, {2, 1}, {0, 4}} {
			_, err := b.Slice(r[0], r[1])
			refused(t, err, smoothl1.ErrLength, "Slice", "[i:j]", fmt.Sprintf("[%d:%d]", r[0], r[1]))
		}
		var none *Buffer[float32]
		refused(t, none.Set(nil), smoothl1.ErrNil, "Set", "buffer", "nil")
		_, err = Alloc[float32](nil, 1)
		refused(t, err, smoothl1.ErrNil, "Alloc", "device", "nil")
		var op *SmoothL1[float32]
		refused(t, op.Forward(b, b), smoothl1.ErrNil, "Forward", "op", "nil")
	})
}

func TestUseAfterCloseIsRefused(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		b := newFour[float32](t, d, 4)
		part, err := b.pred.Slice(1, 3)
		require.NoError(t, err)
		stream, err := d.NewStream()
		require.NoError(t, err)
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		done := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		require.NoError(t, done.Close())
		require.NoError(t, done.Close(), "twice")
		refused(t, done.Forward(b.pred, b.target), smoothl1.ErrClosed, "Forward", "op", done.Loss())
		require.NoError(t, b.pred.Close())
		require.NoError(t, b.pred.Close(), "twice")
		refused(t, part.Set([]float32{1, 2}), smoothl1.ErrClosed, "Set", "buffer", part)

		require.NoError(t, d.Close())
		require.NoError(t, d.Close(), "twice")
		refused(t, op.Forward(b.target, b.target), smoothl1.ErrClosed, "Forward", "device", d)
		refused(t, b.target.Download(make([]float32, 4)), smoothl1.ErrClosed, "Download", "device", d)
		refused(t, stream.Wait(), smoothl1.ErrClosed, "Stream.Wait", "device", d)
		_, err = d.NewStream()
		refused(t, err, smoothl1.ErrClosed, "NewStream", "device", d)
		_, err = NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1})
		refused(t, err, smoothl1.ErrClosed, "NewSmoothL1", "device", d)
		require.NoError(t, op.Close())
		require.NoError(t, b.target.Close())
		require.NoError(t, stream.Close())
	})
}

func TestCloseReleasesEverything(t *testing.T) {
	s := newStub()
	d, err := Open(On(s))
	require.NoError(t, err)
	b := newFour[float64](t, d, 4)
	_, err = b.pred.Slice(0, 2)
	require.NoError(t, err)
	_, err = Wrap[float64](d, uint64(1<<40), 3)
	require.NoError(t, err)
	_, err = d.NewStream()
	require.NoError(t, err)
	_, err = d.NewEvent()
	require.NoError(t, err)
	newOp[float64](t, d, smoothl1.Loss{Beta: 1})
	assert.Equal(t, "6 allocations, 1 streams, 2 events, 1 modules", s.alive(), "with page-locked memory for losses")
	require.NoError(t, d.Close())
	assert.Equal(t, nothingAlive, s.alive())
	assert.Equal(t, 1, s.closes)
}

func TestDriverErrorsAreNamed(t *testing.T) {
	d, s := openStub(t)
	b := newFour[float32](t, d, 4096)
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})

	s.failing("Launch", driver.CodeLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED")
	err := op.Forward(b.pred, b.target)
	require.EqualError(t, err, "gpu: launch smoothl1_forward_f32_mul (n=4096): CUDA_ERROR_LAUNCH_FAILED (719) from Launch")
	var e *DeviceError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, DeviceError{Op: "launch", Kernel: "smoothl1_forward_f32_mul", Size: 4096, Code: 719, Name: "CUDA_ERROR_LAUNCH_FAILED", err: e.err}, *e)
	_, err = op.Value()
	require.ErrorIs(t, err, smoothl1.ErrNoValue, "a failed launch has no loss")

	s.faults.Mend()
	zeroed := s.zeroed
	require.NoError(t, op.Forward(b.pred, b.target), "the op works again")
	assert.Equal(t, zeroed+1, s.zeroed, "with a ticket of 0")
	require.NoError(t, op.Forward(b.pred, b.target))
	assert.Equal(t, zeroed+1, s.zeroed, "once")

	s.failing("CopyOut", driver.CodeIllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS")
	_, err = op.ChunkSums(nil)
	require.EqualError(t, err, "gpu: read the loss (16 bytes): CUDA_ERROR_ILLEGAL_ADDRESS (700) from CopyOut")
	s.faults.Mend()

	_, err = Alloc[float64](d, 1<<27+1)
	require.EqualError(t, err, "gpu: allocate (1073741832 bytes): CUDA_ERROR_OUT_OF_MEMORY (2) from Alloc")
	require.ErrorIs(t, err, smoothl1.ErrMemory)

	for _, call := range []string{"Alloc", "Zero", "Wait"} {
		before := s.alive()
		s.failing(call, driver.CodeUnknown, "CUDA_ERROR_UNKNOWN")
		_, err = NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1})
		require.ErrorContains(t, err, "CUDA_ERROR_UNKNOWN (999) from "+call)
		assert.Equal(t, before, s.alive(), "an op that cannot be made leaves nothing behind")
		s.faults.Mend()
	}

	s.failing("CopyIn", driver.CodeInvalidValue, "CUDA_ERROR_INVALID_VALUE")
	before := s.alive()
	_, err = Upload(d, []float32{1, 2})
	require.EqualError(t, err, "gpu: copy to the device (8 bytes): CUDA_ERROR_INVALID_VALUE (1) from CopyIn")
	assert.Equal(t, before, s.alive(), "a failed Upload leaves nothing behind")
	s.faults.Mend()
}

func TestOpenOptionsAreRefused(t *testing.T) {
	_, err := Open(On(nil))
	refused(t, err, smoothl1.ErrNil, "Open", "device", "nil")
	_, err = Open(CUDA(-1))
	refused(t, err, smoothl1.ErrOrdinal, "Open", "ordinal", -1)
	_, err = Open(OpenOption{})
	refused(t, err, smoothl1.ErrZero, "Open", "option", "OpenOption{}")
	for _, options := range [][]OpenOption{{CPU(), CPU()}, {On(newStub()), CPU()}, {On(nil), On(newStub()), On(newStub())}} {
		_, err = Open(options...)
		refused(t, err, smoothl1.ErrOption, "Open", "options", len(options))
		require.ErrorContains(t, err, "at most one device can be chosen")
		for _, o := range options {
			if o.drv != nil {
				assert.Equal(t, 1, o.drv.(*stub).closes)
			}
		}
	}
}
