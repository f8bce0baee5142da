package gpu

import (
	"sync/atomic"

	"github.com/smoothl1/smoothl1"
)

// guard counts the calls that use a thing, so that it is never released under one and never used after its release.
type guard struct{ users atomic.Int32 }

const guardClosed = -1 << 30

// share begins one of any number of uses.
func (g *guard) share() error {
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

func (g *guard) unshare() { g.users.Add(-1) }

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

func (g *guard) closed() bool { return g.users.Load() < 0 }
