package gpu

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
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
// as the other benchmarks do.
func BenchmarkCall(b *testing.B) {
	d, err := Open(CPU())
	require.NoError(b, err)
	defer d.Close()
	for _, n := range []int{1, 32, 1024} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			f := newFour[float32](b, d, n)
			op := newOp[float32](b, d, smoothl1.Loss{Beta: 1})
			b.ReportAllocs()
			for b.Loop() {
				if err := op.ForwardBackward(f.pred, f.target, f.grad); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
