package gpu_test

import (
	"errors"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/sim"
)

// here runs a test on the CPU and on simulated devices.
func here(t *testing.T, f func(t *testing.T, d *gpu.Device)) {
	for name, open := range map[string]gpu.OpenOption{"cpu": gpu.CPU(), "sim": gpu.On(sim.New()), "seed 1": gpu.On(sim.New(sim.Seed(1)))} {
		t.Run(name, func(t *testing.T) {
			d, err := gpu.Open(open)
			require.NoError(t, err)
			f(t, d)
			require.NoError(t, d.Close())
		})
	}
}

func must[T any](x T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		require.NoError(t, err)
		return x
	}
}

func wave(n int, phase float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(3 * math.Sin(float64(i)*0.37+phase))
	}
	return x
}

// TestGraph compares the launches of a graph with the same calls made one by one.
func TestGraph(t *testing.T) {
	here(t, func(t *testing.T, d *gpu.Device) {
		const n = 5000
		pred, target := must(gpu.Upload(d, wave(n, 0)))(t), must(gpu.Upload(d, wave(n, 1)))(t)
		grad, kept := must(gpu.Alloc[float32](d, n))(t), must(gpu.Alloc[float32](d, n))(t)
		crit := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 0.3, Reduction: smoothl1.Mean}))(t)
		plain := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 0.3, Reduction: smoothl1.Mean}))(t)
		s, other := must(d.NewStream())(t), must(d.NewStream())(t)
		require.NoError(t, crit.Forward(pred, pred))
		g, err := s.Capture(func() error {
			return errors.Join(crit.ForwardBackward(pred, target, grad, gpu.OnStream(s)), kept.CopyFrom(grad, gpu.OnStream(s)))
		})
		require.NoError(t, err)
		assert.Zero(t, must(crit.Value())(t), "a captured call computes nothing")

		got, want := make([]float32, n), make([]float32, n)
		for i := range 4 {
			on := []*gpu.Stream{s, other, s, s}[i]
			require.NoError(t, pred.Set(wave(n, float64(i)), gpu.OnStream(on)))
			require.NoError(t, g.Launch(gpu.OnStream(on)))
			value := must(crit.Value())(t)
			require.NoError(t, kept.Download(got, gpu.OnStream(on)))
			sums := must(crit.ChunkSums(nil))(t)

			require.NoError(t, plain.ForwardBackward(pred, target, grad, gpu.OnStream(on)))
			require.NoError(t, grad.Download(want, gpu.OnStream(on)))
			assert.Equal(t, must(plain.Value())(t), value)
			assert.Equal(t, must(plain.ChunkSums(nil))(t), sums)
			assert.Equal(t, want, got)
			if i == 2 { // the op can be used for something else in between, on any stream
				require.NoError(t, crit.Forward(target, target))
				assert.Zero(t, must(crit.Value())(t))
			}
		}
		require.NoError(t, pred.Set(wave(n, 1)))
		require.NoError(t, d.Wait())
		require.NoError(t, g.Launch(), "on the default stream")
		assert.Zero(t, must(crit.Value())(t))
		require.NoError(t, g.Close())
		require.NoError(t, g.Close())
		require.ErrorIs(t, g.Launch(), smoothl1.ErrClosed)
		require.NoError(t, crit.Forward(pred, target, gpu.OnStream(s)), "the stream and the op are usable")
		_ = must(crit.Value())(t)
	})
}

