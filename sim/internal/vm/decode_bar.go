package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// barrierOp is an arrival at a barrier of the block.
type barrierOp struct {
	wait    bool
	red     string // popc, and, or: a reduction of a predicate
	counted bool   // operand b is the number of threads
	aligned bool
	inv     uint32
}

// decodeBar decodes bar, barrier and bar.warp.sync.
func decodeBar(d *decoder, in *ptx.Inst) error {
	if in.Op == "bar" && d.m.name("warp") != "" {
		if !d.m.has("sync") {
			return fmt.Errorf(".sync is missing")
		}
		if err := d.need(60, 30); err != nil {
			return err
		}
		if err := args(in, 1); err != nil {
			return err
		}
		member, err := d.src(ptx.U32, in.Args[0])
		if err != nil {
			return err
		}
		s := &warpSync{what: "bar.warp", run: func(w *warp, _ []*split, have uint32) {
			if eye := w.block.eye; eye != nil {
				eye.syncWarp(w.index*lanes, have, w.live)
			}
		}}
		d.emitSync(s, member, nil, nil)
		return nil
	}
	d.m.name("cta")
	what := d.m.name("arrive", "red")
	if what == "" && d.m.has("sync") {
		what = "sync"
	}
	if what == "" {
		return fmt.Errorf("one of .sync, .arrive and .red is missing")
	}
	b := &barrierOp{wait: what != "arrive", aligned: in.Op == "bar"}
	if in.Op == "barrier" {
		if err := d.need(60, 30); err != nil {
			return err
		}
		b.aligned = d.m.has("aligned")
	}
	if what == "red" {
		if b.red = d.m.oneOf("popc", "and", "or"); b.red == "" {
			return fmt.Errorf("a reduction is missing")
		}
	}
	if o := list0(in, b); o.Kind == ptx.IntOperand && o.Bits >= barriers {
		return fmt.Errorf("barrier %d: want a number from 0 to %d", o.Bits, barriers-1)
	}
	n := &node{op: op{kind: opBar, bar: b}}
	list := in.Args
	if b.red != "" {
		t := ptx.Pred
		if b.red == "popc" {
			t = ptx.U32
		}
		if _, err := d.m.typ(t); err != nil {
			return err
		}
		if len(list) < 3 {
			return fmt.Errorf("%d operands, expected 3 or 4", len(list))
		}
		dst, err := d.dst(t, list[0])
		if err != nil {
			return err
		}
		p, not, err := d.pred(list[len(list)-1])
		if err != nil {
			return err
		}
		if not {
			b.inv = full
		}
		n.refs = append(n.refs, ref{&n.d, dst, true}, ref{&n.c, p, false})
		list = list[1 : len(list)-1]
	}
	if len(list) < 1 || len(list) > 2 || what == "arrive" && len(list) != 2 {
		return fmt.Errorf("wrong number of operands")
	}
	a, err := d.src(ptx.U32, list[0])
	if err != nil {
		return err
	}
	n.refs = append(n.refs, ref{&n.a, a, false})
	if len(list) == 2 {
		r, err := d.src(ptx.U32, list[1])
		if err != nil {
			return err
		}
		b.counted = true
		if o := list[1]; o.Kind == ptx.IntOperand && o.Bits%lanes != 0 {
			return fmt.Errorf("a barrier for %d threads: want a multiple of 32 up to 1024", o.Bits)
		}
		n.refs = append(n.refs, ref{&n.b, r, false})
	}
	d.push(n)
	return nil
}

// list0 returns the operand that names the barrier.
func list0(in *ptx.Inst, b *barrierOp) ptx.Operand {
	at := 0
	if b.red != "" {
		at = 1
	}
	if at < len(in.Args) {
		return in.Args[at]
	}
	return ptx.Operand{}
}

// decodeFence decodes membar and fence.
func decodeFence(d *decoder, in *ptx.Inst) error {
	m := &access{order: seqCst}
	if in.Op == "membar" {
		switch d.m.oneOf("cta", "gl", "sys") {
		case "cta":
			m.scope = scopeCTA
		case "gl":
			m.scope = scopeGPU
		case "sys":
			m.scope = scopeSys
		default:
			return fmt.Errorf("a level is missing")
		}
	} else {
		if err := d.need(60, 70); err != nil {
			return err
		}
		switch d.m.oneOf("sc", "acq_rel", "acquire", "release") {
		case "acq_rel":
			m.order = acqRel
		case "acquire":
			m.order = acquire
		case "release":
			m.order = release
		case "sc":
		default:
			m.order = acqRel
		}
		if m.order == acquire || m.order == release {
			if err := d.need(86, 90); err != nil {
				return err
			}
		}
		s, ok := scopeMod(d.m)
		if !ok {
			return fmt.Errorf("a scope is missing")
		}
		m.scope = s
	}
	if err := args(in, 0); err != nil {
		return err
	}
	d.push(&node{op: op{mem: m, exec: func(w *warp, o *op) {
		if eye := w.block.eye; eye != nil {
			w.accessWork(o.mem)
			w.block.extra += fenceWork
			eye.fence(w.index*lanes, w.mask, m.order, m.scope)
		}
	}}})
	return nil
}
