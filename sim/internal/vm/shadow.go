package vm

import "math/bits"

// Shadow holds the strict mode's metadata of a range of memory: which bytes have been written, and the last accesses of each cell.
type Shadow struct {
	valid   []uint64 // a bit for each byte
	missing uint64   // number of unwritten bytes
	pages   []page
}

const (
	pageShift = 12 // log2 of the bytes of memory that one page of cells covers
	pageBytes = 1 << pageShift
	maxGrain  = 4 // log2 of the largest access
)

// page holds the cells of a page of memory. A cell is as wide as the page's narrowest access in this launch.
type page struct {
	stamp uint64 // the launch or block that the cells belong to
	grain uint8  // log2 of a cell's bytes
	cells []cell
}

// cell records the last write of some bytes and the reads since then.
type cell struct {
	write, read       epoch
	writeAt, readFrom int32 // Program.Source
}

// NewShadow returns the shadow of size bytes of unwritten memory.
func NewShadow(size uint64) *Shadow {
	return &Shadow{valid: make([]uint64, (size+63)/64), missing: size, pages: make([]page, (size+pageBytes-1)/pageBytes)}
}

// forget marks all bytes as unwritten.
func (s *Shadow) forget(size uint64) {
	clear(s.valid)
	s.missing = size
}

// written marks the n bytes of an aligned access as written. Their bits lie in one word.
func (s *Shadow) written(off, n uint64) {
	w, mask := &s.valid[off>>6], (uint64(1)<<n-1)<<(off&63)
	if miss := mask &^ *w; miss != 0 {
		*w |= mask
		s.missing -= uint64(bits.OnesCount64(miss))
	}
}

// isWritten reports whether all bytes of an aligned access have been written.
func (s *Shadow) isWritten(off, n uint64) bool {
	mask := (uint64(1)<<n - 1) << (off & 63)
	return s.valid[off>>6]&mask == mask
}

// Written marks any range of bytes as written.
func (s *Shadow) Written(off, n uint64) {
	for ; n > 0 && off&63 != 0; off, n = off+1, n-1 {
		s.written(off, 1)
	}
	for ; n >= 64; off, n = off+64, n-64 {
		w := &s.valid[off>>6]
		s.missing -= uint64(64 - bits.OnesCount64(*w))
		*w = ^uint64(0)
	}
	for ; n > 0; off, n = off+1, n-1 {
		s.written(off, 1)
	}
}

// Copied copies the marks of one range to another.
func (s *Shadow) Copied(off uint64, from *Shadow, at, n uint64) {
	if from.missing == 0 {
		s.Written(off, n)
		return
	}
	// The ranges may overlap: the marks are read before they are written.
	marks := make([]bool, n)
	for i := range marks {
		marks[i] = from.isWritten(at+uint64(i), 1)
	}
	for i, m := range marks {
		o := off + uint64(i)
		w, bit := &s.valid[o>>6], uint64(1)<<(o&63)
		switch was := *w&bit != 0; {
		case m && !was:
			*w |= bit
			s.missing--
		case !m && was:
			*w &^= bit
			s.missing++
		}
	}
}

// page returns the page of an access of 2^log bytes, first splitting its cells if they are wider than that. Each part of a split cell
// has its own list of readers.
func (s *Shadow) page(off, stamp uint64, log uint8, readers *readerLists) *page {
	p := &s.pages[off>>pageShift]
	if p.stamp != stamp {
		n := pageBytes >> log
		if cap(p.cells) >= n {
			p.cells = p.cells[:n]
			clear(p.cells)
		} else {
			p.cells = make([]cell, n)
		}
		p.stamp, p.grain = stamp, log
	}
	if log < p.grain {
		old, k := p.cells, p.grain-log
		p.cells = make([]cell, len(old)<<k)
		for i := range p.cells {
			p.cells[i] = old[i>>k]
			if i>>k<<k != i {
				p.cells[i].read = readers.cloned(old[i>>k].read)
			}
		}
		p.grain = log
	}
	return p
}
