package gpu

import (
	"errors"
	"math/bits"
	"sync"

	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
)

const (
	// pieceBytes is the size of a piece of one array. A bus of 25 to 55 GB/s takes 80 to 170 µs for it, about ten times the latency of
	// starting two copies and a kernel, which the other stream hides besides. In larger pieces, the first copy to the device and the
	// last one back, which overlap with nothing, would take a larger share.
	pieceBytes = 4 << 20
	// depth is the number of pieces under way: one that is copied in, one that is computed or copied back, and one that the host fills
	// or empties.
	depth = 3
	// maxStagings is the number of calls of Compute that a device runs at once. Others wait: two suffice to keep a bus busy.
	maxStagings = 4
)

// stagings are the staging memories of a device. Those that no call uses are kept for the next one.
type stagings struct {
	tokens     chan struct{} // one for each in use
	pieceBytes int

	staged   sync.Mutex
	idle     []*staging
	pageable string // why there is no page-locked memory, or ""
}

func newStagings() stagings {
	return stagings{tokens: make(chan struct{}, maxStagings), pieceBytes: pieceBytes}
}

// A staging is what a call of Compute uses: two streams, each with the scratch of an op, and room for pieces. It is a holding, and
// belongs to one call at a time.
type staging struct {
	lanes [2]lane
	slots [depth]slot
	start driver.Event // 0 until needed
}

type lane struct {
	stream  *Stream
	scratch *scratch
}

// A slot has room for a piece: pred and target on the device, where the gradient replaces pred; and in page-locked memory the same,
// followed by the chunk sums.
type slot struct {
	bytes int          // of an array
	room  *heldMemory  // nil: nothing yet
	host  *heldPinned  // nil if the copies go through pageable memory
	done  driver.Event // the end of the piece; 0: not created
}

// Pageable returns why Compute copies host arrays through pageable memory, and AllocHost returns such memory, so that copies and kernels do
// not overlap: because the driver has no page-locked memory, or has refused some. After that, none is asked for again. It is empty if that
// has not happened, and on the CPU.
func (d *Device) Pageable() string {
	if d == nil {
		return ""
	}
	d.staged.Lock()
	defer d.staged.Unlock()
	return d.pageable
}

// takeStaging returns a staging for a call, with room for the given number of pieces of an array of so many bytes. It waits while there
// are too many in use. The caller has entered the device.
func (d *Device) takeStaging(pieces, bytes int) (*staging, error) {
	d.tokens <- struct{}{}
	d.staged.Lock()
	var s *staging
	if n := len(d.idle); n > 0 {
		s, d.idle = d.idle[n-1], d.idle[:n-1]
	}
	d.staged.Unlock()
	if s == nil {
		s = &staging{}
		d.mu.Lock()
		d.held[s] = struct{}{}
		d.mu.Unlock()
	}
	if err := s.reserve(d, min(pieces, depth), bytes); err != nil {
		return nil, errors.Join(err, d.putStaging(s, false))
	}
	return s, nil
}

// putStaging gives a staging back. One whose work has not ended well is released, after that work.
func (d *Device) putStaging(s *staging, well bool) error {
	defer func() { <-d.tokens }()
	if !well {
		return d.giveBack(s)
	}
	d.staged.Lock()
	defer d.staged.Unlock()
	d.idle = append(d.idle, s)
	return nil
}

// dropIdle releases the stagings that are not in use.
func (d *Device) dropIdle() error {
	d.staged.Lock()
	idle := d.idle
	d.idle = nil
	d.staged.Unlock()
	var errs []error
	for _, s := range idle {
		errs = append(errs, d.giveBack(s))
	}
	return errors.Join(errs...)
}

// reserve makes room for pieces of an array.
func (s *staging) reserve(d *Device, pieces, bytes int) error {
	for i := range min(pieces, len(s.lanes)) {
		if err := s.lanes[i].open(d); err != nil {
			return err
		}
	}
	size := max(1<<12, 1<<bits.Len(uint(bytes-1)))
	for i := range pieces {
		if err := s.slots[i].grow(d, size); err != nil {
			return err
		}
	}
	if s.pinned(pieces) {
		return nil
	}
	for i := range s.slots { // all or none
		if err := s.slots[i].dropHost(d); err != nil {
			return err
		}
	}
	return nil
}

