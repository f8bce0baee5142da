package gpu

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
)

// scratch is the device memory of an op's reductions: the loss, the ticket that identifies the last block, and the chunk sums of
// every level. The event done marks the end of the last reduction; uses of the scratch on other streams wait for it.
type scratch struct {
	memory *heldMemory // nil in a new scratch
	done   driver.Event
	chunks int // capacity, in chunk sums of the first level
}

// The loss and the ticket precede the chunk sums.
const (
	ticketOffset = 8
	sumsOffset   = 16
)

func (m *scratch) valueAt() driver.Ptr  { return m.memory.at }
func (m *scratch) ticketAt() driver.Ptr { return m.memory.at + ticketOffset }
func (m *scratch) sumsAt() driver.Ptr   { return m.memory.at + sumsOffset }

// newScratch returns a scratch with room for the given number of chunk sums.
func newScratch(d *Device, chunks int) (*scratch, error) {
	m := &scratch{}
	if err := m.grow(d, chunks); err != nil {
		return nil, err
	}
	var err error
	if m.done, err = d.drv.NewEvent(); err != nil {
		return nil, errors.Join(opError("create an event", "", 0, err), m.memory.release(d))
	}
	return m, nil
}

// grow makes room for the given number of chunk sums. In new memory the ticket is 0.
func (m *scratch) grow(d *Device, chunks int) error {
	if chunks <= m.chunks {
		return nil
	}
	memory, err := d.allocate(sumsOffset + 8*op.Levels(chunks))
	if err != nil {
		return err
	}
	grown := scratch{memory: memory, done: m.done, chunks: chunks}
	if err = grown.clear(d, 0); err == nil {
		err = d.wait(0) // for launches on any stream
	}
	if err != nil {
		_ = memory.release(d) // report the first error
		return err
	}
	old := m.memory
	*m = grown
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
	return errors.Join(m.memory.release(d), opError("destroy an event", "", 0, d.drv.CloseEvent(m.done)))
}

func float64FromDevice(cell [8]byte) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(cell[:]))
}
