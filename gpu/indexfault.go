package gpu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// An indexFault is where the kernels of an op report an index that is out of range: two cells of 8 bytes, for calls that reduce and for
// others, so that a loss is lost only by its own index. A cell is 0 or the complement of row << 32 | index for the lowest such row.
type indexFault struct {
	memory  *heldMemory
	calls   [2]indexedCall  // those that may have written to the cells since they were read
	streams []driver.Stream // of these calls, in the order of their work
	turn    uint64          // of the last of them
	err     error           // reported for the last call that reduces, or nil
}

// indexedCall describes the calls that share a cell.
type indexedCall struct {
	name    string
	actions int // number of columns of pred, or −1 if the calls differ in it
}

func (c *indexedCall) add(name string, actions int) {
	if c.name != "" && c.actions != actions {
		actions = -1
	}
	c.name, c.actions = name, actions
}

const faultBytes = 16

// cellOf returns the cell of a call.
func cellOf(reduces bool) int {
	if reduces {
		return 0
	}
	return 1
}

// at returns the address of the cell of a call.
func (f *indexFault) at(reduces bool) driver.Ptr { return f.memory.at + driver.Ptr(8*cellOf(reduces)) }

// indexFaults are those that have not been read since the last call that may have written to them. Whoever waits for that call reads them.
type indexFaults struct {
	faultsMu   sync.Mutex
	pending    map[*indexFault]struct{}
	indexTurns atomic.Uint64 // number of calls queued so far
}

// beingQueued is the turn of a call that is not on its stream yet.
const beingQueued = math.MaxUint64

// newIndexFault returns one for an op's scratch.
func newIndexFault(d *Device) (*indexFault, error) {
	f := &indexFault{}
	return f, d.replace(&f.memory, faultBytes, faultBytes)
}

// expect records that a call, which is about to be queued on a stream after the earlier ones, may write to f.
func (d *Device) expect(f *indexFault, name string, actions int, reduces bool, on driver.Stream) {
	d.faultsMu.Lock()
	defer d.faultsMu.Unlock()
	if d.pending == nil {
		d.pending = map[*indexFault]struct{}{}
	}
	if _, unread := d.pending[f]; !unread {
		f.calls, f.streams = [2]indexedCall{}, f.streams[:0]
	}
	f.calls[cellOf(reduces)].add(name, actions)
	f.streams = append(slices.DeleteFunc(f.streams, func(s driver.Stream) bool { return s == on }), on)
	f.turn = beingQueued
	if reduces {
		f.err = nil
	}
	d.pending[f] = struct{}{}
}

// queued records that the call is on its stream.
func (d *Device) queued(f *indexFault) {
	d.faultsMu.Lock()
	defer d.faultsMu.Unlock()
	f.turn = d.indexTurns.Add(1)
}

// turnsQueued returns the number of calls queued so far, for reportIndices.
func (d *Device) turnsQueued() uint64 { return d.indexTurns.Load() }

func (d *Device) forget(f *indexFault) {
	d.faultsMu.Lock()
	defer d.faultsMu.Unlock()
	delete(d.pending, f)
}

// reportIndices returns an error if a call on the stream had an index out of range. The work that was on the stream when turnsQueued returned
// done is over. Later calls, and those on other streams, may still write: what they share is then left to whoever waits for the last.
func (d *Device) reportIndices(on driver.Stream, done uint64) error {
	d.faultsMu.Lock()
	defer d.faultsMu.Unlock()
	var errs []error
	for f := range d.pending {
		if i := slices.Index(f.streams, on); i >= 0 {
			errs = append(errs, d.report(f, i == len(f.streams)-1 && f.turn <= done))
		}
	}
	return errors.Join(errs...)
}

// reportIndex is reportIndices for the last call that may have written to f, on whatever stream it was.
func (d *Device) reportIndex(f *indexFault) error {
	d.faultsMu.Lock()
	defer d.faultsMu.Unlock()
	if _, ok := d.pending[f]; !ok {
		return nil
	}
	return d.report(f, true)
}

// indexError returns the error that was reported for the last call that reduces and may have written to f.
func (d *Device) indexError(f *indexFault) error {
	d.faultsMu.Lock()
	defer d.faultsMu.Unlock()
	return f.err
}

// report reads f. If that is the last time, it clears f. The caller holds faultsMu.
func (d *Device) report(f *indexFault, last bool) error {
	var cells [faultBytes]byte
	if err := opError("read the index fault", "", len(cells), d.drv.CopyOut(cells[:], f.memory.at, 0)); err != nil {
		return err
	}
	if last {
		delete(d.pending, f)
	}
	var errs []error
	for i, c := range f.calls {
		x := binary.LittleEndian.Uint64(cells[8*i:])
		if x == 0 {
			continue
		}
		row, index := uint32(^x>>32), int32(uint32(^x))
		why := fmt.Errorf("%w: pred has %d columns", smoothl1.ErrIndex, c.actions)
		if c.actions < 0 {
			why = fmt.Errorf("%w in one of the calls since the last wait", smoothl1.ErrIndex)
		}
		err := smoothl1.NewArgError(c.name, fmt.Sprintf("index[%d]", row), index, why)
		if errs = append(errs, err); i == cellOf(true) {
			f.err = err
		}
	}
	if len(errs) > 0 && last {
		if failed := opError("clear", "", len(cells), d.drv.Zero(f.memory.at, faultBytes, 0)); failed != nil {
			return errors.Join(append(errs, failed)...)
		}
		errs = append(errs, d.wait(0)) // for calls on any stream
	}
	return errors.Join(errs...)
}
