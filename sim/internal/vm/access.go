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

// locate makes w.addr offsets in a slice that holds what the active lanes access, for the spaces that have one. Where lanes
// touch different allocations it returns nil and leaves the addresses; ok is false after a fault.
func (w *warp) locate(o *op) (data []byte, ok bool) {
	m := o.mem
	lo, hi, or := w.addresses(o)
	if !w.aligned(o, or) {
		return nil, false
	}
	switch m.space {
	case ptx.Global:
		return w.locateGlobal(o, lo, hi), w.fault == nil
	case ptx.Shared:
		return w.block.shared, w.within(o, hi, uint64(len(w.block.shared)))
	case ptx.Local:
		return w.local, w.localize(o, hi)
	case ptx.Const:
		bank := w.prog.consts.data
		return bank, w.within(o, hi, uint64(len(bank)))
	case ptx.Param:
		return w.block.grid.params, w.within(o, hi, uint64(len(w.block.grid.params)))
	}
	if lo < windows && hi < windows {
		return w.locateGlobal(o, lo, hi), w.fault == nil
	}
	return nil, true
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

func (w *warp) locateGlobal(o *op, lo, hi uint64) []byte {
	r := w.region
	if r == nil || lo < r.Base || lo-r.Base >= uint64(len(r.Data)) {
		if r = w.block.grid.memory.find(lo); r == nil {
			w.outside(o, w.lane(func(a uint64) bool { return a == lo }))
			return nil
		}
		w.region = r
	}
	if end := hi - r.Base; end > uint64(len(r.Data)) || uint64(len(r.Data))-end < o.mem.size() {
		return nil // several allocations, or the end of this one
	}
	for i := range w.addr {
		w.addr[i] -= r.Base
	}
	return r.Data
}

// outside reports an access outside every allocation.
func (w *warp) outside(o *op, lane int) {
	a := w.addr[lane]
	w.fail(o, lane, IllegalAddress, a, "%s of %d bytes %s", verb(o), o.mem.size(), w.block.grid.memory.describe(a))
}

// place finds where one lane's access goes, in any space.
func (w *warp) place(o *op, lane int) (data []byte, at uint64) {
	a, n := w.addr[lane], o.mem.size()
	var bank []byte
	off := a
	switch {
	case a < windows:
		r := w.block.grid.memory.find(a)
		if r == nil || uint64(len(r.Data))-(a-r.Base) < n {
			w.outside(o, lane)
			return nil, 0
		}
		return r.Data, a - r.Base
	case a>>windowShift == sharedWindow>>windowShift:
		bank, off = w.block.shared, a-sharedWindow
	case a>>windowShift == localWindow>>windowShift:
		off = a - localWindow
		size := w.prog.LocalBytes
		bank = w.local[uint64(lane)*size : uint64(lane+1)*size]
	case a>>windowShift == constWindow>>windowShift && o.mem.load && o.mem.rmw == nil:
		bank, off = w.prog.consts.data, a-constWindow
	case a>>windowShift == paramWindow>>windowShift && o.mem.load && o.mem.rmw == nil:
		bank, off = w.block.grid.params, a-paramWindow
	}
	if off >= uint64(len(bank)) || uint64(len(bank))-off < n {
		w.outside(o, lane)
		return nil, 0
	}
	return bank, off
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
	data, ok := w.locate(o)
	if !ok {
		return
	}
	m := o.mem
	if data == nil {
		for k := w.mask; k != 0; k &= k - 1 {
			i := bits.TrailingZeros32(k)
			p, at := w.place(o, i)
			if w.fault != nil {
				return
			}
			for e := range m.vec {
				w.setReg(m, e, i, readLE(p[at+uint64(e*m.bytes):], m.bytes))
			}
		}
		return
	}
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
	data, ok := w.locate(o)
	if !ok {
		return
	}
	m := o.mem
	if data == nil {
		for k := w.mask; k != 0; k &= k - 1 {
			i := bits.TrailingZeros32(k)
			p, at := w.place(o, i)
			if w.fault != nil {
				return
			}
			for e := range m.vec {
				writeLE(p[at+uint64(e*m.bytes):], m.bytes, w.getReg(m, e, i))
			}
		}
		return
	}
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
