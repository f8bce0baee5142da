package vm

import (
	"encoding/binary"
	"math/bits"
)

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

// load executes a load of the active lanes from a bank.
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

// setReg sets a lane's register to a loaded element, extended to the register's width.
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

// store executes a store of the active lanes to a bank.
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
