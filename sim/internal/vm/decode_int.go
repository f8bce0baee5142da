package vm

import (
	"fmt"
	"math/bits"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// srcs reads the sources of an instruction of one type, from operand first on.
func (d *decoder) srcs(t ptx.Type, in *ptx.Inst, first, n int) ([]vreg, error) {
	list := make([]vreg, n)
	for i := range n {
		r, err := d.src(t, in.Args[first+i])
		if err != nil {
			return nil, err
		}
		list[i] = r
	}
	return list, nil
}

// plain decodes an instruction of one type whose n sources follow its destination.
func (d *decoder) plain(t ptx.Type, in *ptx.Inst, n int, f any) error {
	if err := args(in, n+1); err != nil {
		return err
	}
	dst, err := d.dst(t, in.Args[0])
	if err != nil {
		return err
	}
	list, err := d.srcs(t, in, 1, n)
	if err != nil {
		return err
	}
	d.emitFn(f, dst, list...)
	return nil
}

// emitFn emits the operation that fits a lane function.
func (d *decoder) emitFn(f any, dst vreg, srcs ...vreg) {
	switch f.(type) {
	case fn32:
		d.emitShape(exec32, f, dst, srcs)
	case fn64:
		d.emitShape(exec64, f, dst, srcs)
	case fnWide:
		d.emitShape(execWide, f, dst, srcs)
	case fnShift:
		d.emitShape(execShift, f, dst, srcs)
	case fnTo64:
		d.emitShape(execTo64, f, dst, srcs)
	case fnTo32:
		d.emitShape(execTo32, f, dst, srcs)
	case fnCmp32:
		d.emitShape(execCmp32, f, dst, srcs)
	case fnCmp64:
		d.emitShape(execCmp64, f, dst, srcs)
	case fnEach:
		d.emitShape(execEach, f, dst, srcs)
	default:
		panic(fmt.Sprintf("vm: no operation for %T", f))
	}
}

// by picks the written-out lane function of a width, or nil.
func by(t ptx.Type, f32 fn32, f64 fn64) any {
	switch t.Bits() {
	case 32:
		return f32
	case 64:
		return f64
	}
	return nil
}

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
			d[i] = a[i] & 0xffff0000 // the halves apart
			d[i] = d[i] + b[i]&0xffff0000 | (a[i]+b[i])&0xffff
		}
	}))
}