// pinned reports whether the first pieces have page-locked memory.
func (s *staging) pinned(pieces int) bool {
	for i := range pieces {
		if s.slots[i].host == nil {
			return false
		}
	}
	return true
}

func (l *lane) open(d *Device) error {
	if l.stream == nil {
		h, err := d.drv.NewStream()
		if err != nil {
			return opError("create a stream", "", 0, err)
		}
		l.stream = &Stream{dev: d, id: d.ids.Add(1), s: h, held: &heldStream{h}}
	}
	if l.scratch == nil {
		m, err := newScratch(d, needs{})
		if err != nil {
			return err
		}
		l.scratch = m
	}
	return nil
}

// sumsBytes is the room for the chunk sums of a piece of an array of so many bytes, whose elements have at least 2.
func sumsBytes(bytes int) int { return 8 * cpu.Chunks(bytes/2) }

// grow makes room for a piece.
func (s *slot) grow(d *Device, bytes int) error {
	if s.done == 0 {
		var err error
		if s.done, err = d.drv.NewEvent(); err != nil {
			return opError("create an event", "", 0, err)
		}
	}
	if s.bytes < bytes {
		if err := s.free(d); err != nil {
			return err
		}
		var err error
		if s.room, err = d.allocate(2 * bytes); err != nil {
			return err
		}
		s.bytes = bytes
	}
	if s.host == nil {
		s.host = d.requestPinned(2*s.bytes + sumsBytes(s.bytes))
	}
	return nil
}

// free frees the memory.
func (s *slot) free(d *Device) error {
	var err error
	if s.room != nil {
		err = s.room.release(d)
	}
	s.room, s.bytes = nil, 0
	return errors.Join(err, s.dropHost(d))
}

func (s *slot) dropHost(d *Device) error {
	if s.host == nil {
		return nil
	}
	h := s.host
	s.host = nil
	return h.release(d)
}

// release implements holding.
func (s *staging) release(d *Device) error {
	var errs []error
	for i := range s.lanes {
		l := &s.lanes[i]
		if l.stream != nil {
			errs = append(errs, l.stream.held.release(d))
		}
		if l.scratch != nil {
			errs = append(errs, l.scratch.release(d))
		}
	}
	for i := range s.slots {
		errs = append(errs, s.slots[i].free(d))
		if e := s.slots[i].done; e != 0 {
			errs = append(errs, opError("destroy an event", "", 0, d.drv.CloseEvent(e)))
		}
	}
	if s.start != 0 {
		errs = append(errs, opError("destroy an event", "", 0, d.drv.CloseEvent(s.start)))
	}
	return errors.Join(errs...)
}

// after makes the staging's work wait for that queued on a stream.
func (s *staging) after(d *Device, on *Stream) error {
	if s.start == 0 {
		var err error
		if s.start, err = d.drv.NewEvent(); err != nil {
			return opError("create an event", "", 0, err)
		}
	}
	if err := d.drv.Record(s.start, on.handle()); err != nil {
		return opError("record an event", "", 0, err)
	}
	for i := range s.lanes {
		if l := &s.lanes[i]; l.stream != nil {
			if err := d.drv.WaitEvent(s.start, l.stream.s); err != nil {
				return opError("wait for an event", "", 0, err)
			}
		}
	}
	return nil
}

// heldPinned is page-locked host memory.
type heldPinned struct {
	host []byte
	at   driver.Ptr
}

func (h *heldPinned) release(d *Device) error {
	return opError("free page-locked memory", "", len(h.host), driver.PinnedOf(d.drv).FreePinned(h.at))
}

// requestPinned allocates page-locked memory, or returns nil and remembers why there is none.
func (d *Device) requestPinned(bytes int) *heldPinned {
	d.staged.Lock()
	defer d.staged.Unlock()
	if d.pageable != "" {
		return nil
	}
	p := driver.PinnedOf(d.drv)
	if p == nil {
		d.pageable = "the driver has no page-locked memory"
		return nil
	}
	host, at, err := p.AllocPinned(uint64(bytes))
	if err != nil {
		d.pageable = opError("allocate page-locked memory", "", bytes, err).Error()
		return nil
	}
	return &heldPinned{host, at}
}
