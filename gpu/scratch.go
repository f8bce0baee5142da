package gpu

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
)

// scratch is the device memory of an op's reductions: the loss, the chunk sums of every level, and the tickets that identify the last warp
// to hand in one of 2048 chunk sums; what calls need that compute a divisor on the device; and where an index that is out of range is
// reported. The event done marks the end of the last use; uses of the scratch on other streams wait for it.
type scratch struct {
	cell   cell        // the loss, unless in memory
	memory *heldMemory // the loss, the tickets and the sums; nil in a new scratch
	side   *heldMemory // divisors, followed by their chunk sums, or nil
	fault  *indexFault // or nil
	done   driver.Event
	size   needs // capacity
}

// needs is the scratch that a call needs.
type needs struct {
	sums    int  // chunk sums of the loss, of all levels
	tickets int  // one for each of them from the second level on
	divisor int  // float64 for divisors and their chunk sums
	fault   bool // a place for indices out of range
}

// needsOf returns what a reduction of the given numbers of rows and of chunks of a row needs.
func needsOf(rows, chunks int) needs {
	levels := op.Levels(chunks)
	return needs{sums: rows * levels, tickets: rows * (levels - chunks)}
}

// The loss and the tickets precede the chunk sums, which begin at a sector of 32 bytes.
const ticketsOffset = 8

// headBytes is the size of what precedes the chunk sums, which is 0 in new memory.
func (n needs) headBytes() int { return (ticketsOffset + 4*n.tickets + 31) &^ 31 }

func (m *scratch) valueAt() driver.Ptr {
	if m.cell.at != 0 {
		return m.cell.at
	}
	return m.memory.at
}
func (m *scratch) ticketsAt() driver.Ptr { return m.memory.at + ticketsOffset }
func (m *scratch) sumsAt() driver.Ptr    { return m.memory.at + driver.Ptr(m.size.headBytes()) }

// newScratch returns a scratch with room for n, whose loss is in memory.
func newScratch(d *Device, n needs) (*scratch, error) {
	m := &scratch{}
	if err := m.grow(d, n); err != nil {
		return nil, err
	}
	var err error
	if m.done, err = d.drv.NewEvent(); err != nil {
		return nil, errors.Join(opError("create an event", "", 0, err), m.memory.release(d))
	}
	return m, nil
}

// holds reports whether there is room for n.
func (m *scratch) holds(n needs) bool {
	return n.sums <= m.size.sums && n.tickets <= m.size.tickets && n.divisor <= m.size.divisor
}

// moves reports whether memory that is in use has to move to make room for n.
func (m *scratch) moves(n needs) bool {
	return n.sums > m.size.sums || n.tickets > m.size.tickets || n.divisor > m.size.divisor && m.side != nil
}

// grow makes room for n. In new memory the tickets are 0.
func (m *scratch) grow(d *Device, n needs) error {
	if n.sums > m.size.sums || n.tickets > m.size.tickets || m.memory == nil {
		n := needs{sums: max(n.sums, m.size.sums), tickets: max(n.tickets, m.size.tickets)}
		if err := d.replace(&m.memory, n.headBytes()+8*n.sums, n.headBytes()); err != nil {
			return err
		}
		m.size.sums, m.size.tickets = n.sums, n.tickets
	}
	if n.divisor > m.size.divisor {
		if err := d.replace(&m.side, 8*n.divisor, 0); err != nil {
			return err
		}
		m.size.divisor = n.divisor
	}
	return nil
}

// replace allocates memory in place of what there is, clears its first bytes for work on any stream, and frees the old one.
func (d *Device) replace(memory **heldMemory, bytes, clear int) error {
	grown, err := d.allocate(bytes)
	if err != nil {
		return err
	}
	if clear > 0 {
		if err = opError("clear", "", clear, d.drv.Zero(grown.at, uint64(clear), 0)); err == nil {
			err = d.wait(0)
		}
	}
	if err != nil {
		_ = grown.release(d) // report the first error
		return err
	}
	old := *memory
	*memory = grown
	if old == nil {
		return nil
	}
	return old.release(d)
}

// clear zeroes the tickets, and leaves the loss.
func (m *scratch) clear(d *Device, on driver.Stream) error {
	bytes := m.size.headBytes() - ticketsOffset
	return opError("clear", "", bytes, d.drv.Zero(m.ticketsAt(), uint64(bytes), on))
}

// release implements holding.
func (m *scratch) release(d *Device) error {
	var errs []error
	if m.fault != nil {
		d.forget(m.fault)
		errs = append(errs, m.fault.memory.release(d))
	}
	if m.side != nil {
		errs = append(errs, m.side.release(d))
	}
	errs = append(errs, m.memory.release(d), opError("destroy an event", "", 0, d.drv.CloseEvent(m.done)))
	d.values.put(m.cell) // releasing the memory has waited for the work
	return errors.Join(errs...)
}

func float64FromDevice(cell []byte) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(cell))
}
