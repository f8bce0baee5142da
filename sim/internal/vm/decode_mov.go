package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

var movable = []ptx.Type{ptx.Pred, ptx.B16, ptx.B32, ptx.B64, ptx.U16, ptx.U32, ptx.U64, ptx.S16, ptx.S32, ptx.S64, ptx.F32, ptx.F64}

func decodeMov(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(movable...)
	if err != nil {
		return err
	}
	if err := args(in, 2); err != nil {
		return err
	}
	switch {
	case in.Args[0].Kind == ptx.VecOperand:
		return d.unpack(t, in)
	case in.Args[1].Kind == ptx.VecOperand:
		return d.pack(t, in)
	}
	dst, err := d.dst(t, in.Args[0])
	if err != nil {
		return err
	}
	if o := in.Args[1]; o.Kind == ptx.SpecialOperand && varying(o.Special) {
		if t.Float() || t.Bits() != specialBits(o.Special) {
			return fmt.Errorf("special register %s where %v is expected", o.Special, t)
		}
		name := o.Special
		d.emitEach(func(w *warp, o *op, i int) {
			if t.Bits() == 64 {
				w.r64[o.d][i] = w.clock(name)
			} else {
				w.r32[o.d][i] = uint32(w.clock(name))
			}
		}, dst)
		return nil
	}
	a, err := d.movSource(t, in.Args[1])
	if err != nil {
		return err
	}
	if in.Args[1].Kind == ptx.SpecialOperand && t.Bits() == 16 {
		d.emit32(and32, dst, a, d.constant(c32, 0xffff))
		return nil
	}
	switch dst.class {
	case cPred:
		inv := uint32(0)
		if in.Args[1].Not {
			inv = full
		}
		d.emitShape(func(w *warp, o *op) { w.setPred(o.d, w.preds[o.a]^inv) }, nil, dst, []vreg{a})
	case c64:
		d.emit64(mov64, dst, a)
	default:
		d.emit32(mov32, dst, a)
	}
	return nil
}

// movSource returns the register of a source operand, which may also be a variable's address.
func (d *decoder) movSource(t ptx.Type, o ptx.Operand) (vreg, error) {
	if t == ptx.Pred {
		r, _, err := d.pred(o)
		return r, err
	}
	if o.Kind == ptx.SpecialOperand && specialBits(o.Special) == 64 && t.Bits() == 32 && o.Special == "%gridid" {
		o.Special = "%gridid_lo" // %gridid had 32 bits in older versions of PTX
	}
	if o.Kind != ptx.VarOperand {
		return d.src(t, o)
	}
	at, space, err := d.addressOf(o.Var)
	if err != nil {
		return vreg{}, err
	}
	if t.Float() || t.Bits() < 32 || t.Bits() == 32 && space == ptx.Global {
		return vreg{}, fmt.Errorf("the address of %s is not a value of type %v", o.Var.Name, t)
	}
	return d.constant(classOf(t), truncate(t, at+uint64(o.Offset))), nil
}

// part returns the type of the elements of a packed value.
func part(t ptx.Type, n int) (ptx.Type, error) {
	switch {
	case !t.Untyped():
	case t.Bits() == 64 && n == 2:
		return ptx.B32, nil
	case t.Bits() == 64 && n == 4, t.Bits() == 32 && n == 2:
		return ptx.B16, nil
	case t.Bits() == 32 && n == 4, t.Bits() == 16 && n == 2:
		return ptx.B8, nil
	}
	return ptx.NoType, fmt.Errorf("%d parts of a value of type %v", n, t)
}

func (d *decoder) pack(t ptx.Type, in *ptx.Inst) error {
	parts := in.Args[1].Elems
	pt, err := part(t, len(parts))
	if err != nil {
		return err
	}
	dst, err := d.dst(t, in.Args[0])
	if err != nil {
		return err
	}
	var list []vreg
	for _, o := range parts {
		r, err := d.src(pt, o)
		if err != nil {
			return err
		}
		list = append(list, r)
	}
	if t.Bits() == 64 && len(list) == 2 {
		d.emitShape(execPack, nil, dst, list)
		return nil
	}
	n, width := len(list), pt.Bits()
	d.emitEach(func(w *warp, o *op, i int) {
		var v uint64
		for k, at := range [...]int32{o.a, o.b, o.c, o.e} {
			if k < n {
				v |= truncate(pt, uint64(w.r32[at][i])) << (k * width)
			}
		}
		if t.Bits() == 64 {
			w.r64[o.d][i] = v
		} else {
			w.r32[o.d][i] = uint32(v)
		}
	}, dst, list...)
	return nil
}

// execPack packs two 32-bit registers into one of 64 bits.
func execPack(w *warp, o *op) {
	d, a, b := &w.r64[o.d], &w.r32[o.a], &w.r32[o.b]
	if w.mask != w.live {
		d = &w.t64
	}
	for i := range d {
		d[i] = uint64(a[i]) | uint64(b[i])<<32
	}
	if w.mask != w.live {
		blend64(&w.r64[o.d], d, w.mask)
	}
}

func (d *decoder) unpack(t ptx.Type, in *ptx.Inst) error {
	parts := in.Args[0].Elems
	pt, err := part(t, len(parts))
	if err != nil {
		return err
	}
	a, err := d.src(t, in.Args[1])
	if err != nil {
		return err
	}
	// All parts are computed before any is written: a destination may be the source.
	n := &node{op: op{exec: execUnpack, mem: &access{vec: len(parts), bytes: pt.Bytes(), wide: a.class == c64}}}
	n.refs = append(n.refs, ref{&n.a, a, false})
	for i, o := range parts {
		r, err := d.dstOrNone(pt, o)
		if err != nil {
			return err
		}
		n.refs = append(n.refs, ref{&n.mem.reg[i], r, true})
	}
	d.push(n)
	return nil
}

func execUnpack(w *warp, o *op) {
	m := o.mem
	if m.wide {
		w.t64 = w.r64[o.a]
	} else {
		for i, v := range &w.r32[o.a] {
			w.t64[i] = uint64(v)
		}
	}
	width := 8 * m.bytes
	keep := uint64(1)<<width - 1
	for k := range m.vec {
		d := &w.r32[m.reg[k]]
		for i := range d {
			if w.mask>>i&1 == 1 {
				d[i] = uint32(w.t64[i] >> (k * width) & keep)
			}
		}
	}
}
