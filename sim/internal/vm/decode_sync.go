package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// warpSync is an operation that lanes of a warp execute together: all that its member mask names, and that have not left the
// kernel, must arrive with the same operation and the same mask.
type warpSync struct {
	what   string // operation and qualifiers: what all must agree on
	member int32  // register of the member mask; −1: an old form without one, for the lanes that are active
	pred   int32  // shfl: register of the predicate result, or −1
	inv    uint32 // vote: what its predicate is negated with; lanes may come from several instructions
	run    func(w *warp, group []*split, have uint32)
}

// emitSync emits an operation of a warp. The old forms without .sync do not wait.
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

// syncForm reads .sync, or allows the old form where the target has it.
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

// decodeRedux reduces over the lanes of a warp.
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

// barrierOp is an arrival at a barrier of the block.
type barrierOp struct {
	wait    bool
	red     string // popc, and, or: a reduction of a predicate
	counted bool   // operand b is the number of threads
	aligned bool
	inv     uint32
}

// decodeBar is bar and barrier, and bar.warp.sync.
func decodeBar(d *decoder, in *ptx.Inst) error {
	if in.Op == "bar" && d.m.has("warp") {
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
	d.m.has("cta")
	what := d.m.oneOf("sync", "arrive", "red")
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
	if in.Op == "barrier" && !b.aligned {
		b.aligned = d.m.has("aligned")
	}
	if o := list0(in, b); o.Kind == ptx.IntOperand && o.Bits >= barriers {
		return fmt.Errorf("barrier %d; a block has barriers 0 to %d", o.Bits, barriers-1)
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
			return fmt.Errorf("a barrier for %d threads; it must be a multiple of the warp's 32", o.Bits)
		}
		n.refs = append(n.refs, ref{&n.b, r, false})
	}
	d.push(n)
	return nil
}

// list0 is the operand that names the barrier.
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

// decodeFence is membar and fence.
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
			eye.fence(w.index*lanes, w.mask, m.order, m.scope)
		}
	}}})
	return nil
}
