package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ieee"
	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// rmwOf returns the function of an atomic operation: the new value from the old one and the operands.
func rmwOf(name string, t ptx.Type) (func(old, b, c uint64) uint64, error) {
	allowed := func(types ...ptx.Type) error {
		for _, a := range types {
			if a == t {
				return nil
			}
		}
		return fmt.Errorf("type %v is not supported here", t)
	}
	ext := func(v uint64) uint64 { return extend(t, v) }
	switch name {
	case "exch":
		return func(_, b, _ uint64) uint64 { return b }, allowed(ptx.B32, ptx.B64)
	case "cas":
		return func(old, b, c uint64) uint64 {
			if old == b {
				return c
			}
			return old
		}, allowed(ptx.B16, ptx.B32, ptx.B64)
	case "and":
		return func(old, b, _ uint64) uint64 { return old & b }, allowed(ptx.B32, ptx.B64)
	case "or":
		return func(old, b, _ uint64) uint64 { return old | b }, allowed(ptx.B32, ptx.B64)
	case "xor":
		return func(old, b, _ uint64) uint64 { return old ^ b }, allowed(ptx.B32, ptx.B64)
	case "inc":
		return func(old, b, _ uint64) uint64 {
			if old >= b {
				return 0
			}
			return old + 1
		}, allowed(ptx.U32)
	case "dec":
		return func(old, b, _ uint64) uint64 {
			if old == 0 || old > b {
				return b
			}
			return old - 1
		}, allowed(ptx.U32)
	case "min", "max":
		f := minInt(t)
		if name == "max" {
			f = maxInt(t)
		}
		return func(old, b, _ uint64) uint64 { return f(ext(old), ext(b), 0) }, allowed(ptx.U32, ptx.U64, ptx.S32, ptx.S64)
	case "add":
		switch t {
		case ptx.F32:
			return func(old, b, _ uint64) uint64 { return uint64(b32of(f32of(uint32(old)) + f32of(uint32(b)))) }, nil
		case ptx.F64:
			return func(old, b, _ uint64) uint64 { return b64of(f64of(old) + f64of(b)) }, nil
		case ptx.F16, ptx.BF16, ptx.F16x2, ptx.BF16x2:
			f, packed := halfFormat(t)
			one := func(a, b uint64) uint64 { return ieee.AddSmall(f, f.To(a&0xffff), f.To(b&0xffff), ieee.RN) }
			return func(old, b, _ uint64) uint64 {
				if packed {
					return one(old, b) | one(old>>16, b>>16)<<16
				}
				return one(old, b)
			}, nil
		}
		return func(old, b, _ uint64) uint64 { return old + b }, allowed(ptx.U32, ptx.U64, ptx.S32)
	}
	return nil, fmt.Errorf("an operation is missing")
}

// decodeAtom decodes atom and red.
func decodeAtom(d *decoder, in *ptx.Inst) error {
	m := &access{vec: 1, load: in.Op == "atom", order: relaxed, scope: scopeGPU}
	semantics := true
	switch d.m.oneOf("relaxed", "acquire", "release", "acq_rel") {
	case "acquire":
		m.order = acquire
	case "release":
		m.order = release
	case "acq_rel":
		m.order = acqRel
	case "":
		semantics = false
	}
	if !m.load && (m.order == acquire || m.order == acqRel) {
		return fmt.Errorf("red cannot acquire")
	}
	s, scoped := scopeMod(d.m)
	if scoped {
		m.scope = s
	}
	if semantics {
		if err := d.need(60, 70); err != nil {
			return err
		}
	}
	if scoped {
		if err := d.need(50, 60); err != nil {
			return err
		}
	}
	m.space = spaceMod(d.m)
	if m.space != ptx.Generic && m.space != ptx.Global && m.space != ptx.Shared {
		return fmt.Errorf("an atomic operation on .%v memory", m.space)
	}
	name := d.m.oneOf("exch", "cas", "and", "or", "xor", "add", "inc", "dec", "min", "max")
	if !m.load && (name == "exch" || name == "cas") {
		return fmt.Errorf("modifier .%s is not known here", name)
	}
	noftz := d.m.has("noftz")
	t, err := d.m.typ(ptx.B16, ptx.B32, ptx.B64, ptx.U32, ptx.U64, ptx.S32, ptx.S64, ptx.F32, ptx.F64, ptx.F16, ptx.F16x2, ptx.BF16, ptx.BF16x2)
	if err != nil {
		return err
	}
	if noftz != half(t) {
		return fmt.Errorf(".noftz is required for halves, and allowed for them only")
	}
	switch {
	case t == ptx.BF16 || t == ptx.BF16x2:
		err = d.need(78, 90)
	case t == ptx.F16, t == ptx.B16:
		err = d.need(63, 70)
	case t == ptx.F16x2:
		err = d.need(62, 60)
	case t == ptx.F64:
		err = d.need(50, 60)
	}
	if err != nil {
		return err
	}
	if m.rmw, err = rmwOf(name, t); err != nil {
		return err
	}
	m.bytes = t.Bytes()
	list := in.Args
	want := 2
	if m.load {
		want++
	}
	if m.cas = name == "cas"; m.cas {
		want++
	}
	if err := args(in, want); err != nil {
		return err
	}
	n := &node{op: op{exec: execAtom, mem: m}}
	n.d = -1
	if m.load {
		dst, err := d.dstOrNone(t, list[0])
		if err != nil {
			return err
		}
		m.load = list[0].Kind != ptx.SinkOperand
		n.refs = append(n.refs, ref{&n.d, dst, true})
		list = list[1:]
	}
	if err := d.address(n, m, list[0]); err != nil {
		return err
	}
	b, err := d.src(t, list[1])
	if err != nil {
		return err
	}
	n.refs = append(n.refs, ref{&n.b, b, false})
	if m.cas {
		c, err := d.src(t, list[2])
		if err != nil {
			return err
		}
		n.refs = append(n.refs, ref{&n.c, c, false})
	}
	if t == ptx.F32 && m.space != ptx.Shared {
		// The hardware's float32 additions in global memory flush subnormals. A generic address is resolved only at run time.
		n.exec = execAtomFlush
	}
	n.kind = opTurn
	if m.space != ptx.Shared {
		n.kind = opGlobal
	}
	d.push(n)
	return nil
}
