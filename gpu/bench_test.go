package gpu

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// The benchmarks run on the device that Open returns. They check the result first, and report GB/s, computed from the bytes that the
// operation must move, and the percentage of the throughput of a plain copy that is measured alternately. On shared machines, compare
// figures only within a run.
//
//	make bench

func BenchmarkForward(b *testing.B) {
	benchmarkAll(b, 2, func(op calls) func() error { return op.forward })
}

func BenchmarkForwardTerms(b *testing.B) {
	benchmarkAll(b, 3, func(op calls) func() error { return op.forwardTerms })
}

func BenchmarkBackward(b *testing.B) {
	benchmarkAll(b, 3, func(op calls) func() error { return op.backward })
}

func BenchmarkForwardBackward(b *testing.B) {
	benchmarkAll(b, 3, func(op calls) func() error { return op.forwardBackward })
}

// calls are the operations to measure.
type calls struct{ forward, forwardTerms, backward, forwardBackward func() error }

// benchmarkAll measures an operation that reads and writes the given number of arrays.
func benchmarkAll(b *testing.B, arrays int, choose func(calls) func() error) {
	d, err := Open()
	require.NoError(b, err)
	defer d.Close()
	for _, beta := range []float64{1, 0.1} {
		for _, n := range []int{32, 1024, 128 * 4096, 1 << 20, 1 << 24} {
			b.Run(fmt.Sprintf("device=%s/dtype=f32/beta=%v/n=%d", d.Backend(), beta, n), func(b *testing.B) {
				benchmarkOne[float32](b, d, beta, n, arrays, choose)
			})
		}
		b.Run(fmt.Sprintf("device=%s/dtype=f64/beta=%v/n=%d", d.Backend(), beta, 1<<20), func(b *testing.B) {
			benchmarkOne[float64](b, d, beta, 1<<20, arrays, choose)
		})
	}
}

func benchmarkOne[T smoothl1.Float](b *testing.B, d *Device, beta float64, n, arrays int, choose func(calls) func() error) {
	l := smoothl1.Loss{Beta: beta}
	x, y := make([]float64, n), make([]float64, n)
	for i := range x {
		x[i], y[i] = float64(i*7919%4001)*0.001, float64(i*104729%4001)*0.001
	}
	p, t := make([]T, n), make([]T, n)
	require.NoError(b, smoothl1.Convert(p, x))
	require.NoError(b, smoothl1.Convert(t, y))
	f := newFour[T](b, d, n)
	require.NoError(b, f.pred.Set(p))
	require.NoError(b, f.target.Set(t))
	defer func() {
		for _, x := range []*Buffer[T]{f.pred, f.target, f.grad, f.gradTarget} {
			require.NoError(b, x.Close())
		}
	}()
	op := newOp[T](b, d, l)
	defer op.Close()

	require.NoError(b, op.ForwardBackward(f.pred, f.target, f.grad))
	got, want := make([]T, n), make([]T, n)
	require.NoError(b, f.grad.Download(got))
	value, err := op.Value()
	require.NoError(b, err)
	wantValue, err := cpu.RefForwardBackward(l, &cpu.Args[T]{Pred: p, Target: t, GradPred: want})
	require.NoError(b, err)
	require.Equal(b, wantValue, value)
	require.Equal(b, want, got)

	run := choose(calls{
		func() error { return op.Forward(f.pred, f.target) },
		func() error { return op.ForwardTerms(f.pred, f.target, f.grad) },
		func() error { return op.Backward(f.pred, f.target, f.grad) },
		func() error { return op.ForwardBackward(f.pred, f.target, f.grad) },
	})
	duplicate := func() error { return f.gradTarget.CopyFrom(f.pred) } // reads one array and writes one
	require.NoError(b, run())
	require.NoError(b, duplicate()) // fault the pages in
	b.ReportAllocs()
	var ours, copies time.Duration
	for b.Loop() {
		for _, x := range []struct {
			f     func() error
			total *time.Duration
		}{{run, &ours}, {duplicate, &copies}} {
			start := time.Now()
			if err := x.f(); err != nil {
				b.Fatal(err)
			}
			if err := d.Wait(); err != nil {
				b.Fatal(err)
			}
			*x.total += time.Since(start)
		}
	}
	size := float64(n * smoothl1.DTypeOf[T]().Size())
	speed := float64(arrays) * size * float64(b.N) / ours.Seconds() / 1e9
	b.ReportMetric(ours.Seconds()*1e9/float64(b.N), "ns/op")
	b.ReportMetric(speed, "GB/s")
	b.ReportMetric(speed/(2*size*float64(b.N)/copies.Seconds()/1e9), "of-copy")
}

