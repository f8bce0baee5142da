package gpu

import (
	"encoding/binary"
	"math"

	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// scratch is what a reduction leaves on the device: the loss, the ticket that finds the last block, and the chunk sums of
// every level. On the CPU, the chunk sums alone.
type scratch struct {
	at     driver.Ptr
	bytes  int
	chunks int     // the chunk sums of the first level that there is room for
	cell   [8]byte // where the loss is read to
	host   []float64
}

// The loss and the ticket lie before the chunk sums.
const (
	ticketOffset = 8
	sumsOffset   = 16
)

func (m *scratch) valueAt() driver.Ptr  { return m.at }
func (m *scratch) ticketAt() driver.Ptr { return m.at + ticketOffset }
func (m *scratch) sumsAt() driver.Ptr   { return m.at + sumsOffset }

// allLevels returns the numbers of all levels of the canonical sum of chunks chunk sums.
func allLevels(chunks int) int {
	total := chunks
	for chunks > 1 {
		chunks = cpu.Chunks(chunks)
		total += chunks
	}
	return total
}

// grow makes room for the chunk sums. New memory comes with a ticket of 0.
func (m *scratch) grow(d *Device, chunks int) error {
	if chunks <= m.chunks {
		return nil
	}
	if d.drv == nil {
		m.host, m.chunks = make([]float64, chunks), chunks
		return nil
	}
	bytes := sumsOffset + 8*allLevels(chunks)
	at, err := d.drv.Alloc(uint64(bytes))
	if err != nil {
		return opError("allocate", "", bytes, err)
	}
	grown := scratch{at: at, bytes: bytes, chunks: chunks}
	if err = grown.clear(d, 0); err == nil {
		err = d.wait(0) // the ticket is 0 for launches on any stream
	}
	if err != nil {
		_ = grown.release(d) // the error that matters is the first
		return err
	}
	old := *m
	*m = grown
	return old.release(d)
}

// clear resets the ticket.
func (m *scratch) clear(d *Device, on driver.Stream) error {
	if err := d.drv.Zero(m.at, sumsOffset, on); err != nil {
		return opError("clear", "", sumsOffset, err)
	}
	return nil
}

func (m *scratch) release(d *Device) error {
	at, bytes := m.at, m.bytes
	*m = scratch{}
	if at == 0 {
		return nil
	}
	if err := d.drv.Free(at); err != nil {
		return opError("free", "", bytes, err)
	}
	return nil
}

func float64FromDevice(cell [8]byte) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(cell[:]))
}
