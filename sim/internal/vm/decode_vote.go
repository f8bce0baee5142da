package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

func decodeVote(d *decoder, in *ptx.Inst) error {
	sync, err := d.syncForm()
	if err != nil {
		return err
	}
	mode := d.m.oneOf("all", "any", "uni", "ballot")
	if mode == "" {
		return fmt.Errorf("a mode is missing")
	}
	t := ptx.Pred
	if mode == "ballot" {
		t = ptx.B32
	}
	if _, err := d.m.typ(t); err != nil {
		return err
	}
	n := 2
	if sync {
		n = 3
	}
	if err := args(in, n); err != nil {
		return err
	}
	dst, err := d.dst(t, in.Args[0])
	if err != nil {
		return err
	}
	a, not, err := d.pred(in.Args[1])
	if err != nil {
		return err
	}
	s := &warpSync{what: "vote." + mode, member: -1}
	if not {
		s.inv = full
	}
	s.run = func(w *warp, group []*split, have uint32) {
		var yes uint32
		for _, g := range group {
			yes |= (w.preds[g.op.a] ^ g.op.sync.inv) & g.mask
		}
		if mode == "ballot" {
			w.each(group, func(o *op, i int) { w.r32[o.d][i] = yes })
			return
		}
		v := mode == "all" && yes == have || mode == "any" && yes != 0 || mode == "uni" && (yes == 0 || yes == have)
		w.each(group, func(o *op, i int) { w.setPredLane(o.d, i, v) })
	}
	var member vreg
	if sync {
		s.member = 0
		if member, err = d.src(ptx.U32, in.Args[2]); err != nil {
			return err
		}
	}
	d.emitSync(s, member, &dst, nil, a)
	return nil
}

func decodeMatch(d *decoder, in *ptx.Inst) error {
	mode := d.m.oneOf("any", "all")
	if mode == "" || !d.m.has("sync") {
		return fmt.Errorf(".any.sync or .all.sync is missing")
	}
	t, err := d.m.typ(ptx.B32, ptx.B64)
	if err != nil {
		return err
	}
	if err := d.need(60, 70); err != nil {
		return err
	}
	if err := args(in, 3); err != nil {
		return err
	}
	out := in.Args[0]
	var p *vreg
	if out.Kind == ptx.PairOperand {
		if mode != "all" {
			return fmt.Errorf("match.any has one result")
		}
		r, err := d.dstOrNone(ptx.Pred, out.Elems[1])
		if err != nil {
			return err
		}
		p, out = &r, out.Elems[0]
	}
	dst, err := d.dstOrNone(ptx.B32, out)
	if err != nil {
		return err
	}
	a, err := d.src(t, in.Args[1])
	if err != nil {
		return err
	}
	member, err := d.src(ptx.U32, in.Args[2])
	if err != nil {
		return err
	}
	s := &warpSync{what: "match." + mode + t.String()}
	s.run = func(w *warp, group []*split, have uint32) {
		var v lane64
		w.each(group, func(o *op, i int) {
			if t == ptx.B64 {
				v[i] = w.r64[o.a][i]
			} else {
				v[i] = uint64(w.r32[o.a][i])
			}
		})
		w.each(group, func(o *op, i int) {
			var same uint32
			for k := range lanes {
				if have>>k&1 == 1 && v[k] == v[i] {
					same |= 1 << k
				}
			}
			if mode == "all" && same != have {
				same = 0
			}
			w.r32[o.d][i] = same
			if o.sync.pred >= 0 {
				w.setPredLane(o.sync.pred, i, same != 0)
			}
		})
	}
	d.emitSync(s, member, &dst, p, a)
	return nil
}

// decodeRedux decodes redux, a reduction over the lanes of a warp.
func decodeRedux(d *decoder, in *ptx.Inst) error {
	if !d.m.has("sync") {
		return fmt.Errorf(".sync is missing")
	}
	mode := d.m.oneOf("add", "min", "max", "and", "or", "xor")
	allowed := []ptx.Type{ptx.U32, ptx.S32}
	if mode == "and" || mode == "or" || mode == "xor" {
		allowed = []ptx.Type{ptx.B32}
	}
	t, err := d.m.typ(allowed...)
	if err != nil {
		return err
	}
	if err := d.need(70, 80); err != nil {
		return err
	}
	f, err := rmwOf(mode, t)
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
	member, err := d.src(ptx.U32, in.Args[2])
	if err != nil {
		return err
	}
	s := &warpSync{what: "redux." + mode + t.String()}
	s.run = func(w *warp, group []*split, have uint32) {
		var v uint64
		first := true
		w.each(group, func(o *op, i int) {
			x := uint64(w.r32[o.a][i])
			if first {
				v, first = x, false
			} else {
				v = f(v, x, 0)
			}
		})
		w.each(group, func(o *op, i int) { w.r32[o.d][i] = uint32(v) })
	}
	d.emitSync(s, member, &dst, nil, a)
	return nil
}

func decodeActivemask(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(ptx.B32)
	if err != nil {
		return err
	}
	if err := d.need(62, 30); err != nil {
		return err
	}
	if err := args(in, 1); err != nil {
		return err
	}
	dst, err := d.dst(t, in.Args[0])
	if err != nil {
		return err
	}
	d.emitEach(func(w *warp, o *op, i int) { w.r32[o.d][i] = w.mask }, dst)
	return nil
}
