package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// bank is a range of memory that lanes access, with its shadow.
type bank struct {
	data   []byte
	shadow *Shadow // nil: not checked
	space  ptx.Space
}

func (w *warp) sharedBank() bank {
	b := bank{data: w.block.shared, space: ptx.Shared}
	if w.block.eye != nil {
		b.shadow = w.block.eye.shared
	}
	return b
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
	where := ""
	switch {
	case o.mem.space == ptx.Shared, o.mem.space == ptx.Generic && a>>windowShift == sharedWindow>>windowShift:
		where = fmt.Sprintf("outside the %d bytes of .shared memory", len(w.block.shared))
	case o.mem.space == ptx.Generic && a>>windowShift == localWindow>>windowShift:
		where = fmt.Sprintf("outside the %d bytes of .local memory", w.prog.LocalBytes)
	default:
		where = w.block.grid.memory.describe(a)
	}
	w.fail(o, lane, IllegalAddress, a, "%s of %d bytes %s", verb(o), o.mem.size(), where)
}

// place returns the bank of one lane's access in any space, and turns its address into an offset in it.
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

// Generic addresses below windows are global ones; each of the other spaces has a window.
const (
	windowShift  = 40
	windows      = 0x70 << windowShift
	sharedWindow = 0x70 << windowShift
	localWindow  = 0x71 << windowShift
	constWindow  = 0x72 << windowShift
	paramWindow  = 0x73 << windowShift
)

// windowOf returns the generic address at which a state space begins.
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
