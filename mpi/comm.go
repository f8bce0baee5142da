package mpi

import (
	"fmt"
	"math"
	"sync"

	"github.com/smoothl1/smoothl1"
)

// A Comm is a communicator: an ordered group of ranks that call collective operations. Rank and Size may be called at any time; for the
// rest, one call at a time. A Comm that Split returned is closed by Free.
type Comm struct {
	made, world bool
	name        string
	handle      int32
	rank, size  int

	mu    sync.Mutex // held during a call
	freed bool
	call  call
}

// Rank returns the number of this process in the group, from 0 up. It is −1 for a nil or zero Comm.
func (c *Comm) Rank() int {
	if c == nil || !c.made {
		return -1
	}
	return c.rank
}

// Size returns the number of ranks. It is 0 for a nil or zero Comm.
func (c *Comm) Size() int {
	if c == nil || !c.made {
		return 0
	}
	return c.size
}

// String returns a name, the rank and the size, such as "world, rank 1 of 4".
func (c *Comm) String() string {
	switch {
	case c == nil:
		return "nil"
	case !c.made:
		return "Comm{}"
	}
	return fmt.Sprintf("%s, rank %d of %d", c.name, c.rank, c.size)
}

// Split divides the ranks: those that give the same color ≥ 0 form a new communicator, ordered by key and then by rank. A rank with a
// negative color is in none, and gets nil. Split is collective.
func (c *Comm) Split(color, key int) (*Comm, error) {
	const op = "Split"
	if color > math.MaxInt32 {
		return nil, smoothl1.NewArgError(op, "color", color, smoothl1.ErrTooLarge)
	}
	if key > math.MaxInt32 || key < math.MinInt32 {
		return nil, smoothl1.NewArgError(op, "key", key, smoothl1.ErrTooLarge)
	}
	if err := c.enter(op); err != nil {
		return nil, err
	}
	defer c.leave()
	k := &c.call
	k.kind, k.root, k.key = doSplit, int32(max(color, -1)), int32(key)
	if err := c.failed(op, k.do()); err != nil || color < 0 {
		return nil, err
	}
	made := &Comm{made: true, name: fmt.Sprintf("%s/%d", c.name, color), handle: k.out}
	return made, made.measure(op)
}

// Free releases a communicator that Split returned. It is collective. A second Free does nothing; the communicator of all ranks cannot be
// freed.
func (c *Comm) Free() error {
	const op = "Free"
	if c != nil && c.made && c.world {
		return smoothl1.NewArgError(op, "comm", c, ErrWorld)
	}
	if c == nil || !c.made {
		return nil
	}
	if !c.mu.TryLock() {
		return smoothl1.NewArgError(op, "comm", c, smoothl1.ErrBusy)
	}
	freed := c.freed
	c.mu.Unlock()
	if freed {
		return nil
	}
	if err := c.enter(op); err != nil {
		return err
	}
	defer c.leave()
	c.call.kind, c.freed = doFree, true
	return c.failed(op, c.call.do())
}

// measure asks for the rank and the size of a new communicator.
func (c *Comm) measure(op string) error {
	k := &c.call
	k.comm, k.done = c.handle, make(chan struct{})
	k.kind = doSize
	if code := k.do(); code != 0 {
		return c.failed(op, code)
	}
	c.size, k.kind = int(k.out), doRank
	if code := k.do(); code != 0 {
		return c.failed(op, code)
	}
	c.rank = int(k.out)
	k.counts, k.starts = make([]int32, c.size), make([]int32, c.size)
	k.sendCounts, k.sendStarts = make([]int32, c.size), make([]int32, c.size)
	return nil
}

// enter begins a call; the caller ends it with leave.
func (c *Comm) enter(op string) error {
	switch {
	case c == nil:
		return smoothl1.NewArgError(op, "comm", "nil", smoothl1.ErrNil)
	case !c.made:
		return smoothl1.NewArgError(op, "comm", "Comm{}", smoothl1.ErrZero)
	case !c.mu.TryLock():
		return smoothl1.NewArgError(op, "comm", c, smoothl1.ErrBusy)
	}
	if c.freed {
		c.mu.Unlock()
		return smoothl1.NewArgError(op, "comm", c, smoothl1.ErrClosed)
	}
	library.mu.RLock()
	if library.phase != running {
		library.mu.RUnlock()
		c.mu.Unlock()
		return smoothl1.NewArgError(op, "MPI", library.phase, ErrState)
	}
	return nil
}

func (c *Comm) leave() {
	c.call.forget()
	library.mu.RUnlock()
	c.mu.Unlock()
}

// failed returns the error of a code, nil for 0.
func (c *Comm) failed(op string, code int) error {
	if code == 0 {
		return nil
	}
	return &Error{Op: op, Comm: c.name, Rank: c.rank, Size: c.size, Code: code, Text: errorText(code)}
}
