package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// env is one copy of a function in a program: the kernel itself, or a device function where it is called.
type env struct {
	fn     *ptx.Func
	outer  *env
	regs   []vreg               // by ptx.Reg.Index
	vars   map[*ptx.Var]uint64  // offsets in the thread's local memory
	labels map[*ptx.Label]int32 // node numbers
	starts []int32              // node number of each instruction
	ret    *label               // target of ret; nil: ret ends the kernel
	waits  map[int32]*ptx.Label // node → label of a branch, until labels are known
	waitsN map[int32][]*ptx.Label
}

// label is a place in the code whose node number is not known yet.
type label struct {
	from []int32 // branches to it
}

// local allocates a variable of a function's body.
func (d *decoder) local(e *env, v *ptx.Var) error {
	switch v.Space {
	case ptx.Local, ptx.Param:
		return d.place(e, v)
	case ptx.Shared: // one for all calls
		if _, ok := d.shared[v]; ok {
			return nil
		}
		if v.Extern {
			return fmt.Errorf("%s: extern in a function", v.Name)
		}
		align := uint64(v.Align)
		at := (d.prog.SharedStatic + align - 1) &^ (align - 1)
		d.shared[v] = at
		d.prog.SharedStatic = at + uint64(v.Bytes)
		return nil
	}
	if _, ok := d.module.address(v); !ok {
		return fmt.Errorf("%s: a variable in .%v memory inside a function is not supported", v.Name, v.Space)
	}
	return nil
}

// place allocates a variable in the thread's local memory.
func (d *decoder) place(e *env, v *ptx.Var) error {
	align := uint64(v.Align)
	at := (d.frame + align - 1) &^ (align - 1)
	d.frame = at + uint64(v.Bytes)
	if d.frame > maxLocal {
		return fmt.Errorf("more than %d bytes of local memory", maxLocal)
	}
	d.prog.LocalBytes = max(d.prog.LocalBytes, d.frame)
	e.vars[v] = at
	return nil
}

// leave emits a ret: an exit of the kernel, or a branch to the code after the call.
func (d *decoder) leave() {
	if d.env.ret == nil {
		d.emit(op{kind: opExit})
		return
	}
	d.emit(op{kind: opBra})
	d.env.ret.from = append(d.env.ret.from, int32(len(d.nodes)-1))
}

func classOf(t ptx.Type) class {
	switch t.Bits() {
	case 1:
		return cPred
	case 64:
		return c64
	}
	return c32
}
