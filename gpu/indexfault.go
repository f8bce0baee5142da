package gpu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// An indexFault is where the kernels of an op report an index that is out of range: 8 bytes, 0 or the complement of row << 32 | index for
// the lowest such row.
type indexFault struct {
	memory  *heldMemory
	call    string // the last call that may have written to it
	actions int    // its number of columns of pred
	on      driver.Stream
	err     error // reported for that call, or nil
}

// indexFaults are those that have not been read since the last call that may have written to them. Whoever waits for that call reads them.
type indexFaults struct {
	faultsMu sync.Mutex
	pending  map[*indexFault]struct{}
}

// newIndexFault returns one for an op's scratch.
func newIndexFault(d *Device) (*indexFault, error) {
	f := &indexFault{}
	return f, d.replace(&f.memory, 8, 8)
}

// expect records that a call on a stream may write to f.
func (d *Device) expect(f *indexFault, call string, actions int, on driver.Stream) {
	d.faultsMu.Lock()
	defer d.faultsMu.Unlock()
	if d.pending == nil {
		d.pending = map[*indexFault]struct{}{}
	}
	f.call, f.actions, f.on, f.err = call, actions, on, nil
	d.pending[f] = struct{}{}
}

func (d *Device) forget(f *indexFault) {
	d.faultsMu.Lock()
	defer d.faultsMu.Unlock()
	delete(d.pending, f)
}

// reportIndices returns an error if a call on the stream had an index out of range. The work of the stream is done.
func (d *Device) reportIndices(on driver.Stream) error {
	d.faultsMu.Lock()
	defer d.faultsMu.Unlock()
	var errs []error
	for f := range d.pending {
		if f.on == on {
			errs = append(errs, d.report(f))
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
	return d.report(f)
}

// indexError returns the error that was reported for the last call that may have written to f.
func (d *Device) indexError(f *indexFault) error {
	d.faultsMu.Lock()
	defer d.faultsMu.Unlock()
	return f.err
}

// report reads f and, if there is a fault, clears it. The caller holds faultsMu.
func (d *Device) report(f *indexFault) error {
	var cell [8]byte
	if err := opError("read the index fault", "", len(cell), d.drv.CopyOut(cell[:], f.memory.at, 0)); err != nil {
		return err
	}
	delete(d.pending, f)
	x := binary.LittleEndian.Uint64(cell[:])
	if x == 0 {
		return nil
	}
	row, index := uint32(^x>>32), int32(uint32(^x))
	f.err = smoothl1.NewArgError(f.call, fmt.Sprintf("index[%d]", row), index, fmt.Errorf("%w: pred has %d columns", smoothl1.ErrIndex, f.actions))
	if failed := opError("clear", "", len(cell), d.drv.Zero(f.memory.at, 8, 0)); failed != nil {
		return errors.Join(f.err, failed)
	}
	return errors.Join(f.err, d.wait(0)) // for calls on any stream
}