// BenchmarkCall measures the overhead of a call: forward and backward for few elements on the CPU, without reading the clock for each call
// as the other benchmarks do, and what this package adds to the driver's calls on a device that does nothing.
func BenchmarkCall(b *testing.B) {
	for _, n := range []int{1, 32, 1024} {
		b.Run(fmt.Sprintf("device=cpu/n=%d", n), func(b *testing.B) {
			d, err := Open(CPU())
			require.NoError(b, err)
			defer d.Close()
			f := newFour[float32](b, d, n)
			op := newOp[float32](b, d, smoothl1.Loss{Beta: 1})
			benchmarkCall(b, func() error { return op.ForwardBackward(f.pred, f.target, f.grad) })
		})
	}
	const n = 128 * 4096
	d, err := Open(On(&idle{Device: newStub()}))
	require.NoError(b, err)
	defer d.Close()
	f := newFour[float32](b, d, n)
	op := newOp[float32](b, d, smoothl1.Loss{Beta: 1})
	s, err := d.NewStream()
	require.NoError(b, err)
	on := OnStream(s)
	weighted := &Args[float32]{Pred: f.pred, Target: f.target, Weight: f.gradTarget, GradPred: f.grad}
	require.NoError(b, op.Run(weighted))
	g, err := s.Capture(func() error { return op.ForwardBackward(f.pred, f.target, f.grad, on) })
	require.NoError(b, err)
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"ForwardBackward", func() error { return op.ForwardBackward(f.pred, f.target, f.grad) }},
		{"ForwardBackward,OnStream", func() error { return op.ForwardBackward(f.pred, f.target, f.grad, on) }},
		{"Backward", func() error { return op.Backward(f.pred, f.target, f.grad) }},
		{"Run,Weight", func() error { return op.Run(weighted) }},
		{"Graph.Launch", func() error { return g.Launch(on) }},
		{"Value", func() error { _, err := op.Value(); return err }},
	} {
		b.Run("device=idle/call="+c.name, func(b *testing.B) { benchmarkCall(b, c.call) })
	}
}

func benchmarkCall(b *testing.B, call func() error) {
	b.ReportAllocs()
	for b.Loop() {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
}

// idle is a device whose calls of a training step do nothing.
type idle struct{ driver.Device }

func (*idle) Launch(driver.Function, driver.Geometry, driver.Stream, []uint64) error { return nil }
func (*idle) Record(driver.Event, driver.Stream) error                               { return nil }
func (*idle) WaitEvent(driver.Event, driver.Stream) error                            { return nil }
func (*idle) BeginCapture(driver.Stream) error                                       { return nil }
func (*idle) EndCapture(driver.Stream) (driver.Graph, error)                         { return 1, nil }
func (*idle) LaunchGraph(driver.Graph, driver.Stream) error                          { return nil }
func (*idle) CloseGraph(driver.Graph) error                                          { return nil }
func (*idle) AllocPinned(bytes uint64) ([]byte, driver.Ptr, error) {
	return make([]byte, bytes), 1 << 40, nil
}
func (*idle) FreePinned(driver.Ptr) error                                            { return nil }
func (*idle) CopyInAsync(dst, src driver.Ptr, bytes uint64, on driver.Stream) error  { return nil }
func (*idle) CopyOutAsync(dst, src driver.Ptr, bytes uint64, on driver.Stream) error { return nil }
func (*idle) Await(driver.Event) error                                               { return nil }

// TestNothingIsAllocatedByAGraph checks the launches of a graph, and values in page-locked memory.
func TestNothingIsAllocatedByAGraph(t *testing.T) {
	d, err := Open(On(&idle{Device: newStub()}))
	require.NoError(t, err)
	defer d.Close()
	f := newFour[float32](t, d, 100)
	op, second := newOp[float32](t, d, smoothl1.Loss{Beta: 1}), newOp[float32](t, d, smoothl1.Loss{Beta: 2})
	s, err := d.NewStream()
	require.NoError(t, err)
	g, err := s.Capture(func() error {
		return errors.Join(op.ForwardBackward(f.pred, f.target, f.grad, OnStream(s)), second.Forward(f.pred, f.target, OnStream(s)))
	})
	require.NoError(t, err)
	for name, call := range map[string]func() error{
		"Launch":   func() error { return g.Launch() },
		"OnStream": func() error { return g.Launch(OnStream(s)) },
		"Value":    func() error { _, err := op.Value(); return err },
	} {
		require.NoError(t, g.Launch())
		assert.Zero(t, testing.AllocsPerRun(100, func() { _ = call() }), name)
	}
}
