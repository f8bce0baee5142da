package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

func execSelp32(w *warp, o *op) {
	d, a, b, p := &w.r32[o.d], &w.r32[o.a], &w.r32[o.b], w.preds[o.c]^uint32(o.imm)
	if w.mask != w.live {
		d = &w.t32
	}
	for i := range d {
		m := -(p >> i & 1)
		d[i] = b[i] ^ (a[i]^b[i])&m
	}
	if w.mask != w.live {
		blend32(&w.r32[o.d], d, w.mask)
	}
}

func execSelp64(w *warp, o *op) {
	d, a, b, p := &w.r64[o.d], &w.r64[o.a], &w.r64[o.b], uint64(w.preds[o.c]^uint32(o.imm))
	if w.mask != w.live {
		d = &w.t64
	}
	for i := range d {
		m := -(p >> i & 1)
		d[i] = b[i] ^ (a[i]^b[i])&m
	}
	if w.mask != w.live {
		blend64(&w.r64[o.d], d, w.mask)
	}
}

func decodeSelp(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(ptx.B16, ptx.B32, ptx.B64, ptx.U16, ptx.U32, ptx.U64, ptx.S16, ptx.S32, ptx.S64, ptx.F32, ptx.F64)
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
	list, err := d.srcs(t, in, 1, 2)
	if err != nil {
		return err
	}
	p, not, err := d.pred(in.Args[3])
	if err != nil {
		return err
	}
	exec := execSelp32
	if t.Bits() == 64 {
		exec = execSelp64
	}
	n := d.emitShape(exec, nil, dst, append(list, p))
	if not {
		n.imm = uint64(full)
	}
	return nil
}

// decodeSlct decodes slct, which selects by the sign of its third operand.
func decodeSlct(d *decoder, in *ptx.Inst) error {
	ftz := d.m.has("ftz")
	t, err := d.m.typ(ptx.B16, ptx.B32, ptx.B64, ptx.U16, ptx.U32, ptx.U64, ptx.S16, ptx.S32, ptx.S64, ptx.F32, ptx.F64)
	if err != nil {
		return err
	}
	ct, err := d.m.typ(ptx.S32, ptx.F32)
	if err != nil {
		return err
	}
	if ftz && ct != ptx.F32 {
		return fmt.Errorf(".ftz does not apply to %v", ct)
	}
	if err := args(in, 4); err != nil {
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
	c, err := d.src(ct, in.Args[3])
	if err != nil {
		return err
	}
	value := valueOf(ptx.F32, ftz)
	d.emitEach(func(w *warp, o *op, i int) {
		v := w.r32[o.c][i]
		first := int32(v) >= 0
		if ct == ptx.F32 {
			first = value(uint64(v)) >= 0 // true for −0, false for NaN
		}
		from := o.b
		if first {
			from = o.a
		}
		if t.Bits() == 64 {
			w.r64[o.d][i] = w.r64[from][i]
		} else {
			w.r32[o.d][i] = w.r32[from][i]
		}
	}, dst, append(list, c)...)
	return nil
}
