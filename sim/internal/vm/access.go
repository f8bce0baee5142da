package vm

import (
	"encoding/binary"
	"math/bits"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// order of a memory access in PTX's memory model.
type memOrder uint8

const (
	weak memOrder = iota
	relaxed
	acquire
	release
	acqRel
	seqCst // fence.sc
)

// scope is the set of threads that a strong access or a fence is about.
type scope uint8

const (
	scopeCTA scope = iota
	scopeGPU       // also .cluster: a cluster is one block here
	scopeSys
)

// access is what a memory instruction does.
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
	load   bool // atomics: the old value is wanted
}

// size is the number of bytes of a lane's access.
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

// lane finds the first active lane whose address a test picks.
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

// within checks the active lanes' addresses against a bank of so many bytes.
func (w *warp) within(o *op, hi, size uint64) bool {
	n := o.mem.size()
	if hi < size && size-hi >= n {
		return true
	}
	i := w.lane(func(a uint64) bool { return a >= size || size-a < n })
	w.fail(o, i, IllegalAddress, w.addr[i], "%s of %d bytes outside the %d bytes of .%v memory", verb(o), n, size, o.mem.space)
	return false
}

// bank is a piece of memory that lanes access, and what the strict mode knows of it.
type bank struct {
	data   []byte
	shadow *Shadow // nil: nothing is followed
	space  ptx.Space
}

// locate makes w.addr offsets in a bank that holds what the active lanes access. Where they access different ones ok is false, and
// the addresses stay; so it is after a fault.
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

func (w *warp) sharedBank() bank {
	b := bank{data: w.block.shared, space: ptx.Shared}
	if w.block.eye != nil {
		b.shadow = w.block.eye.shared
	}
	return b
}

// one by one calls f for each active lane alone, its bank found and its address made an offset in it.
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

func (w *warp) localize(o *op, hi uint64) bool {
	n := w.prog.LocalBytes
	if !w.within(o, hi, n) {
		return false
	}
	for i := range w.addr {
		w.addr[i] += uint64(i) * n
	}
	return true
}

func (w *warp) locateGlobal(o *op, lo, hi uint64) (bank, bool) {
	r := w.region
	if r == nil || lo < r.Base || lo-r.Base >= uint64(len(r.Data)) {
		if r = w.block.grid.memory.find(lo); r == nil {
			w.outside(o, w.lane(func(a uint64) bool { return a == lo }))
			return bank{}, false
		}
		w.region = r
	}
	if end := hi - r.Base; end > uint64(len(r.Data)) || uint64(len(r.Data))-end < o.mem.size() {
		return bank{}, false // several allocations, or the end of this one
	}
	for i := range w.addr {
		w.addr[i] -= r.Base
	}
	return bank{r.Data, r.Shadow, ptx.Global}, true
}

// outside reports an access outside every allocation.
func (w *warp) outside(o *op, lane int) {
	a := w.addr[lane]
	w.fail(o, lane, IllegalAddress, a, "%s of %d bytes %s", verb(o), o.mem.size(), w.block.grid.memory.describe(a))
}

// place finds where one lane's access goes, in any space, and makes its address an offset there.
func (w *warp) place(o *op, lane int) (b bank, ok bool) {
	a, n := w.addr[lane], o.mem.size()
	off := a
	readOnly := !o.mem.load || o.mem.rmw != nil // the access writes
	size := uint64(0)
	switch {
	case o.mem.space == ptx.Shared:
		b = w.sharedBank()
	case a < windows:
		r := w.block.grid.memory.find(a)
		if r == nil {
			break
		}
		w.region = r
		b, off = bank{r.Data, r.Shadow, ptx.Global}, a-r.Base
	case a>>windowShift == sharedWindow>>windowShift:
		b, off = w.sharedBank(), a-sharedWindow
	case a>>windowShift == localWindow>>windowShift:
		size, off = w.prog.LocalBytes, a-localWindow
		if off < size && size-off >= n {
			w.addr[lane] = off + uint64(lane)*size
			return bank{w.local, w.localShadow, ptx.Local}, true
		}
	case a>>windowShift == constWindow>>windowShift && !readOnly:
		b, off = bank{w.prog.consts.data, nil, ptx.Const}, a-constWindow
	case a>>windowShift == paramWindow>>windowShift && !readOnly:
		b, off = bank{w.block.grid.params, nil, ptx.Param}, a-paramWindow
	}
	if size = uint64(len(b.data)); off >= size || size-off < n {
		w.outside(o, lane)
		return bank{}, false
	}
	w.addr[lane] = off
	return b, true
}

