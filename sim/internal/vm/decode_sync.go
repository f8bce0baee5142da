package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// warpSync is an operation that lanes of a warp execute together: all lanes of its member mask that have not exited must arrive
// with the same operation and the same mask.
type warpSync struct {
	what   string // operation and qualifiers, on which all lanes must agree
	member int32  // register of the member mask; −1: an old form without one, for the active lanes
	pred   int32  // shfl: register of the predicate result, or −1
	inv    uint32 // vote: all ones to negate its predicate; lanes may come from several instructions
	run    func(w *warp, group []*split, have uint32)
}

// emitSync emits a warp operation. The old forms without .sync do not wait.
func (d *decoder) emitSync(s *warpSync, member vreg, dst *vreg, pred *vreg, srcs ...vreg) {
	n := &node{op: op{kind: opWarp, sync: s}}
	s.pred = -1
	if s.member < 0 {
		n.kind = opPlain
		n.exec = func(w *warp, o *op) {
			w.alone.mask, w.alone.op = w.mask, o
			s.run(w, w.aloneGroup[:], w.mask)
		}
	} else {
		n.refs = append(n.refs, ref{&s.member, member, false})
	}
	fields := [...]*int32{&n.a, &n.b, &n.c}
	for i, r := range srcs {
		n.refs = append(n.refs, ref{fields[i], r, false})
	}
	if dst != nil {
		n.refs = append(n.refs, ref{&n.d, *dst, true})
	}
	if pred != nil {
		n.refs = append(n.refs, ref{&s.pred, *pred, true})
	}
	d.push(n)
}

// syncForm reads .sync. It accepts the old form without it on targets that have that form.
func (d *decoder) syncForm() (sync bool, err error) {
	if d.m.has("sync") {
		return true, d.need(60, 30)
	}
	if d.module.text.SM >= 70 && d.module.text.Version() >= 64 {
		return false, fmt.Errorf("%s without .sync is not supported on sm_70 and higher", d.m.in.Op)
	}
	return false, nil
}

func decodeShfl(d *decoder, in *ptx.Inst) error {
	sync, err := d.syncForm()
	if err != nil {
		return err
	}
	mode := d.m.oneOf("up", "down", "bfly", "idx")
	if mode == "" {
		return fmt.Errorf("a mode is missing")
	}
	t, err := d.m.typ(ptx.B32)
	if err != nil {
		return err
	}
	n := 4
	if sync {
		n = 5
	}
	if err := args(in, n); err != nil {
		return err
	}
	var p *vreg
	out := in.Args[0]
	if out.Kind == ptx.PairOperand {
		r, err := d.dstOrNone(ptx.Pred, out.Elems[1])
		if err != nil {
			return err
		}
		p, out = &r, out.Elems[0]
	}
	dst, err := d.dst(t, out)
	if err != nil {
		return err
	}
	srcs, err := d.srcs(t, in, 1, 3)
	if err != nil {
		return err
	}
	s := &warpSync{what: "shfl." + mode, member: -1}
	s.run = func(w *warp, group []*split, have uint32) { w.shuffle(group, have, mode) }
	var member vreg
	if sync {
		s.member = 0
		if member, err = d.src(ptx.U32, in.Args[4]); err != nil {
			return err
		}
	}
	d.emitSync(s, member, &dst, p, srcs...)
	return nil
}
