package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

func decodeBra(d *decoder, in *ptx.Inst) error {
	d.m.has("uni")
	if err := args(in, 1); err != nil {
		return err
	}
	if in.Args[0].Kind != ptx.LabelOperand {
		return fmt.Errorf("%v is not a label", in.Args[0])
	}
	n := &node{op: op{kind: opBra}}
	d.push(n)
	d.env.waits[int32(len(d.nodes)-1)] = in.Args[0].Label
	return nil
}

// decodeBrx decodes brx.idx, an indirect branch to one of the targets listed by .branchtargets.
func decodeBrx(d *decoder, in *ptx.Inst) error {
	if !d.m.has("idx") {
		return fmt.Errorf(".idx is missing")
	}
	d.m.has("uni")
	if err := args(in, 2); err != nil {
		return err
	}
	a, err := d.src(ptx.U32, in.Args[0])
	if err != nil {
		return err
	}
	if in.Args[1].Kind != ptx.LabelOperand || len(in.Args[1].Label.Targets) == 0 {
		return fmt.Errorf("%v is not a list of targets", in.Args[1])
	}
	d.module.work += len(in.Args[1].Label.Targets) // counted for each branch: many may share one long list
	d.around(in, func() {
		n := &node{op: op{kind: opBrx}}
		n.refs = append(n.refs, ref{&n.a, a, false})
		d.push(n)
		d.env.waitsN[int32(len(d.nodes)-1)] = in.Args[1].Label.Targets
	})
	return nil
}

// around calls emit for the operations of an instruction. If the instruction is guarded, a branch around them on the negated guard takes
// the place of their guards.
func (d *decoder) around(in *ptx.Inst, emit func()) {
	if in.Guard == nil || d.unguarded {
		emit()
		return
	}
	skip := &node{op: op{kind: opBra, implicit: true, guard: -1, source: d.source(in)}, copy: d.env}
	d.guardBy(skip, in)
	skip.not = !skip.not
	d.nodes = append(d.nodes, skip)
	d.unguarded = true
	emit()
	d.unguarded = false
	skip.target = int32(len(d.nodes)) // the next node, which always exists: a body ends with one
}

func decodeRet(d *decoder, in *ptx.Inst) error {
	d.m.has("uni")
	if err := args(in, 0); err != nil {
		return err
	}
	d.leave()
	return nil
}

func decodeExit(d *decoder, in *ptx.Inst) error {
	if err := args(in, 0); err != nil {
		return err
	}
	d.push(&node{op: op{kind: opExit}})
	return nil
}

func decodeTrap(d *decoder, in *ptx.Inst) error {
	if err := args(in, 0); err != nil {
		return err
	}
	d.push(&node{op: op{exec: func(w *warp, o *op) {
		w.fail(o, w.lane(func(uint64) bool { return true }), Trapped, 0, "trap")
	}}})
	return nil
}

func decodeNanosleep(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(ptx.U32)
	if err != nil {
		return err
	}
	if err := d.need(63, 70); err != nil {
		return err
	}
	if err := args(in, 1); err != nil {
		return err
	}
	if _, err := d.src(t, in.Args[0]); err != nil {
		return err
	}
	d.push(&node{op: op{kind: opYield}})
	return nil
}

// decodeCall inlines a device function.
func decodeCall(d *decoder, in *ptx.Inst) error {
	d.m.has("uni")
	list := in.Args
	var rets, params []ptx.Operand
	if len(list) > 0 && list[0].Kind == ptx.ListOperand {
		rets, list = list[0].Elems, list[1:]
	}
	if len(list) > 1 && list[1].Kind == ptx.ListOperand {
		params = list[1].Elems
		list = append(list[:1:1], list[2:]...)
	}
	if len(list) != 1 || list[0].Kind != ptx.FuncOperand {
		return fmt.Errorf("only calls of functions by their name are supported")
	}
	f := d.module.functions[list[0].Func]
	switch {
	case f == nil || f.Declared:
		return fmt.Errorf("function %s is declared and not defined in this text", list[0].Func)
	case f.Entry:
		return fmt.Errorf("%s is a kernel", f.Name)
	case len(rets) != len(f.Rets) || len(params) != len(f.Params):
		return fmt.Errorf("%s has %d results and %d parameters, the call %d and %d", f.Name, len(f.Rets), len(f.Params), len(rets), len(params))
	}
	for e := d.env; e != nil; e = e.outer {
		if e.fn == f {
			return fmt.Errorf("%s is recursive, which is not supported", f.Name)
		}
	}
	var err error
	d.around(in, func() { err = d.inline(f, rets, params) })
	return err
}