// Generic addresses: below windows they are global ones; the other spaces have a window each.
const (
	windowShift  = 40
	windows      = 0x70 << windowShift
	sharedWindow = 0x70 << windowShift
	localWindow  = 0x71 << windowShift
	constWindow  = 0x72 << windowShift
	paramWindow  = 0x73 << windowShift
)

// windowOf is where a state space begins among the generic addresses.
func windowOf(s ptx.Space) uint64 {
	switch s {
	case ptx.Shared:
		return sharedWindow
	case ptx.Local:
		return localWindow
	case ptx.Const:
		return constWindow
	case ptx.Param:
		return paramWindow
	}
	return 0
}

func readLE(p []byte, n int) uint64 {
	switch n {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(p))
	case 4:
		return uint64(binary.LittleEndian.Uint32(p))
	}
	return binary.LittleEndian.Uint64(p)
}

func writeLE(p []byte, n int, v uint64) {
	switch n {
	case 1:
		p[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(p, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(p, uint32(v))
	default:
		binary.LittleEndian.PutUint64(p, v)
	}
}

func execLoad(w *warp, o *op) {
	if b, ok := w.locate(o); ok {
		w.load(o, b)
	} else if w.fault == nil {
		w.oneByOne(o, (*warp).load)
	}
}

// load loads what the active lanes want from a bank.
func (w *warp) load(o *op, b bank) {
	m := o.mem
	if b.shadow != nil {
		if w.watch(o, b); w.fault != nil {
			return
		}
		if m.order != weak {
			w.loadStrong(o, b)
			return
		}
	}
	data := b.data
	for e := range m.vec {
		off := uint64(e * m.bytes)
		switch {
		case m.bytes == 4 && !m.reg64[e]:
			d := &w.r32[m.reg[e]]
			if w.mask == full {
				for i := range d {
					d[i] = binary.LittleEndian.Uint32(data[w.addr[i]+off:])
				}
				continue
			}
			for k := w.mask; k != 0; k &= k - 1 {
				i := bits.TrailingZeros32(k) & (lanes - 1)
				d[i] = binary.LittleEndian.Uint32(data[w.addr[i]+off:])
			}
		case m.bytes == 8:
			d := &w.r64[m.reg[e]]
			if w.mask == full {
				for i := range d {
					d[i] = binary.LittleEndian.Uint64(data[w.addr[i]+off:])
				}
				continue
			}
			for k := w.mask; k != 0; k &= k - 1 {
				i := bits.TrailingZeros32(k) & (lanes - 1)
				d[i] = binary.LittleEndian.Uint64(data[w.addr[i]+off:])
			}
		default:
			for k := w.mask; k != 0; k &= k - 1 {
				i := bits.TrailingZeros32(k) & (lanes - 1)
				w.setReg(m, e, i, readLE(data[w.addr[i]+off:], m.bytes))
			}
		}
	}
}

// setReg puts a loaded element into its register, extended to its width.
func (w *warp) setReg(m *access, e, lane int, v uint64) {
	if m.signed {
		shift := 64 - 8*m.bytes
		v = uint64(int64(v<<shift) >> shift)
	}
	if m.reg64[e] {
		w.r64[m.reg[e]][lane] = v
		return
	}
	if m.width[e] < 32 {
		v &= 1<<m.width[e] - 1
	}
	w.r32[m.reg[e]][lane] = uint32(v)
}

func (w *warp) getReg(m *access, e, lane int) uint64 {
	if m.reg64[e] {
		return w.r64[m.reg[e]][lane]
	}
	return uint64(w.r32[m.reg[e]][lane])
}

func execStore(w *warp, o *op) {
	if b, ok := w.locate(o); ok {
		w.store(o, b)
	} else if w.fault == nil {
		w.oneByOne(o, (*warp).store)
	}
}

// store stores what the active lanes have into a bank.
func (w *warp) store(o *op, b bank) {
	m := o.mem
	if b.shadow != nil {
		if w.watch(o, b); w.fault != nil {
			return
		}
		if m.order != weak {
			w.storeStrong(o, b)
			return
		}
	}
	data := b.data
	for e := range m.vec {
		off := uint64(e * m.bytes)
		if m.bytes == 4 && !m.reg64[e] && w.mask == full {
			d := &w.r32[m.reg[e]]
			for i := range d {
				binary.LittleEndian.PutUint32(data[w.addr[i]+off:], d[i])
			}
			continue
		}
		if m.bytes == 8 && w.mask == full {
			d := &w.r64[m.reg[e]]
			for i := range d {
				binary.LittleEndian.PutUint64(data[w.addr[i]+off:], d[i])
			}
			continue
		}
		for k := w.mask; k != 0; k &= k - 1 {
			i := bits.TrailingZeros32(k) & (lanes - 1)
			writeLE(data[w.addr[i]+off:], m.bytes, w.getReg(m, e, i))
		}
	}
}
