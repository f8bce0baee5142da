package gpu

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// scratch is the device memory of an op's reductions: the loss, the ticket that identifies the last block, and the chunk sums of
// every level; what calls need that compute a divisor on the device; and where an index that is out of range is reported. The event done
// marks the end of the last use; uses of the scratch on other streams wait for it.
type scratch struct {
	memory  *heldMemory // the loss, the ticket and the sums; nil in a new scratch
	side    *heldMemory // divisors, followed by their chunk sums, or nil
	fault   *indexFault // or nil
	done    driver.Event
	sums    int // capacity of memory, in chunk sums of all levels
	divisor int // capacity of side, in float64
}

// The loss and the ticket precede the chunk sums, which begin at a sector of 32 bytes.
const (
	ticketOffset = 8
	sumsOffset   = 32
)

func (m *scratch) valueAt() driver.Ptr  { return m.memory.at }
func (m *scratch) ticketAt() driver.Ptr { return m.memory.at + ticketOffset }
func (m *scratch) sumsAt() driver.Ptr   { return m.memory.at + sumsOffset }

// newScratch returns a scratch with room for the given number of chunk sums, of all levels.
func newScratch(d *Device, sums int) (*scratch, error) {
	m := &scratch{}
	if err := m.grow(d, sums, 0); err != nil {
		return nil, err
	}
	var err error
	if m.done, err = d.drv.NewEvent(); err != nil {
		return nil, errors.Join(opError("create an event", "", 0, err), m.memory.release(d))
	}
	return m, nil
}

// grow makes room for the given number of chunk sums, of all levels, and of float64 for divisors. In new memory the ticket is 0.
func (m *scratch) grow(d *Device, sums, divisor int) error {
	if sums > m.sums || m.memory == nil {
		if err := d.replace(&m.memory, sumsOffset+8*sums, sumsOffset); err != nil {
			return err
		}
		m.sums = sums
	}
	if divisor > m.divisor {
		if err := d.replace(&m.side, 8*divisor, 0); err != nil {
			return err
		}
		m.divisor = divisor
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

// clear zeroes the loss and the ticket.
func (m *scratch) clear(d *Device, on driver.Stream) error {
	return opError("clear", "", sumsOffset, d.drv.Zero(m.memory.at, sumsOffset, on))
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
	return errors.Join(errs...)
}

func float64FromDevice(cell [8]byte) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(cell[:]))
}
