package gpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/faults"
	"github.com/smoothl1/smoothl1/sim"
)

// dropped creates and uses one object of each kind, and closes none. It returns functions that report whether they still exist.
func dropped(t *testing.T, d *Device) (there map[string]func() bool) {
	b, err := Upload(d, make([]float32, 5000))
	require.NoError(t, err)
	part, err := b.Slice(1, 4001)
	require.NoError(t, err)
	s, err := d.NewStream()
	require.NoError(t, err)
	e, err := d.NewEvent()
	require.NoError(t, err)
	op, err := NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1})
	require.NoError(t, err)
	require.NoError(t, d.Wait())
	require.NoError(t, op.Forward(part, part, OnStream(s)))
	require.NoError(t, e.Record(OnStream(s)))
	there = map[string]func() bool{
		"buffer": weakly(b), "part": weakly(part), "stream": weakly(s), "event": weakly(e), "op": weakly(op),
	}
	if d.drv == nil {
		x := make([]float32, 1000)
		w, err := WrapHost(d, x)
		require.NoError(t, err)
		there["WrapHost"], there["wrapped slice"] = weakly(w), weakly(&x[0])
	}
	return there
}

// TestOpIsReachableDuringItsCalls checks that an op whose last use is a call is not released before the end of the call: not its
// scratch, nor its turn, which Device.Close waits for.
func TestOpIsReachableDuringItsCalls(t *testing.T) {
	for name, use := range map[string]func(s *SmoothL1[float32]) error{
		"Reserve":   func(s *SmoothL1[float32]) error { return s.Reserve(1<<22, 1) },
		"Value":     func(s *SmoothL1[float32]) error { _, err := s.Value(); return err },
		"ChunkSums": func(s *SmoothL1[float32]) error { _, err := s.ChunkSums(nil); return err },
	} {
		t.Run(name, func(t *testing.T) {
			device := faults.Wrap(sim.New())
			d, err := Open(On(device))
			require.NoError(t, err)
			b, err := Upload(d, make([]float32, 5000))
			require.NoError(t, err)
			s, err := NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1})
			require.NoError(t, err)
			require.NoError(t, s.Forward(b, b))
			still := weakly(s)
			var during []bool
			device.Before("", 0, func(string) error {
				for range 3 {
					runtime.GC()
				}
				during = append(during, still())
				return nil
			})
			require.NoError(t, use(s))
			device.Mend()
			require.NotEmpty(t, during)
			assert.NotContains(t, during, false)
			require.NoError(t, b.Close())
			require.NoError(t, d.Close())
		})
	}
}

func weakly[T any](x *T) func() bool {
	w := weak.Make(x)
	return func() bool { return w.Value() != nil }
}

// TestUnreachableObjectsAreReleased checks that unreachable objects are collected, and their resources returned to the driver, although
// work that uses them may still be queued.
func TestUnreachableObjectsAreReleased(t *testing.T) {
	here, err := Open(CPU())
	require.NoError(t, err)
	there, err := Open(On(sim.New(sim.Seed(3))))
	require.NoError(t, err)
	for _, d := range []*Device{here, there} {
		before := d.Usage()
		things := dropped(t, d)
		runtime.GC()
		for name, still := range things {
			assert.False(t, still(), "%s: the %s is kept", d.Backend(), name)
		}
		require.Eventually(t, func() bool { // cleanups run some time after a collection
			require.NoError(t, d.Wait())
			d.mu.Lock()
			defer d.mu.Unlock()
			return len(d.ops) == 0 && len(d.dropped) == 0 && len(d.held) <= 1
		}, 10*time.Second, time.Millisecond, d.Backend())
		after := d.Usage()
		assert.Equal(t, before.Objects, after.Objects, d.Backend())
		assert.Zero(t, after.Bytes, d.Backend())
		if d == there {
			assert.EqualValues(t, 4, after.Collected, "buffer, stream, event and op")
		}
		require.NoError(t, d.Close())
	}
}

// TestUploadInALoop never closes a buffer, on a device with memory for only a few.
func TestUploadInALoop(t *testing.T) {
	d, err := Open(On(sim.New(sim.MemoryBytes(1 << 20))))
	require.NoError(t, err)
	op, err := NewSmoothL1[float64](d, smoothl1.Loss{Beta: 1})
	require.NoError(t, err)
	x := make([]float64, 10_000)
	for range 100 {
		b, err := Upload(d, x)
		require.NoError(t, err)
		require.NoError(t, op.Forward(b, b))
	}
	assert.GreaterOrEqual(t, d.Usage().Collected, uint64(80))

	// Buffers in use are not released, and the allocation fails.
	var kept []*Buffer[float64]
	for {
		b, err := Upload(d, x)
		if err != nil {
			require.ErrorIs(t, err, smoothl1.ErrMemory)
			break
		}
		kept = append(kept, b)
	}
	require.Greater(t, len(kept), 8)
	for _, b := range kept {
		require.NoError(t, b.Download(x))
		require.NoError(t, b.Close())
	}
	require.NoError(t, op.Close())
	assert.Equal(t, Usage{Collected: d.Usage().Collected}, d.Usage())
	require.NoError(t, d.Close())
}

// TestUploadFromManyGoroutines has room for four times as many buffers as are in use at once: the rest of the memory is held by garbage.
func TestUploadFromManyGoroutines(t *testing.T) {
	const elements, goroutines = 10_000, 4
	d, err := Open(On(sim.New(sim.MemoryBytes(16*4*elements + 1000))))
	require.NoError(t, err)
	rounds := 200
	if testing.Short() {
		rounds = 40
	}
	var group sync.WaitGroup
	for range goroutines {
		group.Go(func() {
			for range rounds {
				b, err := Alloc[float32](d, elements)
				assert.NoError(t, err)
				runtime.KeepAlive(b)
			}
		})
	}
	group.Wait()
	use := d.Usage()
	assert.EqualValues(t, goroutines*rounds, int(use.Collected)+use.Objects)
	require.NoError(t, d.Close())
}

// A call that finds no memory waits for another call that is releasing memory at the time.
func TestAllocWaitsForMemoryThatIsBeingReleased(t *testing.T) {
	d, stub := openStub(t)
	dropped := newFour[float32](t, d, 4).pred
	freeing, proceed := make(chan struct{}), make(chan struct{})
	var freed atomic.Bool
	stub.faults.Before("Free", 1, func(string) error {
		close(freeing)
		<-proceed
		freed.Store(true)
		return nil
	})
	stub.faults.Before("Alloc", 0, func(string) error {
		if freed.Load() {
			return nil
		}
		return &driver.Error{Call: "Alloc", Code: driver.CodeOutOfMemory}
	})
	d.drop(dropped.held)
	swept, allocated := make(chan error, 1), make(chan error, 1)
	go func() { swept <- d.Wait() }()
	<-freeing
	go func() {
		_, err := Alloc[float32](d, 4)
		allocated <- err
	}()
	time.Sleep(300 * time.Millisecond) // longer than all attempts take
	assert.Empty(t, allocated, "gave up")
	close(proceed)
	require.NoError(t, <-swept)
	require.NoError(t, <-allocated)
}
