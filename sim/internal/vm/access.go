package vm

import (
	"math/bits"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// memOrder is the order of a memory access in PTX's memory model.
type memOrder uint8

const (
	weak memOrder = iota
	relaxed
	acquire
	release
	acqRel
	seqCst // fence.sc
)

// scope is the set of threads with which a strong access or a fence synchronizes.
type scope uint8

const (
	scopeCTA scope = iota
	scopeGPU       // also .cluster: a cluster is one block here
	scopeSys
)

// access describes a memory instruction.
type access struct {
	space  ptx.Space
	base   bool // operand a is a register; else the address is imm alone
	wide   bool // … of 64 bits
	bytes  int  // of an element
	vec    int
	reg    [4]int32
	reg64  [4]bool
	width  [4]int // bits of the destination register
	signed bool
	order  memOrder
	scope  scope
	flag   int32 // mad.cc: the carry
	cas    bool  // atomics
	rmw    func(old, b, c uint64) uint64
	load   bool // atomics: the old value is returned
}

// size returns the number of bytes of a lane's access.
func (m *access) size() uint64 { return uint64(m.bytes * m.vec) }

// addresses computes the addresses of the active lanes into w.addr and returns their lowest, highest and union.
func (w *warp) addresses(o *op) (lo, hi, or uint64) {
	m := o.mem
	lo = ^uint64(0)
	switch {
	case !m.base:
		for i := range w.addr {
			w.addr[i] = o.imm
		}
		return o.imm, o.imm, o.imm
	case m.wide:
		r := &w.r64[o.a]
		for i := range w.addr {
			w.addr[i] = r[i] + o.imm
		}
	default:
		r := &w.r32[o.a]
		for i := range w.addr {
			w.addr[i] = uint64(r[i]) + o.imm
		}
	}
	if w.mask == full {
		for _, a := range &w.addr {
			lo, hi, or = min(lo, a), max(hi, a), or|a
		}
		return
	}
	for k := w.mask; k != 0; k &= k - 1 {
		a := w.addr[bits.TrailingZeros32(k)&(lanes-1)]
		lo, hi, or = min(lo, a), max(hi, a), or|a
	}
	return
}

// lane returns the first active lane whose address passes a test.
func (w *warp) lane(test func(addr uint64) bool) int {
	for k := w.mask; k != 0; k &= k - 1 {
		if i := bits.TrailingZeros32(k); test(w.addr[i]) {
			return i
		}
	}
	return bits.TrailingZeros32(w.mask)
}

// aligned reports a misaligned access.
func (w *warp) aligned(o *op, or uint64) bool {
	n := o.mem.size()
	if or&(n-1) == 0 {
		return true
	}
	i := w.lane(func(a uint64) bool { return a&(n-1) != 0 })
	w.fail(o, i, Misaligned, w.addr[i], "misaligned access: %s of %d bytes", verb(o), n)
	return false
}

func verb(o *op) string {
	switch {
	case o.mem.rmw != nil:
		return "atomic operation"
	case o.mem.load:
		return "load"
	}
	return "store"
}

// within checks the active lanes' addresses against a bank of size bytes.
func (w *warp) within(o *op, hi, size uint64) bool {
	n := o.mem.size()
	if hi < size && size-hi >= n {
		return true
	}
	i := w.lane(func(a uint64) bool { return a >= size || size-a < n })
	w.fail(o, i, IllegalAddress, w.addr[i], "%s of %d bytes outside the %d bytes of .%v memory", verb(o), n, size, o.mem.space)
	return false
}

// locate returns the bank that the active lanes access and turns w.addr into offsets in it. If they access different banks, or there is a
// fault, ok is false and the addresses are unchanged.
func (w *warp) locate(o *op) (b bank, ok bool) {
	m := o.mem
	lo, hi, or := w.addresses(o)
	if !w.aligned(o, or) {
		return bank{}, false
	}
	w.count(o, lo, hi)
	switch m.space {
	case ptx.Global:
		return w.locateGlobal(o, lo, hi)
	case ptx.Shared:
		return w.sharedBank(), w.within(o, hi, uint64(len(w.block.shared)))
	case ptx.Local:
		return bank{w.local, w.localShadow, ptx.Local}, w.localize(o, hi)
	case ptx.Const:
		data := w.prog.consts.data
		return bank{data, nil, ptx.Const}, w.within(o, hi, uint64(len(data)))
	case ptx.Param:
		data := w.block.grid.params
		return bank{data, nil, ptx.Param}, w.within(o, hi, uint64(len(data)))
	}
	if lo < windows && hi < windows {
		return w.locateGlobal(o, lo, hi)
	}
	return bank{}, false
}

// oneByOne calls f for each active lane alone, with the bank that it accesses and its address turned into an offset in it.
func (w *warp) oneByOne(o *op, f func(w *warp, o *op, b bank)) {
	all := w.mask
	for k := all; k != 0 && w.fault == nil; k &= k - 1 {
		i := bits.TrailingZeros32(k)
		w.mask = 1 << i
		b, ok := w.place(o, i)
		if !ok {
			return
		}
		f(w, o, b)
	}
	w.mask = all
}
