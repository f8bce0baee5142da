package gpu

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// optioned returns the calls that take options, by name, on buffers of 4 elements and an op.
func optioned(t *testing.T, d *Device, op *SmoothL1[float32], b four[float32]) map[string]func(...Option) error {
	e, err := d.NewEvent()
	require.NoError(t, err)
	x := make([]float32, 4)
	a := &Args[float32]{Pred: b.pred, Target: b.target, GradPred: b.grad}
	return map[string]func(...Option) error{
		"ForwardTerms":    func(o ...Option) error { return op.ForwardTerms(b.pred, b.target, b.grad, o...) },
		"Forward":         func(o ...Option) error { return op.Forward(b.pred, b.target, o...) },
		"Backward":        func(o ...Option) error { return op.Backward(b.pred, b.target, b.grad, o...) },
		"ForwardBackward": func(o ...Option) error { return op.ForwardBackward(b.pred, b.target, b.grad, o...) },
		"Run":             func(o ...Option) error { return op.Run(a, o...) },
		"Set":             func(o ...Option) error { return b.pred.Set(x, o...) },
		"Download":        func(o ...Option) error { return b.pred.Download(x, o...) },
		"CopyFrom":        func(o ...Option) error { return b.pred.CopyFrom(b.target, o...) },
		"Event.Record":    e.Record,
	}
}

// withoutBlocks are the calls that launch no kernel.
var withoutBlocks = []string{"Set", "Download", "CopyFrom", "Event.Record"}

func TestEveryCallTakesItsOptionsAndNoOther(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		b := newFour[float32](t, d, 4)
		s, err := d.NewStream()
		require.NoError(t, err)
		for name, call := range optioned(t, d, newOp[float32](t, d, smoothl1.Loss{Beta: 1}), b) {
			require.NoError(t, call(), name)
			require.NoError(t, call(OnStream(s)), name)
			refused(t, call(OnStream(s), OnStream(s)), smoothl1.ErrOption, name, "option", "OnStream")
			refused(t, call(OnStream(nil)), smoothl1.ErrNil, name, "stream", "nil")
			refused(t, call(Option{}), smoothl1.ErrZero, name, "option", "Option{}")
			if slices.Contains(withoutBlocks, name) {
				refused(t, call(MaxBlocks(1)), smoothl1.ErrOption, name, "option", "MaxBlocks")
			} else {
				require.NoError(t, call(MaxBlocks(1)), name)
				refused(t, call(MaxBlocks(0)), smoothl1.ErrCount, name, "maxBlocks", 0)
			}
		}
	})
}

// TestOnStream checks that a call makes all its driver calls on its stream. Only the events that it waits for there may have been recorded
// on another one.
func TestOnStream(t *testing.T) {
	d, stub := openStub(t)
	b := newFour[float32](t, d, 4)
	s, err := d.NewStream()
	require.NoError(t, err)
	for name, call := range optioned(t, d, newOp[float32](t, d, smoothl1.Loss{Beta: 1}), b) {
		for _, on := range []*Stream{s, nil, s} {
			var options []Option
			if on != nil {
				options = []Option{OnStream(on)}
			}
			log := stub.logged(func() { require.NoError(t, call(options...)) })
			require.NotEmpty(t, log, name)
			for _, line := range log {
				assert.Contains(t, line, fmt.Sprintf(" on %#x", uint64(on.handle())), name)
			}
		}
	}
}

func TestMaxBlocks(t *testing.T) {
	d, stub := openStub(t)
	b := newFour[float32](t, d, 1<<20)
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	for _, limit := range []int{1, 3} {
		for name, call := range map[string]func() error{
			"ForwardTerms":    func() error { return op.ForwardTerms(b.pred, b.target, b.grad, MaxBlocks(limit)) },
			"Forward":         func() error { return op.Forward(b.pred, b.target, MaxBlocks(limit)) },
			"Backward":        func() error { return op.Backward(b.pred, b.target, b.grad, MaxBlocks(limit)) },
			"ForwardBackward": func() error { return op.ForwardBackward(b.pred, b.target, b.grad, MaxBlocks(limit)) },
		} {
			require.NoError(t, call())
			assert.Equal(t, [3]uint32{uint32(limit), 1, 1}, stub.last().g.Grid, name)
		}
	}
}

