package gpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

func TestCloseOfTheDeviceWaitsForEveryCall(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		require.NoError(t, d.enter("a call"))
		done := make(chan error, 1)
		go func() { done <- d.Close() }()
		time.Sleep(20 * time.Millisecond)
		assert.Empty(t, done, "closed during a call")
		d.leave()
		require.NoError(t, <-done)
	})
}

// TestTurnsAreExclusive lets two goroutines begin a turn at the same time, repeatedly, and checks that one of them succeeds.
func TestTurnsAreExclusive(t *testing.T) {
	var all turns
	var arrived, left, got atomic.Int64
	meet := func(at *atomic.Int64, round int64) { // a spinning barrier, which both leave within nanoseconds
		at.Add(1)
		for spins := 0; at.Load() < 2*round; spins++ {
			if spins%1000 == 999 {
				runtime.Gosched()
			}
		}
	}
	const rounds = 20_000
	deadline := time.Now().Add(5 * time.Second)
	var late atomic.Int64 // the last round, once the deadline has passed; else 0
	var group sync.WaitGroup
	for k := range 2 {
		group.Go(func() {
			for round := int64(1); round <= rounds && (late.Load() == 0 || round <= late.Load()); round++ {
				if k == 0 && round%100 == 0 && late.Load() == 0 && time.Now().After(deadline) {
					late.Store(round) // before the other goroutine begins it
				}
				meet(&arrived, round)
				mine := all.begin() == nil
				if mine {
					got.Add(1)
				}
				meet(&left, round)
				if mine {
					all.end()
				}
			}
		})
	}
	group.Wait()
	assert.Equal(t, arrived.Load()/2, got.Load(), "one turn in each round")
	assert.EqualValues(t, 2*got.Load(), all.n.Load())
}

// TestEveryTurnEnds checks that a call ends its turn even if it finds the device closed or is refused. Otherwise Close would wait forever.
func TestEveryTurnEnds(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		b := newFour[float32](t, d, 4)
		calls := map[string]func() error{
			"Value":     func() error { _, err := op.Value(); return err },
			"ChunkSums": func() error { _, err := op.ChunkSums(nil); return err },
			"Reserve":   func() error { return op.Reserve(9, 1) },
		}
		for name, call := range optioned(t, d, op, b) {
			if name != "Event.Record" {
				calls[name] = func() error { return call() }
			}
		}
		atRest := func(name string) {
			if !assert.Zero(t, op.turns.n.Load()%2, name) {
				op.turns.end() // so that the test ends
			}
		}
		for _, closed := range []bool{false, true} { // true: as after Close has begun, before it waits
			d.closed.Store(closed)
			for name, call := range calls {
				err := call()
				if closed {
					assert.ErrorIs(t, err, smoothl1.ErrClosed, name)
				}
				atRest(name)
			}
			require.Error(t, op.Forward(b.pred, nil), "refused")
			atRest("refused")
		}
		d.closed.Store(false)
	})
}

// A refused call on a slice of a closed buffer must drop its reference to the slice. Otherwise Close of the slice would wait forever.
func TestCloseOfASliceOfAClosedBuffer(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		b := newFour[float32](t, d, 4)
		part, err := b.pred.Slice(1, 3)
		require.NoError(t, err)
		require.NoError(t, b.pred.Close())
		require.ErrorIs(t, part.Set(make([]float32, 2)), smoothl1.ErrClosed)
		require.Zero(t, part.guard.users.Load())
		require.NoError(t, part.Close())
	})
}
