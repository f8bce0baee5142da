package gpu

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
)

// scratch is what a reduction leaves on the device: the loss, the ticket that finds the last block, and the chunk sums of
// every level; and the event at its end, which a use of any of that on another stream waits for.
type scratch struct {
	memory *heldMemory // nil: none yet
	done   driver.Event
	chunks int // the chunk sums of the first level that there is room for
}

// The loss and the ticket lie before the chunk sums.
const (
	ticketOffset = 8
	sumsOffset   = 16
)

func (m *scratch) valueAt() driver.Ptr  { return m.memory.at }
func (m *scratch) ticketAt() driver.Ptr { return m.memory.at + ticketOffset }
func (m *scratch) sumsAt() driver.Ptr   { return m.memory.at + sumsOffset }

// newScratch returns the scratch of an op that has room for so many chunk sums.
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

// grow makes room for the chunk sums. New memory comes with a ticket of 0.
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
		err = d.wait(0) // the ticket is 0 for launches on any stream
	}
	if err != nil {
		_ = memory.release(d) // the error that matters is the first
		return err
	}
	old := m.memory
	*m = grown
	if old == nil {
		return nil
	}
	return old.release(d)
}

// clear resets the ticket.
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
