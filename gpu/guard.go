package gpu

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/smoothl1/smoothl1"
)

// A guard counts the calls that use a buffer, stream or event, so that it is not freed while one is in progress, nor used
// afterwards.
type guard struct{ users atomic.Int32 }

const guardClosed = -1 << 30

// acquire adds a reference. Any number of calls may hold one at a time.
func (g *guard) acquire() error {
	for {
		n := g.users.Load()
		if n < 0 {
			return smoothl1.ErrClosed
		}
		if g.users.CompareAndSwap(n, n+1) {
			return nil
		}
	}
}

func (g *guard) release() { g.users.Add(-1) }

// take acquires the only reference, or fails with ErrBusy if there is one already. release drops it.
func (g *guard) take() error {
	if g.users.CompareAndSwap(0, 1) {
		return nil
	}
	if g.users.Load() < 0 {
		return smoothl1.ErrClosed
	}
	return smoothl1.ErrBusy
}

// close closes the guard to further references. It reports false if it was closed already, and fails with ErrBusy if a reference
// is held.
func (g *guard) close() (bool, error) {
	if g.users.CompareAndSwap(0, guardClosed) {
		return true, nil
	}
	if g.users.Load() < 0 {
		return false, nil
	}
	return false, smoothl1.ErrBusy
}

// closeAfter closes the guard to further references and waits until the last one is released. It reports false if the guard was
// closed already.
func (g *guard) closeAfter() bool {
	for {
		n := g.users.Load()
		if n < 0 {
			return false
		}
		if g.users.CompareAndSwap(n, n+guardClosed) {
			break
		}
	}
	wait(func() bool { return g.users.Load() == guardClosed })
	return true
}

func (g *guard) closed() bool { return g.users.Load() < 0 }

// turns admits one call on an op at a time, its turn. The count is incremented when a turn begins and when it ends: it is odd during
// a turn, and no two turns have the same count.
//
// Operands are not reference-counted: the atomics would cost more than a small loss. Instead a call on an op first begins its turn,
// and then checks that no operand is closed, while Close first marks the operand as closed, and then waits for the turns in progress:
// see Device.waitForTurns.
type turns struct{ n atomic.Uint64 }

const turnsClosed = 1 << 63

// begin begins a turn. It fails with ErrBusy during another one.
func (t *turns) begin() error {
	n := t.n.Load()
	switch {
	case n&turnsClosed != 0:
		return smoothl1.ErrClosed
	case n%2 == 1 || !t.n.CompareAndSwap(n, n+1):
		return smoothl1.ErrBusy
	}
	return nil
}

func (t *turns) end() { t.n.Add(1) }

// close closes the op to further turns. It reports false if it was closed already, and fails with ErrBusy during a turn.
func (t *turns) close() (bool, error) {
	n := t.n.Load()
	switch {
	case n&turnsClosed != 0:
		return false, nil
	case n%2 == 1 || !t.n.CompareAndSwap(n, n|turnsClosed):
		return false, smoothl1.ErrBusy
	}
	return true, nil
}

func (t *turns) closed() bool { return t.n.Load()&turnsClosed != 0 }

// addOp registers an op for waitForTurns.
func (d *Device) addOp(t *turns) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ops[t] = struct{}{}
}

// removeOp unregisters an op that is closed or unreachable.
func (d *Device) removeOp(t *turns) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.ops, t)
}

// waitForTurns waits until the turns in progress have ended. Later turns see that the operand is closed.
func (d *Device) waitForTurns() {
	type turn struct {
		of *turns
		n  uint64
	}
	var begun []turn
	d.mu.Lock()
	for t := range d.ops {
		if n := t.n.Load(); n%2 == 1 {
			begun = append(begun, turn{t, n})
		}
	}
	d.mu.Unlock()
	for _, b := range begun {
		wait(func() bool { return b.of.n.Load() != b.n })
	}
}

// wait polls with back-off until done returns true, so that the fast path never signals.
func wait(done func() bool) {
	for pause := time.Microsecond; !done(); pause = min(2*pause, time.Millisecond) {
		runtime.Gosched()
		time.Sleep(pause)
	}
}
