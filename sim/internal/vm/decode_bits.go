package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

func decodeLogic(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(append([]ptx.Type{ptx.Pred}, bits16to...)...)
	if err != nil {
		return err
	}
	if t == ptx.Pred {
		return d.predLogic(in)
	}
	var f32 fn32
	var f64 fn64
	switch in.Op {
	case "and":
		f32, f64 = and32, and64
	case "or":
		f32, f64 = or32, or64
	case "xor":
		f32, f64 = xor32, xor64
	case "not":
		return d.plain(t, in, 1, ints(t, func(a, _, _ uint64) uint64 { return ^a }))
	case "cnot":
		return d.plain(t, in, 1, ints(t, func(a, _, _ uint64) uint64 {
			if a == 0 {
				return 1
			}
			return 0
		}))
	}
	if t.Bits() == 64 {
		return d.plain(t, in, 2, f64)
	}
	return d.plain(t, in, 2, f32)
}

// predLogic decodes and.pred and the like, which operate on whole masks.
func (d *decoder) predLogic(in *ptx.Inst) error {
	var f func(a, b uint32) uint32
	n := 2
	switch in.Op {
	case "and":
		f = func(a, b uint32) uint32 { return a & b }
	case "or":
		f = func(a, b uint32) uint32 { return a | b }
	case "xor":
		f = func(a, b uint32) uint32 { return a ^ b }
	case "not":
		f, n = func(a, _ uint32) uint32 { return ^a }, 1
	default:
		return fmt.Errorf("type .pred is not supported here")
	}
	if err := args(in, n+1); err != nil {
		return err
	}
	dst, err := d.dst(ptx.Pred, in.Args[0])
	if err != nil {
		return err
	}
	var list []vreg
	var inv [2]uint32
	for i := range n {
		r, not, err := d.pred(in.Args[1+i])
		if err != nil {
			return err
		}
		if not {
			inv[i] = full
		}
		list = append(list, r)
	}
	d.emitShape(func(w *warp, o *op) {
		w.setPred(o.d, f(w.preds[o.a]^inv[0], w.preds[o.b]^inv[1]))
	}, nil, dst, list)
	return nil
}

func decodeShift(d *decoder, in *ptx.Inst) error {
	allowed := bits16to
	if in.Op == "shr" {
		allowed = append(append([]ptx.Type{}, bits16to...), int16to64...)
	}
	t, err := d.m.typ(allowed...)
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
	a, err := d.src(t, in.Args[1])
	if err != nil {
		return err
	}
	b, err := d.src(ptx.U32, in.Args[2])
	if err != nil {
		return err
	}
	left := in.Op == "shl"
	var f any
	switch {
	case t.Bits() == 64 && left:
		f = fnShift(shl64)
	case t.Bits() == 64 && t.Signed():
		f = fnShift(shrS64)
	case t.Bits() == 64:
		f = fnShift(shrU64)
	case t.Bits() == 32 && left:
		f = fn32(shl32)
	case t == ptx.S32:
		f = fn32(shrS32)
	case t.Bits() == 32:
		f = fn32(shrU32)
	default:
		f = fn32(func(d, a, b, _ *lane32) {
			for i := range d {
				v := extend(t, uint64(a[i]))
				switch {
				case left:
					v <<= b[i]
				case t.Signed():
					v = uint64(int64(v) >> b[i])
				default:
					v >>= b[i]
				}
				d[i] = uint32(v) & 0xffff
			}
		})
	}
	d.emitFn(f, dst, a, b)
	return nil
}

// decodeShf decodes the funnel shift of b:a, left or right, by c clamped or wrapped.
func decodeShf(d *decoder, in *ptx.Inst) error {
	dir, mode := d.m.name("l", "r"), d.m.oneOf("clamp", "wrap")
	if dir == "" || mode == "" {
		return fmt.Errorf("a direction and .clamp or .wrap are needed")
	}
	t, err := d.m.typ(ptx.B32)
	if err != nil {
		return err
	}
	return d.plain(t, in, 3, fn32(func(d, a, b, c *lane32) {
		for i := range d {
			n := c[i] & 31
			if mode == "clamp" {
				n = min(c[i], 32)
			}
			v := uint64(b[i])<<32 | uint64(a[i])
			if dir == "l" {
				d[i] = uint32(v << n >> 32)
			} else {
				d[i] = uint32(v >> n)
			}
		}
	}))
}

// decodeDp decodes dp4a and dp2a, sums of products of bytes.
func decodeDp(d *decoder, in *ptx.Inst) error {
	two := in.Op == "dp2a"
	half := ""
	if two {
		if half = d.m.name("lo", "hi"); half == "" {
			return fmt.Errorf("one of .lo and .hi is missing")
		}
	}
	at, err := d.m.typ(ptx.U32, ptx.S32)
	if err != nil {
		return err
	}
	bt, err := d.m.typ(ptx.U32, ptx.S32)
	if err != nil {
		return err
	}
	if err := d.need(50, 61); err != nil {
		return err
	}
	part := func(v uint32, i, width int, signed bool) int64 {
		v = v >> (i * width) << (32 - width)
		if signed {
			return int64(int32(v) >> (32 - width))
		}
		return int64(v >> (32 - width))
	}
	return d.plain(ptx.B32, in, 3, fn32(func(d, a, b, c *lane32) {
		for i := range d {
			sum := int64(c[i])
			if two {
				off := 0
				if half == "hi" {
					off = 2
				}
				for k := range 2 {
					sum += part(a[i], k, 16, at == ptx.S32) * part(b[i], k+off, 8, bt == ptx.S32)
				}
			} else {
				for k := range 4 {
					sum += part(a[i], k, 8, at == ptx.S32) * part(b[i], k, 8, bt == ptx.S32)
				}
			}
			d[i] = uint32(sum)
		}
	}))
}
