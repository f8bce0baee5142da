package vm

import (
	"fmt"
	"math/bits"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

func decodeMul(d *decoder, in *ptx.Inst) error {
	if isFloat(d.m) {
		return d.floatMul(in)
	}
	mad := in.Op == "mad"
	n := 2
	if mad {
		n = 3
	}
	half := d.m.name("lo", "hi", "wide")
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

// mulWide decodes mul.wide and mad.wide, whose product has twice the width.
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

// madCarry decodes mad.lo.cc, mad.hi.cc, and madc with and without .cc.
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
	half := d.m.name("lo", "hi")
	if half == "" {
		return fmt.Errorf("one of .lo and .hi is missing")
	}
	return d.madCarry(in, half)
}

// decodeMul24 decodes mul24 and mad24, products of the lower 24 bits.
func decodeMul24(d *decoder, in *ptx.Inst) error {
	half := d.m.name("lo", "hi")
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
