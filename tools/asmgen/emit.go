package main

import (
	"fmt"
	"reflect"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

var config = printer.Config{Name: "tools/asmgen (make asm)", Pkg: "core"}

// emitter writes one kernel.
type emitter struct {
	*build.Context
	spec
	later     []func() // code after the function's return, off the common path
	labels    int
	groups    [][]step // the arranged steps of the formula
	constants places
}

// op appends an instruction by its name.
func (e *emitter) op(name string, operands ...operand.Op) {
	method := reflect.ValueOf(e.Context).MethodByName(name)
	if !method.IsValid() {
		panic("avo has no " + name)
	}
	in := make([]reflect.Value, len(operands))
	for i, o := range operands {
		in[i] = reflect.ValueOf(o)
	}
	method.Call(in)
}

// p appends the instruction for packed numbers of the element type: VMUL is VMULPS or VMULPD.
func (e *emitter) p(name string, operands ...operand.Op) {
	suffix := "PS"
	if e.double {
		suffix = "PD"
	}
	e.op(name+suffix, operands...)
}

// i appends the instruction for packed integers of the element's size: VPXOR is VPXORD or VPXORQ.
func (e *emitter) i(name string, operands ...operand.Op) {
	suffix := "D"
	if e.double {
		suffix = "Q"
	}
	e.op(name+suffix, operands...)
}

// label returns a new label.
func (e *emitter) label(name string) string {
	e.labels++
	return fmt.Sprintf("%s%d", name, e.labels)
}

func ref(label string) operand.Op { return operand.LabelRef(label) }

// The registers of all kernels. p is free once the arguments are loaded.
var (
	pArg        = reg.RDI
	pred        = reg.RSI
	target      = reg.RDX
	upstream    = reg.RBX
	out         = reg.R8
	negated     = reg.R9
	sums        = reg.R10
	count       = reg.R11 // elements left after this chunk
	stores      = reg.R12 // flags of Params.Stores
	lanes       = reg.R13 // lanes in memory
	predAhead   = reg.R14 // pred plus the prefetch distance
	targetAhead = reg.R15
	maskAt      = reg.R14 // the current byte of the mask; kernels with one do not prefetch
	at          = reg.RAX // bytes from the start of the arrays
	loops       = reg.RCX // loop counter
	inChunk     = reg.RDI // elements left of this chunk
)

// Flags of Params.Stores.
const (
	storeNegated   = 1
	storeStreaming = 2
)

const (
	laneCount   = 128
	chunkLength = 2048
)

// index returns the address displacement bytes after position at of an array.
func index(base reg.Register, displacement int) operand.Mem {
	return operand.Mem{Base: base, Index: at, Scale: 1, Disp: displacement}
}

// begin starts the function and loads the parameters that it needs, except the constants. The function that it returns gives their
// addresses.
func (e *emitter) begin(l *layout) func(value) operand.Mem {
	e.Function(e.function())
	e.Signature(l.signature(e.element()))
	e.Load(e.Param("p"), pArg)
	p := e.Param("p").Dereference(pArg)
	field := func(name string) gotypes.Component { return p.Field(name) }
	addr := func(name string) operand.Mem {
		b, err := field(name).Resolve()
		if err != nil {
			panic(err)
		}
		return b.Addr
	}
	e.Load(field("Pred"), pred)
	e.Load(field("Target"), target)
	if e.elementwise || e.weight {
		e.Load(field("Upstream"), upstream)
	}
	if e.terms || e.gradient {
		e.Load(field("Out"), out)
		e.Load(field("Stores"), stores)
	}
	if e.gradient {
		e.Load(field("Negated"), negated)
	}
	if e.sum {
		e.LEAQ(addr("Sum"), loops)
		e.Load(field("Sums"), sums)
		e.TESTQ(sums, sums)
		e.CMOVQEQ(loops, sums)
	}
	if e.mask {
		e.Load(field("Mask"), maskAt)
	} else {
		e.Load(field("Ahead"), loops)
		e.LEAQ(operand.Mem{Base: pred, Index: loops, Scale: 1}, predAhead)
		e.LEAQ(operand.Mem{Base: target, Index: loops, Scale: 1}, targetAhead)
	}
	e.Load(field("N"), count)
	e.XORQ(at, at)
	return func(constant value) operand.Mem { return addr(string(constant)) }
}

// prefetch prefetches the cache lines of the vectors of a later row, at a displacement from at.
func (e *emitter) prefetch(displacement int) {
	if displacement%64 == 0 && !e.mask {
		e.PREFETCHT0(index(predAhead, displacement))
		e.PREFETCHT0(index(targetAhead, displacement))
	}
}

// alignedFrame allocates bytes on the stack, aligned to 64, and points lanes to them.
func (e *emitter) alignedFrame(bytes int) (load func()) {
	frame := e.AllocLocal(bytes + 64)
	return func() {
		e.LEAQ(frame.Offset(63), lanes)
		e.ANDQ(operand.I8(-64), lanes)
	}
}

// end appends the return, and then the code in later.
func (e *emitter) end() {
	e.VZEROUPPER()
	e.RET()
	for _, f := range e.later {
		f()
	}
}

// store writes a vector of results to out and, if the flags say so, its negative to negated, and both with streaming stores. The flags
// do not change during a call, so that the branches are predicted. stored returns v as it is stored.
func (e *emitter) store(v reg.Register, negate func(reg.Register), displacement int, stored func() reg.Register) {
	slow, back, both, streaming := e.label("otherStores"), e.label("stored"), e.label("both"), e.label("streaming")
	x := stored()
	e.TESTQ(stores, stores)
	e.JNZ(ref(slow))
	e.p("VMOVU", x, index(out, displacement))
	e.Label(back)
	e.later = append(e.later, func() {
		e.Label(slow)
		if e.gradient {
			e.TESTQ(operand.U32(storeNegated), stores)
			e.JNZ(ref(both))
		}
		e.p("VMOVNT", x, index(out, displacement))
		e.JMP(ref(back))
		if !e.gradient {
			return
		}
		e.Label(both)
		e.TESTQ(operand.U32(storeStreaming), stores)
		e.JNZ(ref(streaming))
		e.p("VMOVU", x, index(out, displacement))
		negate(v)
		e.p("VMOVU", stored(), index(negated, displacement))
		e.JMP(ref(back))
		e.Label(streaming)
		e.p("VMOVNT", x, index(out, displacement))
		negate(v)
		e.p("VMOVNT", stored(), index(negated, displacement))
		e.JMP(ref(back))
	})
}

// storeMasked writes the results of a tail, by calling write for each output array.
func (e *emitter) storeMasked(v reg.Register, negate func(reg.Register), write func(base reg.Register)) {
	write(out)
	if !e.gradient {
		return
	}
	done := e.label("oneGradient")
	e.TESTQ(operand.U32(storeNegated), stores)
	e.JZ(ref(done))
	negate(v)
	write(negated)
	e.Label(done)
}

// negation returns a function that negates gradients, but for the +0 where the mask is 0.
func (e *emitter) negation(v vector) func(reg.Register) {
	return func(x reg.Register) {
		e.flip(x, v.at[vSign])
		if e.mask {
			e.keep512(x, v.at[vMask])
		}
	}
}

// flip changes the signs of a vector.
func (e *emitter) flip(v reg.Register, sign operand.Op) {
	if e.set == "AVX512" {
		e.i("VPXOR", sign, v, v)
	} else {
		e.p("VXOR", sign, v, v)
	}
}

// broadcast fills a register with a field of Params.
func (e *emitter) broadcast(from operand.Mem, v reg.Register) {
	if e.double {
		e.VBROADCASTSD(from, v)
	} else {
		e.VBROADCASTSS(from, v)
	}
}

// immediate fills a register with a number, given by its bits in either type.
func (e *emitter) immediate(f32, f64 uint64, v reg.VecPhysical) {
	low := v.AsX()
	if e.double {
		e.MOVQ(operand.U64(f64), loops)
		e.VMOVQ(loops, low)
		e.VPBROADCASTQ(low, v)
	} else {
		e.MOVL(operand.U32(f32), reg.ECX)
		e.VMOVD(reg.ECX, low)
		e.VPBROADCASTD(low, v)
	}
}

// finish compiles the functions built so far and prints them as an assembly file.
func finish(c *build.Context) ([]byte, error) {
	c.ConstraintExpr("!purego")
	f, err := c.Result()
	if err != nil {
		return nil, err
	}
	if err := pass.Compile.Execute(f); err != nil {
		return nil, err
	}
	return printer.NewGoAsm(config).Print(f)
}
