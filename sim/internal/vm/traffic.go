package vm

import (
	"math/bits"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// Traffic counts accesses of memory. A request is one instruction of one warp.
type Traffic struct {
	Requests  uint64
	Bytes     uint64    // requested by lanes
	Sectors   uint64    // 32-byte sectors touched, each counted once per request
	Conflicts uint64    // extra passes caused by bank conflicts in shared memory
	Widths    [5]uint64 // requests by the bytes that each lane accesses: 1, 2, 4, 8, 16
}

// Add adds the counts of other accesses.
func (t *Traffic) Add(o Traffic) {
	t.Requests += o.Requests
	t.Bytes += o.Bytes
	t.Sectors += o.Sectors
	t.Conflicts += o.Conflicts
	for i, n := range o.Widths {
		t.Widths[i] += n
	}
}

// Kinds of traffic: of a space, loads, stores and atomic operations.
const (
	GlobalTraffic = iota
	SharedTraffic
	LocalTraffic
	trafficSpaces
)

const (
	LoadTraffic = iota
	StoreTraffic
	AtomicTraffic
	trafficKinds
)

// count counts an access of the active lanes, whose addresses are in w.addr. Constants and parameters are not counted.
func (w *warp) count(o *op, lo, hi uint64) {
	m := o.mem
	w.accessWork(m)
	space := GlobalTraffic
	switch m.space {
	case ptx.Shared:
		space = SharedTraffic
	case ptx.Local:
		space = LocalTraffic
	case ptx.Const, ptx.Param:
		return
	case ptx.Generic:
		switch lo >> windowShift {
		case sharedWindow >> windowShift:
			space = SharedTraffic
		case localWindow >> windowShift:
			space = LocalTraffic
		case constWindow >> windowShift, paramWindow >> windowShift:
			return
		}
	}
	kind := LoadTraffic
	if m.rmw != nil {
		kind = AtomicTraffic
	} else if !m.load {
		kind = StoreTraffic
	}
	t := &w.block.cover.traffic[space][kind]
	n := m.size()
	t.Requests++
	t.Bytes += uint64(bits.OnesCount32(w.mask)) * n
	t.Widths[bits.TrailingZeros64(n)]++
	switch space {
	case GlobalTraffic:
		t.Sectors += w.sectors(lo, hi, n)
	case SharedTraffic:
		t.Conflicts += w.bankConflicts(n)
	}
}

// sectors returns the number of 32-byte sectors that the active lanes touch. An aligned access lies in a single sector.
func (w *warp) sectors(lo, hi, n uint64) uint64 {
	if span := hi>>5 - lo>>5; w.mask == full && hi-lo == (lanes-1)*n {
		in := true // consecutive addresses in lane order
		for i, a := range &w.addr {
			in = in && a == lo+uint64(i)*n
		}
		if in {
			return span + 1
		}
	} else if span == 0 {
		return 1
	}
	var list [lanes]uint64
	k := 0
next:
	for m := w.mask; m != 0; m &= m - 1 {
		s := w.addr[bits.TrailingZeros32(m)&(lanes-1)] >> 5
		for i := k - 1; i >= 0; i-- { // most recent first, as the likeliest match
			if list[i] == s {
				continue next
			}
		}
		list[k] = s
		k++
	}
	return uint64(k)
}

// bankConflicts returns the number of extra passes that conflicts of the active lanes cause in shared memory, which has 32 banks of 4
// bytes, each serving one word per pass. Accesses of 8 and 16 bytes are served by half and quarter warps.
func (w *warp) bankConflicts(n uint64) uint64 {
	words := max(n/4, 1)
	group := lanes / int(words)
	var extra uint64
	for first := 0; first < lanes; first += group {
		if part := w.mask >> first & uint32(uint64(1)<<group-1); part != 0 {
			extra += w.passes(first, part, words) - 1
		}
	}
	return extra
}

// passes returns the largest number of different words that the lanes of part access in any one bank.
func (w *warp) passes(first int, part uint32, words uint64) uint64 {
	var word [lanes]uint64
	var used uint32
	one := true
	for k := part; k != 0; k &= k - 1 {
		a := w.addr[first+bits.TrailingZeros32(k)] >> 2
		for v := a; v < a+words; v++ {
			bank := v % lanes
			one = one && (used>>bank&1 == 0 || word[bank] == v)
			word[bank], used = v, used|1<<bank
		}
	}
	if one {
		return 1
	}
	var want [lanes][lanes]uint64
	var n [lanes]int
	most := 1
	for k := part; k != 0; k &= k - 1 {
		a := w.addr[first+bits.TrailingZeros32(k)] >> 2
	next:
		for v := a; v < a+words; v++ {
			bank := v % lanes
			for _, u := range want[bank][:n[bank]] {
				if u == v {
					continue next
				}
			}
			want[bank][n[bank]] = v
			n[bank]++
			most = max(most, n[bank])
		}
	}
	return uint64(most)
}