// A graph's launches in a row must see each other's results, on whatever stream.
func TestGraphTrains(t *testing.T) {
	here(t, func(t *testing.T, d *gpu.Device) {
		const n, steps = 3000, 12
		crit := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}))(t)
		target := must(gpu.Upload(d, wave(n, 1)))(t)
		streams := []*gpu.Stream{must(d.NewStream())(t), must(d.NewStream())(t)}
		train := func(graph bool) (losses []float64, x []float32) {
			pred := must(gpu.Upload(d, wave(n, 0)))(t)
			step := &gpu.Args[float32]{Pred: pred, Target: target, GradPred: pred, AccumulatePred: true, Upstream: gpu.Number[float32](-0.25)}
			run := func() error { return crit.Run(step) }
			if graph {
				require.NoError(t, crit.Run(&gpu.Args[float32]{Pred: target, Target: target, Abs: must(gpu.Alloc[float32](d, n))(t)}))
				g, err := streams[0].Capture(func() error { return crit.Run(step, gpu.OnStream(streams[0])) })
				require.NoError(t, err)
				defer func() { require.NoError(t, g.Close()) }()
				i := 0
				run = func() error { i++; return g.Launch(gpu.OnStream(streams[i/4%2])) }
			}
			for i := range steps {
				require.NoError(t, run())
				if i%5 == 0 || i == steps-1 {
					losses = append(losses, must(crit.Value())(t))
				}
			}
			x = make([]float32, n)
			require.NoError(t, pred.Download(x, gpu.OnStream(streams[1])), "of the last step, which Value has waited for")
			return losses, x
		}
		losses, x := train(false)
		again, y := train(true)
		assert.Equal(t, losses, again)
		assert.Equal(t, x, y)
		assert.Less(t, losses[len(losses)-1], losses[0]/4)
	})
}

// The functions of the table must be refused during a capture, with a reason, and leave everything usable.
func TestCaptureRefuses(t *testing.T) {
	here(t, func(t *testing.T, d *gpu.Device) {
		const n = 100
		b := must(gpu.Upload(d, wave(n, 0)))(t)
		crit := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1}))(t)
		s, other := must(d.NewStream())(t), must(d.NewStream())(t)
		e, start := must(d.NewEvent())(t), must(d.NewEvent())(t)
		require.NoError(t, errors.Join(crit.Forward(b, b), start.Record(), e.Record()))
		x := make([]float32, n)
		host := must(gpu.AllocHost[float32](d, n))(t)
		on := gpu.OnStream(s)
		ignored := must(s.Capture(func() error { return nil }))(t)
		for name, f := range map[string]func() error{
			"Alloc":            func() error { _, err := gpu.Alloc[float32](d, 1); return err },
			"AllocHost":        func() error { _, err := gpu.AllocHost[float32](d, 1); return err },
			"Upload":           func() error { _, err := gpu.Upload(d, x); return err },
			"NewSmoothL1":      func() error { _, err := gpu.NewSmoothL1[float64](d, smoothl1.Loss{Beta: 1}); return err },
			"NewStream":        func() error { _, err := d.NewStream(); return err },
			"NewEvent":         func() error { _, err := d.NewEvent(); return err },
			"Set":              func() error { return b.Set(x, on) },
			"Download":         func() error { return b.Download(x) },
			"SetAsync":         func() error { return b.SetAsync(host, on) },
			"DownloadAsync":    func() error { return b.DownloadAsync(host, on) },
			"Compute":          func() error { _, err := gpu.Compute(d, smoothl1.Loss{Reduction: smoothl1.Sum}, x, x, nil); return err },
			"Value":            func() error { _, err := crit.Value(); return err },
			"ChunkSums":        func() error { _, err := crit.ChunkSums(nil); return err },
			"Reserve":          func() error { return crit.Reserve(1, 1) },
			"Stream.Wait":      func() error { return other.Wait() },
			"Device.Wait":      func() error { return d.Wait() },
			"Event.Record":     func() error { return e.Record(on) },
			"Event.Since":      func() error { _, err := e.Since(start); return err },
			"Buffer.Close":     func() error { return b.Close() },
			"HostBuffer.Close": func() error { return host.Close() },
			"Stream.Close":     func() error { return other.Close() },
			"SmoothL1.Close":   func() error { return crit.Close() },
			"Device.Close":     func() error { return d.Close() },
			"Stream.Capture":   func() error { _, err := other.Capture(func() error { return nil }); return err },
			"Graph.Launch":     func() error { return ignored.Launch(on) },
		} {
			var inner error
			g, err := s.Capture(func() error { inner = f(); return errors.Join(inner, crit.Forward(b, b, on)) })
			assert.Nil(t, g, name)
			require.ErrorIs(t, err, smoothl1.ErrCapture, name)
			var e *smoothl1.ArgError
			require.ErrorAs(t, inner, &e, name)
			assert.Equal(t, name, e.Op)
			require.NoError(t, crit.Forward(b, b, on), name)
			assert.Zero(t, must(crit.Value())(t), name)

			g, err = s.Capture(func() error { _ = f(); return crit.Forward(b, b, on) })
			require.NoError(t, err, "%s is refused before it harms the capture", name)
			require.NoError(t, errors.Join(g.Launch(on), g.Close()), name)
		}
		assert.Empty(t, d.Pageable(), "a capture does not count as a device without page-locked memory")
	})
}

