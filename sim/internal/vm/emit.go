package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// srcs decodes n source operands of one type, starting with operand first.
func (d *decoder) srcs(t ptx.Type, in *ptx.Inst, first, n int) ([]vreg, error) {
	list := make([]vreg, n)
	for i := range n {
		r, err := d.src(t, in.Args[first+i])
		if err != nil {
			return nil, err
		}
		list[i] = r
	}
	return list, nil
}

// plain decodes an instruction of one type whose n sources follow its destination.
func (d *decoder) plain(t ptx.Type, in *ptx.Inst, n int, f any) error {
	if err := args(in, n+1); err != nil {
		return err
	}
	dst, err := d.dst(t, in.Args[0])
	if err != nil {
		return err
	}
	list, err := d.srcs(t, in, 1, n)
	if err != nil {
		return err
	}
	d.emitFn(f, dst, list...)
	return nil
}

// emitFn emits the operation that applies a lane function.
func (d *decoder) emitFn(f any, dst vreg, srcs ...vreg) {
	switch f.(type) {
	case fn32:
		d.emitShape(exec32, f, dst, srcs)
	case fn64:
		d.emitShape(exec64, f, dst, srcs)
	case fnWide:
		d.emitShape(execWide, f, dst, srcs)
	case fnShift:
		d.emitShape(execShift, f, dst, srcs)
	case fnTo64:
		d.emitShape(execTo64, f, dst, srcs)
	case fnTo32:
		d.emitShape(execTo32, f, dst, srcs)
	case fnCmp32:
		d.emitShape(execCmp32, f, dst, srcs)
	case fnCmp64:
		d.emitShape(execCmp64, f, dst, srcs)
	case fnEach:
		d.emitShape(execEach, f, dst, srcs)
	default:
		panic(fmt.Sprintf("vm: no operation for %T", f))
	}
}

// by picks the lane function for the width of a type, or nil.
func by(t ptx.Type, f32 fn32, f64 fn64) any {
	switch t.Bits() {
	case 32:
		return f32
	case 64:
		return f64
	}
	return nil
}
