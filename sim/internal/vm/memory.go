package vm

import (
	"fmt"
	"sort"
)

// Region is an allocation of device memory.
type Region struct {
	Base uint64
	Data []byte
	Name string // of a variable; empty for an allocation
	// Shadow is what the strict mode remembers of it; nil: nothing.
	Shadow *Shadow
}

// End is the first address behind the region.
func (r *Region) End() uint64 { return r.Base + uint64(len(r.Data)) }

// Memory is a set of regions, by address, that does not change: allocating makes a new one.
type Memory struct {
	regions []*Region
	freed   []span // latest last
}

type span struct{ base, end uint64 }

// maxFreed is how many freed allocations are remembered, to name them in an error.
const maxFreed = 1024

// Find gives the region that holds an address.
func (m *Memory) Find(addr uint64) *Region { return m.find(addr) }

func (m *Memory) find(addr uint64) *Region {
	i := sort.Search(len(m.regions), func(i int) bool { return m.regions[i].Base > addr }) - 1
	if i < 0 || addr-m.regions[i].Base >= uint64(len(m.regions[i].Data)) {
		return nil
	}
	return m.regions[i]
}

// With is the memory with one region more, which lies above all others.
func (m *Memory) With(r *Region) *Memory {
	n := &Memory{regions: append(m.regions[:len(m.regions):len(m.regions)], r), freed: m.freed}
	return n
}

// Without is the memory less the region that begins at base.
func (m *Memory) Without(base uint64) (*Memory, *Region) {
	i := sort.Search(len(m.regions), func(i int) bool { return m.regions[i].Base >= base })
	if i == len(m.regions) || m.regions[i].Base != base {
		return m, nil
	}
	r := m.regions[i]
	n := &Memory{regions: make([]*Region, 0, len(m.regions)-1)}
	n.regions = append(append(n.regions, m.regions[:i]...), m.regions[i+1:]...)
	freed := m.freed
	if len(freed) >= maxFreed {
		freed = freed[len(freed)-maxFreed/2:]
	}
	n.freed = append(freed[:len(freed):len(freed)], span{r.Base, r.End()})
	return n, r
}

// Each calls f for every region.
func (m *Memory) Each(f func(name string, bytes uint64)) {
	for _, r := range m.regions {
		f(r.Name, uint64(len(r.Data)))
	}
}

// describe says where an address lies that no access may have.
func (m *Memory) describe(addr uint64) string {
	for i := len(m.freed) - 1; i >= 0; i-- {
		if f := m.freed[i]; addr >= f.base && addr < f.end {
			return fmt.Sprintf("in an allocation of %d bytes at %#x that was freed", f.end-f.base, f.base)
		}
	}
	i := sort.Search(len(m.regions), func(i int) bool { return m.regions[i].Base > addr })
	if i > 0 {
		if r := m.regions[i-1]; addr < r.End() {
			return fmt.Sprintf("across the end of the allocation of %d bytes at %#x", len(r.Data), r.Base)
		}
	}
	var near *Region
	var off string
	if i > 0 {
		near = m.regions[i-1]
		off = fmt.Sprintf("%d bytes after", addr-near.End())
	}
	if i < len(m.regions) && (near == nil || m.regions[i].Base-addr < addr-near.End()) {
		near = m.regions[i]
		off = fmt.Sprintf("%d bytes before", near.Base-addr)
	}
	if near == nil {
		return "outside every allocation"
	}
	return fmt.Sprintf("outside every allocation, %s the one of %d bytes at %#x", off, len(near.Data), near.Base)
}

// Bank is a module's constant memory.
type Bank struct{ data []byte }
