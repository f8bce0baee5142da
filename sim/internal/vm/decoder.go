package vm

import (
	"errors"
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// Limits of a program.
const (
	maxOps   = 1 << 18 // operations of a text, device functions inlined; a hundred times those of a large kernel
	maxSlots = 1 << 16 // registers of a class
	maxDepth = 64      // nested calls
	maxLocal = 512 << 10
)

// vreg is a virtual register: a class and a number.
type vreg struct {
	class class
	n     int32
}

// ref is a place in an operation that holds a register.
type ref struct {
	at  *int32
	reg vreg
	def bool
}

// node is an operation of a program under construction.
type node struct {
	op
	refs []ref
	copy *env // the function's copy that it belongs to
}

// decoder compiles a kernel to a program.
type decoder struct {
	module *Module
	prog   *Program
	nodes  []*node
	next   [classes]int32
	fixed  map[preset]vreg // preset registers
	sets   []preset        // in the order of their first use; slot holds the virtual register
	env    *env
	in     *ptx.Inst
	depth  int
	frame  uint64 // bytes of local memory in use
	srcOf  map[*ptx.Inst]int32
	m      *mods
	kernel *ptx.Func
	shared map[*ptx.Var]uint64 // offsets of the shared variables of functions' bodies
	cc     *vreg               // the carry flag
	// unguarded is set while a branch takes the place of the current instruction's guard.
	unguarded bool
}

func (d *decoder) fresh(c class) vreg {
	v := vreg{c, d.next[c]}
	d.next[c]++
	return v
}

// emit appends an operation.
func (d *decoder) emit(o op, refs ...func(*node)) *node {
	n := &node{op: o}
	for _, r := range refs {
		r(n)
	}
	d.push(n)
	return n
}

// push appends an operation with the guard of the current instruction. If the operation ends a block and may wait, a branch around it
// takes the place of the guard.
func (d *decoder) push(n *node) {
	n.source, n.copy = d.source(d.in), d.env
	n.guard = -1
	if d.in == nil || d.in.Guard == nil || d.unguarded {
		d.nodes = append(d.nodes, n)
		return
	}
	switch n.kind {
	case opWarp, opBar, opGlobal, opYield:
		d.around(d.in, func() { d.nodes = append(d.nodes, n) })
	default:
		d.guardBy(n, d.in)
		d.nodes = append(d.nodes, n)
	}
}

func (d *decoder) guardBy(n *node, in *ptx.Inst) {
	n.not = in.GuardNot
	n.refs = append(n.refs, ref{&n.guard, d.env.regs[in.Guard.Index], false})
}

func def(at func(*node) *int32, r vreg) func(*node) {
	return func(n *node) { n.refs = append(n.refs, ref{at(n), r, true}) }
}

func fieldD(n *node) *int32 { return &n.d }

// source returns the index of an instruction in Program.Source.
func (d *decoder) source(in *ptx.Inst) int32 {
	if in == nil {
		return -1
	}
	if i, ok := d.srcOf[in]; ok {
		return i
	}
	i := int32(len(d.prog.Source))
	d.srcOf[in] = i
	d.prog.Source = append(d.prog.Source, Source{
		Line: in.Line, Text: in.String(), Func: d.env.fn.Name,
		Branch: in.Op == "bra" && in.Guard != nil, Kind: kindOf(in),
	})
	return i
}

// compile compiles a kernel to a program.
func (m *Module) compile(f *ptx.Func) (*Program, error) {
	d := &decoder{module: m, kernel: f, fixed: map[preset]vreg{}, srcOf: map[*ptx.Inst]int32{}, shared: map[*ptx.Var]uint64{}}
	d.prog = &Program{Name: f.Name, Line: f.Line, SharedStatic: m.sharedBytes, SharedAlign: m.sharedAlign, consts: &m.Consts}
	if f.MaxThreads[0] > 0 {
		d.prog.MaxThreads = f.MaxThreads[0] * f.MaxThreads[1] * f.MaxThreads[2]
	}
	d.prog.ReqThreads = f.ReqThreads
	for _, v := range f.Params {
		at := (d.prog.ParamBytes + v.Align - 1) &^ (v.Align - 1)
		d.prog.Params = append(d.prog.Params, Param{v.Name, v.Type, at, int(v.Bytes)})
		d.prog.ParamBytes = at + int(v.Bytes)
	}
	if limit := 4096; d.prog.ParamBytes > limit && (m.text.Version() < 81 || m.text.SM < 70 || d.prog.ParamBytes > 32764) {
		return nil, &ptx.Error{Line: f.Line, Msg: fmt.Sprintf("kernel %s: %d bytes of parameters, more than %d", f.Name, d.prog.ParamBytes, limit)}
	}
	if err := d.function(f, nil, func(e *env) error {
		if f.Entry {
			return nil
		}
		for _, v := range append(append([]*ptx.Var(nil), f.Rets...), f.Params...) { // a device function on its own, to report its errors
			if err := d.place(e, v); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	d.prog.LocalBytes = (d.prog.LocalBytes + 15) &^ 15 // keeps accesses aligned in every lane's part
	if err := d.finish(); err != nil {
		return nil, err
	}
	m.work += len(d.nodes)
	return d.prog, nil
}

// fault turns err into an error of the current instruction.
func (d *decoder) fault(err error) error {
	var already *ptx.Error
	if errors.As(err, &already) {
		return err
	}
	return &ptx.Error{Line: d.in.Line, Instruction: d.in.String(), Msg: err.Error()}
}

// function decodes the body of a kernel or, at a call, of a device function.
func (d *decoder) function(f *ptx.Func, ret *label, bind func(*env) error) error {
	if d.depth++; d.depth > maxDepth {
		return fmt.Errorf("calls nested more than %d deep", maxDepth)
	}
	outer, in, frame, unguarded := d.env, d.in, d.frame, d.unguarded
	e := &env{fn: f, outer: outer, ret: ret, vars: map[*ptx.Var]uint64{}, labels: map[*ptx.Label]int32{},
		waits: map[int32]*ptx.Label{}, waitsN: map[int32][]*ptx.Label{}}
	e.regs = make([]vreg, len(f.Regs))
	for i, r := range f.Regs {
		e.regs[i] = d.fresh(classOf(r.Type))
	}
	d.env = e
	if bind != nil {
		if err := bind(e); err != nil {
			return err
		}
	}
	d.unguarded = false
	d.module.work += len(f.Locals) // a copy has a cost even without operations
	for _, v := range f.Locals {
		if err := d.local(e, v); err != nil {
			return &ptx.Error{Line: v.Line, Msg: err.Error()}
		}
	}
	e.starts = make([]int32, len(f.Insts)+1)
	for i, in := range f.Insts {
		e.starts[i] = int32(len(d.nodes))
		d.in = in
		if d.module.work+len(d.nodes) > maxOps {
			return d.fault(fmt.Errorf("more than %d operations in this text, device functions inlined", maxOps))
		}
		if err := d.instruction(in); err != nil {
			return d.fault(err)
		}
	}
	// Running off the end of a body is a return.
	d.in = nil
	e.starts[len(f.Insts)] = int32(len(d.nodes))
	d.leave()
	for at, l := range e.waits {
		d.nodes[at].target = e.starts[l.Index]
	}
	for at, ls := range e.waitsN {
		for _, l := range ls {
			d.nodes[at].targets = append(d.nodes[at].targets, e.starts[l.Index])
		}
	}
	d.env, d.in, d.frame, d.unguarded = outer, in, frame, unguarded
	d.depth--
	return nil
}

// instruction decodes one instruction of the text.
func (d *decoder) instruction(in *ptx.Inst) error {
	dec := opcodes[in.Op]
	if dec == nil {
		return fmt.Errorf("instruction %s is not known", in.Op)
	}
	d.m = modsOf(in)
	if err := dec(d, in); err != nil {
		return err
	}
	return d.m.done()
}

// need returns an error if the module's version or target is older than an instruction requires.
func (d *decoder) need(version, sm int) error {
	if v := d.module.text.Version(); v < version {
		return fmt.Errorf("needs PTX %d.%d, the text is of %d.%d", version/10, version%10, v/10, v%10)
	}
	if d.module.text.SM < sm {
		return fmt.Errorf("needs .target sm_%d, the text is for sm_%d", sm, d.module.text.SM)
	}
	return nil
}
