package vm

import (
	"fmt"
	"math/bits"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

func decodeAdd(d *decoder, in *ptx.Inst) error {
	if isFloat(d.m) {
		return d.floatAdd(in)
	}
	if d.m.has("cc") {
		return d.carry(in)
	}
	if d.m.has("sat") {
		t, err := d.m.typ(ptx.S32)
		if err != nil {
			return err
		}
		minus := in.Op == "sub"
		return d.plain(t, in, 2, ints(t, func(a, b, _ uint64) uint64 {
			if minus {
				return clampS32(int64(a) - int64(b))
			}
			return clampS32(int64(a) + int64(b))
		}))
	}
	if t := d.m.peek(); t == ptx.U16x2 || t == ptx.S16x2 {
		return d.pairAdd(in)
	}
	t, err := d.m.typ(int16to64...)
	if err != nil {
		return err
	}
	f := by(t, add32, add64)
	if in.Op == "sub" {
		f = by(t, sub32, sub64)
	}
	if f == nil {
		minus := in.Op == "sub"
		f = ints(t, func(a, b, _ uint64) uint64 {
			if minus {
				return a - b
			}
			return a + b
		})
	}
	return d.plain(t, in, 2, f)
}

// pairAdd is add.u16x2.
func (d *decoder) pairAdd(in *ptx.Inst) error {
	if err := d.need(80, 90); err != nil || in.Op == "sub" {
		if err == nil {
			err = fmt.Errorf("type is not supported here")
		}
		return err
	}
	t, err := d.m.typ(ptx.U16x2, ptx.S16x2)
	if err != nil {
		return err
	}
	return d.plain(t, in, 2, fn32(func(d, a, b, _ *lane32) {
		for i := range d {
			d[i] = a[i] & 0xffff0000 // no carry from the lower half into the upper
			d[i] = d[i] + b[i]&0xffff0000 | (a[i]+b[i])&0xffff
		}
	}))
}

// carry decodes add.cc, addc, addc.cc and the like: sums with a carry in, out, or both. The carry flag is a predicate of its own.
// As in the hardware, a difference is the sum a + ^b + 1 and its flag is the carry of that sum, not the borrow: the instruction
// that uses the flag may be an addition as well.
func (d *decoder) carry(in *ptx.Inst) error {
	out := in.Op == "add" || in.Op == "sub" || d.m.has("cc")
	with := in.Op == "addc" || in.Op == "subc"
	var flip uint64
	if in.Op == "sub" || in.Op == "subc" {
		flip = ^flip
	}
	t, err := d.m.typ(int32to64...)
	if err != nil {
		return err
	}
	if err := args(in, 3); err != nil {
		return err
	}
	dst, err := d.dst(t, in.Args[0])
	if err != nil {
		return err
	}
	list, err := d.srcs(t, in, 1, 2)
	if err != nil {
		return err
	}
	wide := t.Bits() == 64
	n := d.emitEach(func(w *warp, o *op, i int) {
		var a, b uint64
		if wide {
			a, b = w.r64[o.a][i], w.r64[o.b][i]^flip
		} else {
			a, b = uint64(w.r32[o.a][i]), uint64(w.r32[o.b][i]^uint32(flip))
		}
		cf := flip & 1
		if with {
			cf = uint64(w.preds[o.c] >> i & 1)
		}
		v, cf := bits.Add64(a, b, cf)
		if !wide {
			cf = v >> 32
		}
		if wide {
			w.r64[o.d][i] = v
		} else {
			w.r32[o.d][i] = uint32(v)
		}
		if out {
			w.setPredLane(o.e, i, cf != 0)
		}
	}, dst, list...)
	cc := d.flag()
	if with {
		n.refs = append(n.refs, ref{&n.c, cc, false})
	}
	if out {
		n.refs = append(n.refs, ref{&n.e, cc, true})
	}
	return nil
}

// flag returns the register of the carry flag.
func (d *decoder) flag() vreg {
	if d.cc == nil {
		v := d.fresh(cPred)
		d.cc = &v
	}
	return *d.cc
}

func decodeAddc(d *decoder, in *ptx.Inst) error { return d.carry(in) }

func decodeSad(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(int16to64...)
	if err != nil {
		return err
	}
	lo, hi := minInt(t), maxInt(t)
	return d.plain(t, in, 3, ints(t, func(a, b, c uint64) uint64 { return c + hi(a, b, 0) - lo(a, b, 0) }))
}

func decodeDiv(d *decoder, in *ptx.Inst) error {
	if isFloat(d.m) {
		return d.floatDiv(in)
	}
	t, err := d.m.typ(int16to64...)
	if err != nil {
		return err
	}
	return d.plain(t, in, 2, ints(t, divide(t, in.Op == "rem")))
}

func decodeAbsNeg(d *decoder, in *ptx.Inst) error {
	if isFloat(d.m) {
		return d.floatSign(in)
	}
	t, err := d.m.typ(ptx.S16, ptx.S32, ptx.S64)
	if err != nil {
		return err
	}
	if in.Op == "neg" {
		return d.plain(t, in, 1, ints(t, func(a, _, _ uint64) uint64 { return -a }))
	}
	return d.plain(t, in, 1, ints(t, func(a, _, _ uint64) uint64 {
		if int64(a) < 0 {
			return -a
		}
		return a
	}))
}

func decodeMinMax(d *decoder, in *ptx.Inst) error {
	if isFloat(d.m) {
		return d.floatMinMax(in)
	}
	relu := d.m.has("relu")
	t, err := d.m.typ(append([]ptx.Type{ptx.U16x2, ptx.S16x2}, int16to64...)...)
	if err != nil {
		return err
	}
	elem := t
	if t == ptx.U16x2 {
		elem = ptx.U16
	} else if t == ptx.S16x2 {
		elem = ptx.S16
	}
	if relu && t != ptx.S32 && t != ptx.S16x2 {
		return fmt.Errorf(".relu is for .s32 and .s16x2")
	}
	if relu || elem != t {
		if err := d.need(80, 90); err != nil {
			return err
		}
	}
	f := minInt(elem)
	if in.Op == "max" {
		f = maxInt(elem)
	}
	g := f
	if relu {
		g = func(a, b, _ uint64) uint64 { return uint64(max(int64(f(a, b, 0)), 0)) }
	}
	if elem != t {
		return d.plain(t, in, 2, fn32(func(d, a, b, _ *lane32) {
			for i := range d {
				lo := uint32(g(extend(elem, uint64(a[i]&0xffff)), extend(elem, uint64(b[i]&0xffff)), 0)) & 0xffff
				d[i] = uint32(g(extend(elem, uint64(a[i]>>16)), extend(elem, uint64(b[i]>>16)), 0))<<16 | lo
			}
		}))
	}
	return d.plain(t, in, 2, ints(t, g))
}
