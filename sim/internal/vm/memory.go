package vm

import (
	"fmt"
	"slices"
	"sort"
)

// Region is an allocation of device memory.
type Region struct {
	Base uint64
	Data []byte
	Name string // of a variable; empty for an allocation
	// Pinned is set for page-locked host memory.
	Pinned bool
	// Shadow is the strict mode's metadata; nil on a fast device.
	Shadow *Shadow
}

// End returns the first address after the region.
func (r *Region) End() uint64 { return r.Base + uint64(len(r.Data)) }

// Memory is a set of regions by address, and the regions that were freed last. It must not change while a launch runs.
type Memory struct {
	regions []*Region // by address; removed ones remain, without data, until tidy drops them
	removed int       // number of removed regions
	freed   []span    // latest last
}

type span struct{ base, end uint64 }

// maxFreed bounds the freed allocations that are remembered for error messages.
const maxFreed = 512

// Find returns the region that contains an address, or nil.
func (m *Memory) Find(addr uint64) *Region { return m.find(addr) }

func (m *Memory) find(addr uint64) *Region {
	i := sort.Search(len(m.regions), func(i int) bool { return m.regions[i].Base > addr }) - 1
	if i < 0 || addr-m.regions[i].Base >= uint64(len(m.regions[i].Data)) {
		return nil
	}
	return m.regions[i]
}

// Add adds a region, which must lie above all others.
func (m *Memory) Add(r *Region) { m.regions = append(m.regions, r) }

// Remove removes and returns the region that begins at base, or returns nil if there is none.
func (m *Memory) Remove(base uint64) *Region {
	i := sort.Search(len(m.regions), func(i int) bool { return m.regions[i].Base >= base })
	if i == len(m.regions) || m.regions[i].Base != base || len(m.regions[i].Data) == 0 {
		return nil
	}
	r := m.regions[i]
	if len(m.freed) == 2*maxFreed {
		m.freed = m.freed[:copy(m.freed, m.freed[maxFreed:])]
	}
	m.freed = append(m.freed, span{r.Base, r.End()})
	m.regions[i] = &Region{Base: base}
	m.removed++
	if m.removed > len(m.regions)/2 {
		m.tidy()
	}
	return r
}

// tidy drops removed regions. Its cost is amortized: at most two regions visited for each one removed since the last call.
func (m *Memory) tidy() {
	m.regions = slices.DeleteFunc(m.regions, func(r *Region) bool { return len(r.Data) == 0 })
	m.removed = 0
}

// Each calls f for every region.
func (m *Memory) Each(f func(r *Region)) {
	for _, r := range m.regions {
		if len(r.Data) > 0 {
			f(r)
		}
	}
}

// describe describes the position of an invalid address.
func (m *Memory) describe(addr uint64) string {
	for i := len(m.freed) - 1; i >= 0; i-- {
		if f := m.freed[i]; addr >= f.base && addr < f.end {
			return fmt.Sprintf("in an allocation of %d bytes at %#x that was freed", f.end-f.base, f.base)
		}
	}
	next := sort.Search(len(m.regions), func(i int) bool { return m.regions[i].Base > addr })
	last := next - 1
	for last >= 0 && len(m.regions[last].Data) == 0 {
		last--
	}
	for next < len(m.regions) && len(m.regions[next].Data) == 0 {
		next++
	}
	var near *Region
	var off string
	if last >= 0 {
		near = m.regions[last]
		if addr < near.End() {
			return fmt.Sprintf("across the end of the allocation of %d bytes at %#x", len(near.Data), near.Base)
		}
		off = fmt.Sprintf("%d bytes after", addr-near.End())
	}
	if next < len(m.regions) && (near == nil || m.regions[next].Base-addr < addr-near.End()) {
		near = m.regions[next]
		off = fmt.Sprintf("%d bytes before", near.Base-addr)
	}
	if near == nil {
		return "outside every allocation"
	}
	return fmt.Sprintf("outside every allocation, %s the one of %d bytes at %#x", off, len(near.Data), near.Base)
}

// Bank is a module's constant memory.
type Bank struct{ data []byte }
