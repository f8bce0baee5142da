package gpu

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/smoothl1/smoothl1"
)

// A guard is the reference count of a buffer, stream or event: the calls that use it. It is never freed during one, and never used
// after it was freed.
type guard struct{ users atomic.Int32 }

const guardClosed = -1 << 30

// acquire adds a reference. Any number of calls may hold one.
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

// take is acquire for a call that admits no other beside it. release ends it, too.
func (g *guard) take() error {
	if g.users.CompareAndSwap(0, 1) {
		return nil
	}
	if g.users.Load() < 0 {
		return smoothl1.ErrClosed
	}
	return smoothl1.ErrBusy
}

// close admits no more references. It reports false where that had happened before, and ErrBusy where there is one.
func (g *guard) close() (bool, error) {
	if g.users.CompareAndSwap(0, guardClosed) {
		return true, nil
	}
	if g.users.Load() < 0 {
		return false, nil
	}
	return false, smoothl1.ErrBusy
}

// closeAfter admits no more references and waits until the last is released. It reports false where that had happened before.
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

// turns counts the calls on an op, of which there is one at a time: the number is odd during a call, and never the same again.
//
// Operands are not reference-counted: the atomics would cost more than a small loss. Instead a call on an op looks, once its turn has
// begun, whether an operand is closed; a Close first marks the operand as closed, and then waits for the turns that had
// begun: see Device.waitForTurns.
type turns struct{ n atomic.Uint64 }

const turnsClosed = 1 << 63

// begin begins a turn.
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

// close admits no more turns. It reports false where that had happened before, and ErrBusy during a turn.
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

// addOp lists an op for waitForTurns.
func (d *Device) addOp(t *turns) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ops[t] = struct{}{}
}

// removeOp forgets an op that is closed, or that nothing refers to any more.
func (d *Device) removeOp(t *turns) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.ops, t)
}

// waitForTurns returns when the calls on ops that are in progress have ended. Later ones do not use what was closed before.
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