// inline decodes a function in the place of its call, its parameters bound to the caller's.
func (d *decoder) inline(f *ptx.Func, rets, params []ptx.Operand) error {
	type binding struct {
		formal *ptx.Var
		offset uint64 // of a variable of the caller
		reg    vreg   // or the register of the value or result
		isReg  bool
	}
	bind := func(formals []*ptx.Var, actuals []ptx.Operand, in bool) ([]binding, error) {
		var list []binding
		for i, v := range formals {
			o := actuals[i]
			b := binding{formal: v}
			if o.Kind == ptx.VarOperand {
				at, space, err := d.addressOf(o.Var)
				if err != nil {
					return nil, err
				}
				if space != ptx.Local || o.Var.Space != ptx.Param || o.Var.Bytes != v.Bytes || v.Space != ptx.Param || o.Offset != 0 {
					return nil, fmt.Errorf("%v does not fit parameter %s of %s", o, v.Name, f.Name)
				}
				b.offset = at
			} else {
				if v.Array {
					return nil, fmt.Errorf("%v does not fit parameter %s of %s", o, v.Name, f.Name)
				}
				var err error
				if in {
					b.reg, err = d.src(v.Type, o)
				} else {
					b.reg, err = d.dst(v.Type, o)
				}
				if err != nil {
					return nil, err
				}
				b.isReg = true
			}
			list = append(list, b)
		}
		return list, nil
	}
	ins, err := bind(f.Params, params, true)
	if err != nil {
		return err
	}
	outs, err := bind(f.Rets, rets, false)
	if err != nil {
		return err
	}
	after := &label{}
	var callee *env
	call := d.in
	err = d.function(f, after, func(e *env) error {
		callee = e
		for k, list := range [...][]binding{ins, outs} {
			for _, b := range list {
				switch {
				case b.formal.Space == ptx.RegSpace:
					if r, ok := e.register(b.formal.Name); ok && k == 0 {
						d.move(r, b.reg)
					}
				case b.isReg:
					if err := d.place(e, b.formal); err != nil {
						return err
					}
					if k == 0 {
						d.emitLocal(false, b.formal.Type, b.reg, e.vars[b.formal])
					}
				default:
					e.vars[b.formal] = b.offset
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.in = call
	for _, at := range after.from {
		d.nodes[at].target = int32(len(d.nodes))
	}
	for _, b := range outs {
		switch {
		case b.formal.Space == ptx.RegSpace:
			if r, ok := callee.register(b.formal.Name); ok {
				d.move(b.reg, r)
			}
		case b.isReg:
			d.emitLocal(true, b.formal.Type, b.reg, callee.vars[b.formal])
		}
	}
	return nil
}

// register finds a register of a function by its name.
func (e *env) register(name string) (vreg, bool) {
	for i, r := range e.fn.Regs {
		if r.Name == name {
			return e.regs[i], true
		}
	}
	return vreg{}, false
}

// move copies a register.
func (d *decoder) move(dst, src vreg) {
	switch dst.class {
	case cPred:
		d.emitShape(func(w *warp, o *op) { w.setPred(o.d, w.preds[o.a]) }, nil, dst, []vreg{src})
	case c64:
		d.emit64(mov64, dst, src)
	default:
		d.emit32(mov32, dst, src)
	}
}

// decodeNothing checks an instruction that has no effect here: profiler events, and waiting for the launch before this one, which has
// always ended.
func decodeNothing(d *decoder, in *ptx.Inst) error {
	n := 0
	if in.Op == "pmevent" {
		n = 1
	} else {
		if d.m.oneOf("wait", "launch_dependents") == "" {
			return fmt.Errorf("one of .wait and .launch_dependents is missing")
		}
		if err := d.need(78, 90); err != nil {
			return err
		}
	}
	if err := args(in, n); err != nil {
		return err
	}
	if n == 1 && (in.Args[0].Kind != ptx.IntOperand || in.Args[0].Bits > 15) {
		return fmt.Errorf("an event is a number up to 15")
	}
	d.push(&node{op: op{exec: func(*warp, *op) {}}})
	return nil
}
