package gpu

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/smoothl1/smoothl1"
)

// guard counts the calls that use a thing, so that it is never released under one and never used after its release.
type guard struct{ users atomic.Int32 }

const guardClosed = -1 << 30

// acquire begins one of any number of uses.
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

// take begins a use that admits no other.
func (g *guard) take() error {
	if g.users.CompareAndSwap(0, 1) {
		return nil
	}
	if g.users.Load() < 0 {
		return smoothl1.ErrClosed
	}
	return smoothl1.ErrBusy
}

// close ends all use. It reports false where that had happened before, and ErrBusy where a use is going on.
func (g *guard) close() (bool, error) {
	if g.users.CompareAndSwap(0, guardClosed) {
		return true, nil
	}
	if g.users.Load() < 0 {
		return false, nil
	}
	return false, smoothl1.ErrBusy
}

// closeAfter ends all use, after the uses going on. It reports false where that had happened before.
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

// turns are the calls on an op, one at a time: odd during a call, and never the same number again. What an op uses is not
// counted, since that would take a small loss longer than the loss itself. Instead, an op looks in its turn whether a thing is
// closed, and who wants to release one closes it first and then waits for the turns that had begun: see Device.waitForTurns.
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

// addOp has waitForTurns know of an op.
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

// waitForTurns returns when the calls on ops that go on have ended. What was closed before is not used by later ones.
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

// wait returns when done says so. Nobody tells the waiting, so that the calls waited for need not ask whether somebody waits.
func wait(done func() bool) {
	for pause := time.Microsecond; !done(); pause = min(2*pause, time.Millisecond) {
		runtime.Gosched()
		time.Sleep(pause)
	}
}