// TestScratchIsUsedInOrder checks that a reduction, and a call that reads the loss, waits on its stream for the last reduction, and that a
// ticket that may not be 0 is cleared before the reduction, on its stream.
func TestScratchIsUsedInOrder(t *testing.T) {
	d, stub := openStub(t)
	stub.failing("AllocPinned", driver.CodeOutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY") // so that losses are copied
	b := newFour[float32](t, d, 4)
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	stub.faults.Mend()
	a, err := d.NewStream()
	require.NoError(t, err)
	s, err := d.NewStream()
	require.NoError(t, err)
	forward := func(on *Stream) func() {
		return func() { require.NoError(t, op.Forward(b.pred, b.target, OnStream(on))) }
	}
	at := func(on *Stream, calls ...string) (lines []string) {
		for _, c := range calls {
			lines = append(lines, fmt.Sprintf("%s on %#x", c, uint64(on.handle())))
		}
		return lines
	}
	forward(a)()
	assert.Equal(t, at(s, "WaitEvent", "Launch", "Record"), stub.logged(forward(s)))
	assert.Equal(t, at(s, "Launch", "Record"), stub.logged(forward(s)), "in the stream's own order")
	assert.Equal(t, at(a, "WaitEvent", "Launch", "Record"), stub.logged(forward(a)))

	value := func() {
		_, err := op.Value()
		require.NoError(t, err)
	}
	assert.Equal(t, at(a, "CopyOut"), stub.logged(value))
	require.NoError(t, a.Close())
	assert.Equal(t, at(nil, "WaitEvent", "CopyOut"), stub.logged(value), "its stream is closed")

	stub.failing("Launch", driver.CodeLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED")
	require.Error(t, op.Forward(b.pred, b.target))
	stub.faults.Mend()
	assert.Equal(t, at(s, "WaitEvent", "Zero", "Launch", "Record"), stub.logged(forward(s)))
	assert.Equal(t, at(s, "Launch", "Record"), stub.logged(forward(s)), "once")

	// If the end of a reduction cannot be recorded, the call waits for it.
	stub.failing("Record", driver.CodeUnknown, "CUDA_ERROR_UNKNOWN")
	assert.Equal(t, at(s, "Launch", "Wait"), stub.logged(func() { require.Error(t, op.Forward(b.pred, b.target, OnStream(s))) }))
	stub.faults.Mend()
}

// TestDivisorFails checks that the end of a call on the scratch is recorded even if the first of its two kernels cannot be launched.
func TestDivisorFails(t *testing.T) {
	d, stub := openStub(t)
	b := newFour[float32](t, d, 4)
	mask, err := Alloc[uint8](d, 4)
	require.NoError(t, err)
	call := func() error {
		return newOp[float32](t, d, smoothl1.Loss{Beta: 1}).Run(&Args[float32]{Pred: b.pred, Target: b.target, GradPred: b.grad, Mask: mask,
			Divisor: smoothl1.DivideByKept()})
	}
	require.NoError(t, call()) // loads the kernels
	for n, launches := range []int{0, 1} {
		stub.faults.Fail("Launch", n+1, driver.CodeLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED")
		log := stub.logged(func() { require.ErrorContains(t, call(), "CUDA_ERROR_LAUNCH_FAILED") })
		count := map[string]int{}
		for _, line := range log {
			count[line]++
		}
		assert.Equal(t, launches, count["Launch on 0x0"], "%v", log)
		assert.Equal(t, "Record on 0x0", log[len(log)-1], "%v", log)
	}
}

func TestReserve(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		const n = 3 << 20
		b := newFour[float32](t, d, n)
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		refused(t, op.Reserve(-1, 1), smoothl1.ErrCount, "Reserve", "elements", -1)
		for _, rows := range []int{-1, 0} {
			refused(t, op.Reserve(n, rows), smoothl1.ErrCount, "Reserve", "rows", rows)
		}
		refused(t, op.Reserve(n, math.MaxInt), smoothl1.ErrTooLarge, "Reserve", "rows", math.MaxInt)
		require.NoError(t, op.Forward(b.pred, b.target))
		require.NoError(t, op.Reserve(n, 1))
		_, err := op.Value()
		refused(t, err, smoothl1.ErrNoValue, "Value", "op", op.Loss())
		require.NoError(t, newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.None}).Reserve(n, 1))
	})
	d, stub := openStub(t)
	b := newFour[float32](t, d, 3<<20+1)
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	s, err := d.NewStream()
	require.NoError(t, err)
	require.NoError(t, op.Forward(newFour[float32](t, d, 4).pred, newFour[float32](t, d, 4).pred, OnStream(s)))
	log := stub.logged(func() { require.NoError(t, op.Reserve(b.pred.n, 1)) })
	assert.Equal(t, []string{"WaitEvent on 0x0", "Alloc on 0x0", "Zero on 0x0", "Wait on 0x0", "Alloc on 0x0"}, log, "not under a reduction")
	assert.Equal(t, []string{"Launch on 0x0", "Record on 0x0"}, stub.logged(func() { require.NoError(t, op.Forward(b.pred, b.target)) }))

	here := openCPUFor(t)
	few := newOp[float32](t, here, smoothl1.Loss{Beta: 1})
	five := newFour[float32](t, here, 5000)
	require.NoError(t, few.Reserve(5000, 1))
	sums := &few.sums[0]
	require.NoError(t, few.Forward(five.pred, five.target))
	assert.Same(t, sums, &few.sums[0])
}