// A call that is not ready is refused by name and with the remedy, which must be one.
func TestCaptureNeedsPreparation(t *testing.T) {
	d := must(gpu.Open(gpu.On(sim.New())))(t)
	defer d.Close()
	const n = 2048 * 600
	big := must(gpu.Alloc[float32](d, n))(t)
	small := must(gpu.Upload(d, wave(12, 0)))(t)
	index := must(gpu.Upload(d, []int32{0, 1, 2}))(t)
	three := must(gpu.Upload(d, wave(3, 0)))(t)
	s := must(d.NewStream())(t)
	on := gpu.OnStream(s)
	crit := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1}))(t)
	none := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.None}))(t)
	indexed := &gpu.Args[float32]{Pred: small, Target: three, Index: index, Shape: &smoothl1.Shape{Rows: 3, Cols: 4}, GradPred: must(gpu.Alloc[float32](d, 12))(t)}
	for _, c := range []struct {
		call    func() error
		why     string
		prepare func() error
	}{
		{func() error { return crit.Forward(big, big, on) }, "Forward: .*scratch memory is too small.* Reserve", func() error { return crit.Reserve(n, 1) }},
		{func() error { return crit.Run(&gpu.Args[float32]{Pred: small, Target: small, Abs: small}, on) }, "Run: .*kernels are not loaded: make the call once before",
			func() error {
				return none.Run(&gpu.Args[float32]{Pred: small, Target: small, Weight: small, GradPred: small})
			}},
		{func() error { return crit.Run(indexed, on) }, "Run: .*indices out of range: make the call once before", func() error { return crit.Run(indexed) }},
		{func() error { return none.Run(indexed, on) }, "Run: .*scratch memory is too small", func() error { return none.Run(indexed) }},
	} {
		_, err := s.Capture(c.call)
		require.ErrorIs(t, err, smoothl1.ErrCapture)
		assert.Regexp(t, c.why, err.Error())
		require.NoError(t, c.prepare())
		require.NoError(t, d.Wait())
		g, err := s.Capture(c.call)
		require.NoError(t, err)
		require.NoError(t, g.Close())
	}
}

// What a graph uses cannot be closed or moved before it, and can be afterwards.
func TestGraphHoldsItsObjects(t *testing.T) {
	here(t, func(t *testing.T, d *gpu.Device) {
		whole, target := must(gpu.Upload(d, wave(100, 0)))(t), must(gpu.Upload(d, wave(50, 0)))(t)
		part := must(whole.Slice(25, 75))(t)
		crit := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1}))(t)
		s := must(d.NewStream())(t)
		g, err := s.Capture(func() error { return crit.Forward(part, target, gpu.OnStream(s)) })
		require.NoError(t, err)
		for _, err := range []error{whole.Close(), part.Close(), target.Close(), crit.Close()} {
			require.ErrorIs(t, err, smoothl1.ErrGraph)
		}
		if d.Backend() == "sim" {
			big := must(gpu.Alloc[float32](d, 2048*600))(t)
			require.ErrorIs(t, crit.Reserve(2048*600, 1), smoothl1.ErrGraph)
			require.ErrorIs(t, crit.Forward(big, big), smoothl1.ErrGraph)
		}
		require.NoError(t, crit.Reserve(100, 1), "there is room enough")
		require.NoError(t, s.Close(), "the stream that was captured is not used any more")
		require.NoError(t, g.Launch())
		_ = must(crit.Value())(t)
		require.NoError(t, g.Close())
		require.NoError(t, errors.Join(part.Close(), whole.Close(), target.Close(), crit.Close()))
	})
}