// carry is add.cc, addc, addc.cc and their like: sums with a carry in, out, or both. The carry is a predicate of its own.
func (d *decoder) carry(in *ptx.Inst) error {
	out := in.Op == "add" || in.Op == "sub" || d.m.has("cc")
	with := in.Op == "addc" || in.Op == "subc"
	minus := in.Op == "sub" || in.Op == "subc"
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
		var a, b, v, cf uint64
		if wide {
			a, b = w.r64[o.a][i], w.r64[o.b][i]
		} else {
			a, b = uint64(w.r32[o.a][i]), uint64(w.r32[o.b][i])
		}
		if with {
			cf = uint64(w.preds[o.c] >> i & 1)
		}
		if minus { // the carry of a subtraction is a borrow
			v, cf = bits.Sub64(a, b, cf)
		} else if v, cf = bits.Add64(a, b, cf); !wide {
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

// flag is the carry flag of a thread.
func (d *decoder) flag() vreg {
	if d.cc == nil {
		v := d.fresh(cPred)
		d.cc = &v
	}
	return *d.cc
}

func decodeMul(d *decoder, in *ptx.Inst) error {
	if isFloat(d.m) {
		return d.floatMul(in)
	}
	mad := in.Op == "mad"
	n := 2
	if mad {
		n = 3
	}
	half := d.m.oneOf("lo", "hi", "wide")
	if half == "" {
		return fmt.Errorf("one of .lo, .hi and .wide is missing")
	}
	if mad && d.m.has("cc") {
		return d.madCarry(in, half)
	}
	if half == "wide" {
		return d.mulWide(in, mad)
	}
	if mad && half == "hi" && d.m.has("sat") {
		t, err := d.m.typ(ptx.S32)
		if err != nil {
			return err
		}
		return d.plain(t, in, n, ints(t, func(a, b, c uint64) uint64 {
			return clampS32(int64(a)*int64(b)>>32 + int64(c))
		}))
	}
	t, err := d.m.typ(int16to64...)
	if err != nil {
		return err
	}
	var f any
	if half == "lo" {
		if f = by(t, mul32, mul64); mad {
			f = by(t, mad32, mad64)
		}
		if f == nil {
			f = ints(t, func(a, b, c uint64) uint64 {
				if mad {
					return a*b + c
				}
				return a * b
			})
		}
	} else {
		hi := high(t)
		f = ints(t, func(a, b, c uint64) uint64 {
			if mad {
				return hi(a, b, 0) + c
			}
			return hi(a, b, 0)
		})
	}
	return d.plain(t, in, n, f)
}

// mulWide multiplies to twice the width.
func (d *decoder) mulWide(in *ptx.Inst, mad bool) error {
	t, err := d.m.typ(ptx.U16, ptx.S16, ptx.U32, ptx.S32)
	if err != nil {
		return err
	}
	n := 2
	if mad {
		n = 3
	}
	if err := args(in, n+1); err != nil {
		return err
	}
	double := map[ptx.Type]ptx.Type{ptx.U16: ptx.U32, ptx.S16: ptx.S32, ptx.U32: ptx.U64, ptx.S32: ptx.S64}[t]
	dst, err := d.dst(double, in.Args[0])
	if err != nil {
		return err
	}
	list, err := d.srcs(t, in, 1, 2)
	if err != nil {
		return err
	}
	if mad {
		c, err := d.src(double, in.Args[3])
		if err != nil {
			return err
		}
		list = append(list, c)
	}
	var f any
	switch {
	case t == ptx.U32 && mad:
		f = fnWide(madWideU32)
	case t == ptx.S32 && mad:
		f = fnWide(madWideS32)
	case t == ptx.U32:
		f = fnWide(mulWideU32)
	case t == ptx.S32:
		f = fnWide(mulWideS32)
	default:
		if mad {
			f = fn32(func(d, a, b, c *lane32) {
				for i := range d {
					d[i] = uint32(extend(t, uint64(a[i]))*extend(t, uint64(b[i]))) + c[i]
				}
			})
		} else {
			f = fn32(func(d, a, b, _ *lane32) {
				for i := range d {
					d[i] = uint32(extend(t, uint64(a[i])) * extend(t, uint64(b[i])))
				}
			})
		}
	}
	d.emitFn(f, dst, list...)
	return nil
}

// madCarry is mad.lo.cc, mad.hi.cc, and madc with and without .cc.
func (d *decoder) madCarry(in *ptx.Inst, half string) error {
	with := in.Op == "madc"
	out := !with || d.m.has("cc")
	t, err := d.m.typ(int32to64...)
	if err != nil {
		return err
	}
	if err := args(in, 4); err != nil {
		return err
	}
	dst, err := d.dst(t, in.Args[0])
	if err != nil {
		return err
	}
	list, err := d.srcs(t, in, 1, 3)
	if err != nil {
		return err
	}
	wide, hi := t.Bits() == 64, high(t)
	cc := d.flag()
	n := d.emitEach(func(w *warp, o *op, i int) {
		var a, b, c, cf uint64
		if wide {
			a, b, c = w.r64[o.a][i], w.r64[o.b][i], w.r64[o.c][i]
		} else {
			a, b, c = extend(t, uint64(w.r32[o.a][i])), extend(t, uint64(w.r32[o.b][i])), uint64(w.r32[o.c][i])
		}
		p := a * b
		if half == "hi" {
			p = hi(a, b, 0)
		}
		if with {
			cf = uint64(w.preds[o.mem.flag] >> i & 1)
		}
		if !wide {
			p &= 1<<32 - 1
		}
		v, cf := bits.Add64(p, c, cf)
		if wide {
			w.r64[o.d][i] = v
		} else {
			cf = v >> 32
			w.r32[o.d][i] = uint32(v)
		}
		if out {
			w.setPredLane(o.e, i, cf != 0)
		}
	}, dst, list...)
	n.mem = &access{}
	if with {
		n.refs = append(n.refs, ref{&n.mem.flag, cc, false})
	}
	if out {
		n.refs = append(n.refs, ref{&n.e, cc, true})
	}
	return nil
}

func decodeMadc(d *decoder, in *ptx.Inst) error {
	half := d.m.oneOf("lo", "hi")
	if half == "" {
		return fmt.Errorf("one of .lo and .hi is missing")
	}
	return d.madCarry(in, half)
}

func decodeAddc(d *decoder, in *ptx.Inst) error { return d.carry(in) }

// decodeMul24 is mul24 and mad24: the product of the lower 24 bits.
func decodeMul24(d *decoder, in *ptx.Inst) error {
	half := d.m.oneOf("lo", "hi")
	if half == "" {
		return fmt.Errorf("one of .lo and .hi is missing")
	}
	mad := in.Op == "mad24"
	sat := mad && half == "hi" && d.m.has("sat")
	t, err := d.m.typ(ptx.U32, ptx.S32)
	if err != nil {
		return err
	}
	if sat && t != ptx.S32 {
		return fmt.Errorf(".sat is for .s32")
	}
	n := 2
	if mad {
		n = 3
	}
	cut := func(v uint64) int64 {
		if t == ptx.S32 {
			return int64(v<<40) >> 40
		}
		return int64(v & (1<<24 - 1))
	}
	return d.plain(t, in, n, ints(t, func(a, b, c uint64) uint64 {
		p := cut(a) * cut(b)
		if half == "hi" {
			p >>= 16
			if t == ptx.S32 {
				p = int64(int32(p))
			} else {
				p = int64(uint32(p))
			}
		}
		switch {
		case sat:
			return clampS32(p + int64(c))
		case mad:
			return uint64(p) + c
		}
		return uint64(p)
	}))
}

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
