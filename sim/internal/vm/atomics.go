package vm

import (
	"fmt"
	"math/bits"

	"github.com/smoothl1/smoothl1/sim/internal/ieee"
	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// rmwOf is what an atomic operation of a type makes of the old value and its operands.
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

// decodeAtom is atom and red.
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
		return fmt.Errorf(".noftz goes with halves, and they with it")
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
		// On global memory the hardware's float32 sums flush subnormals; what a generic address means is seen when it is used.
		n.exec = execAtomFlush
	}
	if m.space != ptx.Shared {
		n.kind = opGlobal
	}
	d.push(n)
	return nil
}

func execAtom(w *warp, o *op) { w.atom(o, false) }

func execAtomFlush(w *warp, o *op) { w.atom(o, true) }

// atom executes an atomic operation, lane after lane in an order that the seed draws.
func (w *warp) atom(o *op, flush bool) {
	m := o.mem
	lo, hi, or := w.addresses(o)
	if !w.aligned(o, or) {
		return
	}
	w.count(o, lo, hi)
	wide := m.bytes == 8
	turn, stride := w.block.rng.below(lanes), 2*w.block.rng.below(lanes/2)+1 // odd: every lane once, also backwards
	all := w.mask
	for k := range uint32(lanes) {
		i := int(k*stride+turn) & (lanes - 1)
		if all>>i&1 == 0 {
			continue
		}
		w.mask = 1 << i
		bk, ok := w.place(o, i)
		if !ok {
			return
		}
		p := bk.data[w.addr[i]:]
		old := readLE(p, m.bytes)
		if bk.shadow != nil {
			if w.watch(o, bk); w.fault != nil {
				return
			}
			if bk.space != ptx.Local {
				l := w.location(bk.space, w.key(bk, i, 0, m))
				w.readStrong(m, l, l.offer, i)
				w.replaced(l, i, old)
				w.writeStrong(m, l, i, true)
			}
		}
		var b, c uint64
		if wide {
			b = w.r64[o.b][i]
		} else {
			b = uint64(w.r32[o.b][i])
		}
		if m.cas {
			if wide {
				c = w.r64[o.c][i]
			} else {
				c = uint64(w.r32[o.c][i])
			}
		}
		var v uint64
		if flush && bk.space == ptx.Global {
			sum := ieee.Flush32(f32of(uint32(old))) + ieee.Flush32(f32of(uint32(b)))
			v = uint64(b32of(ieee.Flush32(sum)))
		} else {
			v = m.rmw(old, b, c)
		}
		writeLE(p, m.bytes, v)
		if m.load {
			if wide {
				w.r64[o.d][i] = old
			} else {
				w.r32[o.d][i] = uint32(old)
			}
		}
	}
	w.mask = all
	if w.block.eye != nil && (m.order == release || m.order == acqRel) {
		w.block.eye.tick()
	}
}

// each calls f for every lane of a group of splits, in the order of lanes.
func (w *warp) each(group []*split, f func(o *op, i int)) {
	var at [lanes]*op
	var all uint32
	for _, g := range group {
		for k := g.mask; k != 0; k &= k - 1 {
			at[bits.TrailingZeros32(k)] = g.op
		}
		all |= g.mask
	}
	for ; all != 0; all &= all - 1 {
		i := bits.TrailingZeros32(all)
		f(at[i], i)
	}
}

// shuffle executes shfl for a group of lanes.
func (w *warp) shuffle(group []*split, have uint32, mode string) {
	var v lane32
	if len(group) == 1 {
		v = w.r32[group[0].op.a]
	} else {
		w.each(group, func(o *op, i int) { v[i] = w.r32[o.a][i] })
	}
	for _, g := range group {
		o := g.op
		d, b, c := &w.r32[o.d], &w.r32[o.b], &w.r32[o.c]
		for k := g.mask; k != 0; k &= k - 1 {
			i := bits.TrailingZeros32(k) & (lanes - 1)
			j, in := shuffleSource(mode, uint32(i), b[i], c[i])
			if have>>j&1 == 0 {
				w.mask = g.mask
				w.failLane(o, i, Undefined, "%s reads lane %d, which does not execute it (executing lanes %#08x)", o.sync.what, j, have)
				return
			}
			d[i] = v[j]
			if o.sync.pred >= 0 {
				w.setPredLane(o.sync.pred, i, in)
			}
		}
	}
}

// shuffleSource is the lane that a lane reads, itself where the other is out of its segment.
func shuffleSource(mode string, lane, b, c uint32) (j uint32, in bool) {
	b, clamp, seg := b&31, c&31, c>>8&31
	top := lane&seg | clamp&^seg
	low := lane & seg
	switch mode {
	case "up":
		j = lane - b
		in = int32(j) >= int32(top)
	case "down":
		j = lane + b
		in = j <= top
	case "bfly":
		j = lane ^ b
		in = j <= top
	default:
		j = low | b&^seg
		in = j <= top
	}
	if !in {
		j = lane
	}
	return j & 31, in
}