// A graph that became unreachable releases what it used.
func TestDroppedGraph(t *testing.T) {
	here(t, func(t *testing.T, d *gpu.Device) {
		b := must(gpu.Upload(d, wave(100, 0)))(t)
		s := must(d.NewStream())(t)
		crit := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1}))(t)
		_, err := s.Capture(func() error { return crit.Forward(b, b, gpu.OnStream(s)) })
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			runtime.GC()
			require.NoError(t, d.Wait())
			return b.Close() == nil
		}, 10*time.Second, time.Millisecond)
		require.NoError(t, crit.Close())
	})
}

func TestCaptureFails(t *testing.T) {
	here(t, func(t *testing.T, d *gpu.Device) {
		b := must(gpu.Upload(d, wave(100, 0)))(t)
		crit := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1}))(t)
		s := must(d.NewStream())(t)
		usable := func() {
			require.NoError(t, crit.Forward(b, b, gpu.OnStream(s)))
			assert.Zero(t, must(crit.Value())(t))
		}
		wrong := errors.New("wrong")
		_, err := s.Capture(func() error { return errors.Join(crit.Forward(b, b, gpu.OnStream(s)), wrong) })
		require.ErrorIs(t, err, wrong)
		usable()
		assert.PanicsWithValue(t, "x", func() { _, _ = s.Capture(func() error { panic("x") }) })
		usable()
		done := make(chan bool)
		go func() {
			defer close(done)
			_, _ = s.Capture(func() error { runtime.Goexit(); return nil })
		}()
		<-done
		usable()
		_, err = s.Capture(nil)
		require.ErrorIs(t, err, smoothl1.ErrNil)
		usable()
		require.NoError(t, b.Close())
		require.NoError(t, s.Close())
		_, err = s.Capture(func() error { return nil })
		require.ErrorIs(t, err, smoothl1.ErrClosed)
	})
}

// An index that is out of range in a launch is reported by whoever waits, as for any call, and the next launch is whole again.
func TestGraphIndex(t *testing.T) {
	here(t, func(t *testing.T, d *gpu.Device) {
		pred, target := must(gpu.Upload(d, wave(12, 0)))(t), must(gpu.Upload(d, wave(3, 0)))(t)
		index := must(gpu.Upload(d, []int32{0, 1, 2}))(t)
		grad := must(gpu.Alloc[float32](d, 12))(t)
		crit := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1}))(t)
		s := must(d.NewStream())(t)
		a := &gpu.Args[float32]{Pred: pred, Target: target, Index: index, GradPred: grad, Shape: &smoothl1.Shape{Rows: 3, Cols: 4}}
		require.NoError(t, crit.Run(a))
		want := must(crit.Value())(t)
		g, err := s.Capture(func() error { return crit.Run(a, gpu.OnStream(s)) })
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, g.Launch(gpu.OnStream(s)))
			assert.Equal(t, want, must(crit.Value())(t))
			require.NoError(t, index.Set([]int32{0, 9, 2}, gpu.OnStream(s)))
			err := g.Launch(gpu.OnStream(s))
			if err == nil {
				_, err = crit.Value()
			}
			require.ErrorIs(t, err, smoothl1.ErrIndex)
			assert.Contains(t, err.Error(), "index[1] = 9")
			require.NoError(t, index.Set([]int32{0, 1, 2}, gpu.OnStream(s)))
		}
		require.NoError(t, g.Launch(gpu.OnStream(s)))
		assert.Equal(t, want, must(crit.Value())(t))
	})
}
