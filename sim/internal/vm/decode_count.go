package vm

import (
	"math/bits"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// count decodes popc, clz and bfind: a count of bits of a source of any type.
func (d *decoder) count(in *ptx.Inst, t ptx.Type, f func(v uint64) uint32) error {
	if err := args(in, 2); err != nil {
		return err
	}
	dst, err := d.dst(ptx.U32, in.Args[0])
	if err != nil {
		return err
	}
	a, err := d.src(t, in.Args[1])
	if err != nil {
		return err
	}
	if t.Bits() == 64 {
		d.emitFn(fnTo32(func(d *lane32, a *lane64) {
			for i := range d {
				d[i] = f(a[i])
			}
		}), dst, a)
		return nil
	}
	d.emitFn(fn32(func(d, a, _, _ *lane32) {
		for i := range d {
			d[i] = f(uint64(a[i]))
		}
	}), dst, a)
	return nil
}

func decodePopc(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(ptx.B32, ptx.B64)
	if err != nil {
		return err
	}
	if in.Op == "popc" {
		return d.count(in, t, func(v uint64) uint32 { return uint32(bits.OnesCount64(v)) })
	}
	return d.count(in, t, func(v uint64) uint32 { return uint32(bits.LeadingZeros64(v) - 64 + t.Bits()) })
}

func decodeBfind(d *decoder, in *ptx.Inst) error {
	shift := d.m.has("shiftamt")
	t, err := d.m.typ(int32to64...)
	if err != nil {
		return err
	}
	return d.count(in, t, func(v uint64) uint32 { return bfind(t, v, shift) })
}

func decodeBrev(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(ptx.B32, ptx.B64)
	if err != nil {
		return err
	}
	return d.plain(t, in, 1, ints(t, func(a, _, _ uint64) uint64 { return bits.Reverse64(a) >> (64 - t.Bits()) }))
}
