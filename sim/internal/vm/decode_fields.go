package vm

import (
	"fmt"
	"math/bits"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

func decodeBfe(d *decoder, in *ptx.Inst) error {
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
	a, err := d.src(t, in.Args[1])
	if err != nil {
		return err
	}
	pos, err := d.srcs(ptx.U32, in, 2, 2)
	if err != nil {
		return err
	}
	d.emitEach(func(w *warp, o *op, i int) {
		b, c := w.r32[o.b][i], w.r32[o.c][i]
		if t.Bits() == 64 {
			w.r64[o.d][i] = bfe(t, w.r64[o.a][i], b, c)
		} else {
			w.r32[o.d][i] = uint32(bfe(t, uint64(w.r32[o.a][i]), b, c))
		}
	}, dst, a, pos[0], pos[1])
	return nil
}

func decodeBfi(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(ptx.B32, ptx.B64)
	if err != nil {
		return err
	}
	if err := args(in, 5); err != nil {
		return err
	}
	dst, err := d.dst(t, in.Args[0])
	if err != nil {
		return err
	}
	ab, err := d.srcs(t, in, 1, 2)
	if err != nil {
		return err
	}
	pos, err := d.srcs(ptx.U32, in, 3, 2)
	if err != nil {
		return err
	}
	d.emitEach(func(w *warp, o *op, i int) {
		c, e := w.r32[o.c][i], w.r32[o.e][i]
		if t.Bits() == 64 {
			w.r64[o.d][i] = bfi(t, w.r64[o.a][i], w.r64[o.b][i], c, e)
		} else {
			w.r32[o.d][i] = uint32(bfi(t, uint64(w.r32[o.a][i]), uint64(w.r32[o.b][i]), c, e))
		}
	}, dst, ab[0], ab[1], pos[0], pos[1])
	return nil
}

func decodePrmt(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(ptx.B32)
	if err != nil {
		return err
	}
	mode := d.m.oneOf("f4e", "b4e", "rc8", "ecl", "ecr", "rc16")
	return d.plain(t, in, 3, fn32(func(d, a, b, c *lane32) {
		for i := range d {
			d[i] = prmt(mode, a[i], b[i], c[i])
		}
	}))
}

func decodeLop3(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(ptx.B32)
	if err != nil {
		return err
	}
	if err := d.need(43, 50); err != nil {
		return err
	}
	if err := args(in, 5); err != nil {
		return err
	}
	if in.Args[4].Kind != ptx.IntOperand || in.Args[4].Bits > 255 {
		return fmt.Errorf("the table of lop3 must be a number up to 255")
	}
	dst, err := d.dst(t, in.Args[0])
	if err != nil {
		return err
	}
	list, err := d.srcs(t, in, 1, 3)
	if err != nil {
		return err
	}
	lut := uint8(in.Args[4].Bits)
	d.emitFn(fn32(func(d, a, b, c *lane32) {
		for i := range d {
			d[i] = lop3(a[i], b[i], c[i], lut)
		}
	}), dst, list...)
	return nil
}

// decodeSzext decodes szext, which sign- or zero-extends from bit b.
func decodeSzext(d *decoder, in *ptx.Inst) error {
	mode := d.m.oneOf("clamp", "wrap")
	if mode == "" {
		return fmt.Errorf("one of .clamp and .wrap is missing")
	}
	if err := d.need(76, 70); err != nil {
		return err
	}
	t, err := d.m.typ(ptx.U32, ptx.S32)
	if err != nil {
		return err
	}
	return d.plain(t, in, 2, fn32(func(d, a, b, _ *lane32) {
		for i := range d {
			n := b[i] & 31
			if mode == "clamp" {
				n = min(b[i], 32)
			}
			v := a[i] & uint32(1<<n-1)
			if t == ptx.S32 && n > 0 && v>>(n-1)&1 == 1 {
				v |= full << n
			}
			d[i] = v
		}
	}))
}

// decodeBmsk decodes bmsk, which makes a mask of b bits starting at bit a.
func decodeBmsk(d *decoder, in *ptx.Inst) error {
	mode := d.m.oneOf("clamp", "wrap")
	if mode == "" {
		return fmt.Errorf("one of .clamp and .wrap is missing")
	}
	if err := d.need(76, 70); err != nil {
		return err
	}
	t, err := d.m.typ(ptx.B32)
	if err != nil {
		return err
	}
	return d.plain(t, in, 2, fn32(func(d, a, b, _ *lane32) {
		for i := range d {
			pos, n := a[i], b[i]
			if mode == "wrap" {
				pos, n = pos&31, n&31
			}
			d[i] = uint32((uint64(1)<<min(n, 32) - 1) << min(pos, 32))
		}
	}))
}

// decodeFns decodes fns, which finds the n-th set bit.
func decodeFns(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(ptx.B32)
	if err != nil {
		return err
	}
	return d.plain(t, in, 3, fn32(func(d, a, b, c *lane32) {
		for i := range d {
			d[i] = findNth(a[i], b[i], int32(c[i]))
		}
	}))
}

func findNth(mask, base uint32, n int32) uint32 {
	if base > 31 {
		return full
	}
	switch {
	case n == 0:
		if mask>>base&1 == 1 {
			return base
		}
	case n > 0:
		for m := mask &^ (1<<base - 1); m != 0; m &= m - 1 {
			if n--; n == 0 {
				return uint32(bits.TrailingZeros32(m))
			}
		}
	default:
		for m := mask & uint32(uint64(2)<<base-1); m != 0; {
			at := uint32(31 - bits.LeadingZeros32(m))
			if n++; n == 0 {
				return at
			}
			m &^= 1 << at
		}
	}
	return full
}
