package vm

import (
	"fmt"
	"slices"

	"github.com/smoothl1/smoothl1/sim/internal/ieee"
	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

var comparable = []ptx.Type{ptx.B16, ptx.B32, ptx.B64, ptx.U16, ptx.U32, ptx.U64, ptx.S16, ptx.S32, ptx.S64,
	ptx.F32, ptx.F64, ptx.F16, ptx.F16x2, ptx.BF16, ptx.BF16x2}

// valueOf returns the function that widens the bits of a float type to float64.
func valueOf(t ptx.Type, ftz bool) func(v uint64) float64 {
	switch t {
	case ptx.F64:
		return f64of
	case ptx.F32:
		return func(v uint64) float64 {
			x := f32of(uint32(v))
			if ftz {
				x = ieee.Flush32(x)
			}
			return float64(x)
		}
	}
	f, _ := halfFormat(t)
	return func(v uint64) float64 { return widenHalf(f, uint32(v), ftz) }
}

// comparison holds the modifiers that setp and set share: .cmp[.bool][.ftz], before the types.
type comparison struct {
	accept order
	name   string
	boolOp string
	ftz    bool
}

func (d *decoder) comparison() (c comparison, err error) {
	i := slices.IndexFunc(d.m.rest, func(name string) bool { return orders[name] != 0 })
	if i < 0 {
		return c, fmt.Errorf("a comparison is missing")
	}
	c.name = d.m.rest[i]
	c.accept = orders[c.name]
	d.m.take(i)
	c.boolOp = d.m.oneOf("and", "or", "xor")
	c.ftz = d.m.has("ftz")
	return c, nil
}

// check returns an error if a comparison is not defined for a type.
func (c comparison) check(t ptx.Type) error {
	ok := false
	switch c.name {
	case "eq", "ne":
		ok = true
	case "lt", "le", "gt", "ge":
		ok = !t.Untyped()
	case "lo", "ls", "hi", "hs":
		ok = t.Unsigned()
	default:
		ok = t.Float()
	}
	if !ok || c.ftz && t != ptx.F32 && t != ptx.F16 && t != ptx.F16x2 {
		return fmt.Errorf("the comparison does not apply to %v", t)
	}
	return nil
}

func (c comparison) combine(p, q uint32) uint32 {
	switch c.boolOp {
	case "and":
		return p & q
	case "or":
		return p | q
	case "xor":
		return p ^ q
	}
	return p
}

func decodeSetp(d *decoder, in *ptx.Inst) error {
	c, err := d.comparison()
	if err != nil {
		return err
	}
	t, err := d.m.typ(comparable...)
	if err != nil {
		return err
	}
	if err := c.check(t); err != nil {
		return err
	}
	if half(t) {
		if err := d.needHalf(t, 78, 90); err != nil {
			return err
		}
	}
	n := 3
	if c.boolOp != "" {
		n = 4
	}
	if err := args(in, n); err != nil {
		return err
	}
	packed := t == ptx.F16x2 || t == ptx.BF16x2
	var p, q vreg
	pair := in.Args[0].Kind == ptx.PairOperand
	if pair {
		if p, err = d.dst(ptx.Pred, in.Args[0].Elems[0]); err != nil {
			return err
		}
		if q, err = d.dstOrNone(ptx.Pred, in.Args[0].Elems[1]); err != nil {
			return err
		}
	} else if p, err = d.dst(ptx.Pred, in.Args[0]); err != nil {
		return err
	}
	list, err := d.srcs(t, in, 1, 2)
	if err != nil {
		return err
	}
	with, inv := vreg{}, uint32(0)
	if c.boolOp != "" {
		r, not, err := d.pred(in.Args[3])
		if err != nil {
			return err
		}
		if with = r; not {
			inv = full
		}
	}
	if packed {
		return d.setpPacked(c, t, p, q, pair, list, with, inv)
	}
	cmp := compare(t, c.accept, c.ftz)
	if c.boolOp == "" && !pair {
		d.emitFn(cmp, p, list...)
		return nil
	}
	run := func(w *warp, o *op) uint32 { return cmp.(fnCmp32)(&w.r32[o.a], &w.r32[o.b]) }
	if t.Bits() == 64 {
		run = func(w *warp, o *op) uint32 { return cmp.(fnCmp64)(&w.r64[o.a], &w.r64[o.b]) }
	}
	d.emitSetp(c, func(w *warp, o *op) (uint32, uint32) {
		v := run(w, o)
		return v, ^v
	}, p, q, pair, list, with, inv)
	return nil
}

// emitSetp emits a comparison with a boolean operation or two results; f returns both results before the boolean operation.
func (d *decoder) emitSetp(c comparison, f func(w *warp, o *op) (p, q uint32), p, q vreg, pair bool, list []vreg, with vreg, inv uint32) {
	n := d.emitShape(func(w *warp, o *op) {
		x, y := f(w, o)
		var other uint32
		if c.boolOp != "" {
			other = w.preds[o.c] ^ inv
		}
		w.setPred(o.d, c.combine(x, other))
		if pair {
			w.setPred(o.e, c.combine(y, other))
		}
	}, nil, p, list)
	if c.boolOp != "" {
		n.refs = append(n.refs, ref{&n.c, with, false})
	}
	if pair {
		n.refs = append(n.refs, ref{&n.e, q, true})
	}
}

// setpPacked compares two pairs of halves: p of the lower ones, q of the upper.
func (d *decoder) setpPacked(c comparison, t ptx.Type, p, q vreg, pair bool, list []vreg, with vreg, inv uint32) error {
	if !pair {
		return fmt.Errorf("setp of %v has two results", t)
	}
	value := valueOf(t, c.ftz)
	d.emitSetp(c, func(w *warp, o *op) (lo, hi uint32) {
		a, b := &w.r32[o.a], &w.r32[o.b]
		for i := range a {
			if orderF(value(uint64(a[i]&0xffff)), value(uint64(b[i]&0xffff)))&c.accept != 0 {
				lo |= 1 << i
			}
			if orderF(value(uint64(a[i]>>16)), value(uint64(b[i]>>16)))&c.accept != 0 {
				hi |= 1 << i
			}
		}
		return lo, hi
	}, p, q, true, list, with, inv)
	return nil
}

// decodeSet decodes set, which is setp into a register: all ones, or 1.0.
func decodeSet(d *decoder, in *ptx.Inst) error {
	c, err := d.comparison()
	if err != nil {
		return err
	}
	dt, err := d.m.typ(ptx.U32, ptx.S32, ptx.F32)
	if err != nil {
		return err
	}
	t, err := d.m.typ(ptx.B16, ptx.B32, ptx.B64, ptx.U16, ptx.U32, ptx.U64, ptx.S16, ptx.S32, ptx.S64, ptx.F32, ptx.F64)
	if err != nil {
		return err
	}
	if err := c.check(t); err != nil {
		return err
	}
	n := 3
	if c.boolOp != "" {
		n = 4
	}
	if err := args(in, n); err != nil {
		return err
	}
	dst, err := d.dst(dt, in.Args[0])
	if err != nil {
		return err
	}
	list, err := d.srcs(t, in, 1, 2)
	if err != nil {
		return err
	}
	p := d.fresh(cPred)
	with, inv := vreg{}, uint32(0)
	if c.boolOp != "" {
		r, not, err := d.pred(in.Args[3])
		if err != nil {
			return err
		}
		if with = r; not {
			inv = full
		}
	}
	cmp := compare(t, c.accept, c.ftz)
	d.emitSetp(c, func(w *warp, o *op) (uint32, uint32) {
		if t.Bits() == 64 {
			return cmp.(fnCmp64)(&w.r64[o.a], &w.r64[o.b]), 0
		}
		return cmp.(fnCmp32)(&w.r32[o.a], &w.r32[o.b]), 0
	}, p, vreg{}, false, list, with, inv)
	yes := full
	if dt == ptx.F32 {
		yes = b32of(1)
	}
	d.emitShape(func(w *warp, o *op) {
		v := w.preds[o.a]
		for i := range lanes {
			if w.mask>>i&1 == 1 {
				w.r32[o.d][i] = -(v >> i & 1) & yes
			}
		}
	}, nil, dst, []vreg{p})
	return nil
}