func TestSinceIsFromStartToEndInMilliseconds(t *testing.T) {
	d, stub := openStub(t)
	start, err := d.NewEvent()
	require.NoError(t, err)
	end, err := d.NewEvent()
	require.NoError(t, err)
	require.NoError(t, start.Record())
	require.NoError(t, end.Record())
	times := map[driver.Event]float32{start.e: 10, end.e: 11.5}
	stub.elapsed = func(start, end driver.Event) float32 { return times[end] - times[start] }
	took, err := end.Since(start)
	require.NoError(t, err)
	assert.Equal(t, 1500*time.Microsecond, took)

	here := openCPUFor(t)
	first, err := here.NewEvent()
	require.NoError(t, err)
	last, err := here.NewEvent()
	require.NoError(t, err)
	require.NoError(t, first.Record())
	time.Sleep(5 * time.Millisecond)
	require.NoError(t, last.Record())
	took, err = last.Since(first)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, took, 5*time.Millisecond)
}

// TestChunkSumsAreTheCallers checks that ChunkSums returns a copy, which the op does not use.
func TestChunkSumsAreTheCallers(t *testing.T) {
	d := openCPUFor(t)
	x, err := Upload(d, []float32{3, 4})
	require.NoError(t, err)
	y, err := Upload(d, []float32{0, 0})
	require.NoError(t, err)
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	require.NoError(t, op.Forward(x, y))
	sums, err := op.ChunkSums(nil)
	require.NoError(t, err)
	assert.Equal(t, []float64{6}, sums)
	sums[0] = 99
	again, err := op.ChunkSums(nil)
	require.NoError(t, err)
	assert.Equal(t, []float64{6}, again)
	require.NoError(t, op.Forward(y, y))
	assert.Equal(t, []float64{6}, again)
	appended, err := op.ChunkSums(again)
	require.NoError(t, err)
	assert.Equal(t, []float64{6, 0}, appended)
}
