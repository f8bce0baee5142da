package main

import (
	"bytes"
	"fmt"
	"strings"
)

// arm64 writes assembly for arm64, as text. avo does not support arm64, and Go's assembler has no arithmetic on vectors of floating-point
// numbers: those instructions are words, each with its GNU syntax in a comment. A test compares the comments with a disassembly.
type arm64 struct {
	text   bytes.Buffer
	labels int
}

// vreg is the number of a vector register.
type vreg int

// String returns the register's name.
func (v vreg) String() string { return fmt.Sprintf("V%d", int(v)) }

// b returns the register as an operand of instructions for which the size of the elements does not matter.
func (v vreg) b() string { return v.String() + ".B16" }

// f returns the register as an operand of loads and stores.
func (v vreg) f() string { return fmt.Sprintf("F%d", int(v)) }

// gnu returns the register in GNU syntax, as a vector of the given arrangement, such as 4s.
func (v vreg) gnu(arrangement string) string { return fmt.Sprintf("v%d.%s", int(v), arrangement) }

// xreg is the number of a general register.
type xreg int

// String returns the register's name.
func (x xreg) String() string { return fmt.Sprintf("R%d", int(x)) }

// op appends an instruction that Go's assembler knows.
func (a *arm64) op(name string, operands ...any) {
	all := make([]string, len(operands))
	for i, o := range operands {
		if n, ok := o.(int); ok {
			all[i] = fmt.Sprintf("$%d", n)
		} else {
			all[i] = fmt.Sprint(o)
		}
	}
	fmt.Fprintf(&a.text, "\t%s\n", strings.TrimRight(fmt.Sprintf("%-5s %s", name, strings.Join(all, ", ")), " "))
}

// word appends an instruction by its encoding, and its GNU syntax as a comment.
func (a *arm64) word(code uint32, gnu string, operands ...any) {
	fmt.Fprintf(&a.text, "\tWORD  $0x%08x // %s\n", code, fmt.Sprintf(gnu, operands...))
}

func (a *arm64) label(name string) { fmt.Fprintf(&a.text, "\n%s:\n", name) }

// newLabel returns a label that the function does not have yet.
func (a *arm64) newLabel(name string) string {
	a.labels++
	return fmt.Sprintf("%s%d", name, a.labels)
}

// begin starts a function with a frame and arguments of the given sizes.
func (a *arm64) begin(name, signature string, frame, arguments int) {
	a.labels = 0
	flags := ""
	if frame == 0 {
		flags = " NOSPLIT,"
	}
	fmt.Fprintf(&a.text, "\n// func %s%s\nTEXT ·%s(SB),%s $%d-%d\n", name, signature, name, flags, frame, arguments)
}

// file returns the functions as an assembly file.
func (a *arm64) file() []byte {
	head := fmt.Sprintf("// %s\n\n//go:build !purego\n\n#include \"textflag.h\"\n", config.GeneratedWarning())
	return append([]byte(head), a.text.Bytes()...)
}

// memory returns the operand for an address.
func memory(base xreg, displacement int) string {
	if displacement == 0 {
		return fmt.Sprintf("(%s)", base)
	}
	return fmt.Sprintf("%d(%s)", displacement, base)
}

// transfer loads or stores one or two registers of 16 bytes. If advance is not 0, it is added to the base, and the displacement is 0.
func (a *arm64) transfer(load bool, base xreg, displacement, advance int, regs ...vreg) {
	name, operand := "FMOVQ", regs[0].f()
	if len(regs) == 2 {
		name = map[bool]string{true: "FLDPQ", false: "FSTPQ"}[load]
		operand = fmt.Sprintf("(%s, %s)", regs[0].f(), regs[1].f())
	}
	at := memory(base, displacement)
	if advance != 0 {
		name, at = name+".P", fmt.Sprintf("%d(%s)", advance, base)
	}
	if load {
		a.op(name, at, operand)
	} else {
		a.op(name, operand, at)
	}
}

// short loads or stores the lowest 1, 2, 4 or 8 bytes of a register and adds their number to the base. A load clears the other bytes.
func (a *arm64) short(load bool, base xreg, bytes int, v vreg) {
	name := map[int]string{4: "FMOVS.P", 8: "FMOVD.P"}[bytes]
	at := fmt.Sprintf("%d(%s)", bytes, base)
	switch {
	case name != "" && load:
		a.op(name, at, v.f())
	case name != "":
		a.op(name, v.f(), at)
	default:
		code, letter := uint32(0x3c000400), "b"
		if bytes == 2 {
			code, letter = 0x7c000400, "h"
		}
		verb := "str"
		if load {
			code, verb = code|1<<22, "ldr"
		}
		a.word(code|uint32(bytes)<<12|uint32(base)<<5|uint32(v), "%s %s%d, [x%d],#%d", verb, letter, int(v), int(base), bytes)
	}
}

// prefetch prefetches the cache line at base + index.
func (a *arm64) prefetch(base, index xreg) {
	a.word(0xf8a06800|uint32(index)<<16|uint32(base)<<5, "prfm pldl1keep, [x%d,x%d]", int(base), int(index))
}

// Encodings of instructions on vectors of float32; those for float64 have one more bit.
var floats = map[string]uint32{
	"fadd": 0x4e20d400, "fsub": 0x4ea0d400, "fmul": 0x6e20dc00, "fdiv": 0x6e20fc00, // of three registers
	"fabd": 0x6ea0d400, "fcmeq": 0x4e20e400, "fcmge": 0x6e20e400, "fcmgt": 0x6ea0e400, "facgt": 0x6ea0ec00,
	"fabs": 0x4ea0f800, "fneg": 0x6ea0f800, // of two registers
}

// float appends an instruction on vectors of float32 or float64: the result, then the operands.
func (a *arm64) float(name string, double bool, to vreg, of ...vreg) {
	code, arrangement := floats[name], "4s"
	if code == 0 {
		panic("no encoding for " + name)
	}
	if double {
		code, arrangement = code|1<<22, "2d"
	}
	text := to.gnu(arrangement)
	for i, v := range of {
		code |= uint32(v) << []int{5, 16}[i]
		text += ", " + v.gnu(arrangement)
	}
	a.word(code|uint32(to), "%s %s", name, text)
}

// Encodings of instructions that convert between vectors of different element sizes. Those for the upper half of the shorter vector have
// bit 30 set.
var conversions = map[string]struct {
	code     uint32
	to, from string
	more     string // a further operand
}{
	"fcvtl": {0x0e617800, "2d", "2s", ""}, "fcvtl2": {0x4e617800, "2d", "4s", ""}, // float32 to float64
	"fcvtl half": {0x0e217800, "4s", "4h", ""}, "fcvtl2 half": {0x4e217800, "4s", "8h", ""},
	"fcvtn": {0x0e216800, "4h", "4s", ""}, "fcvtn2": {0x4e216800, "8h", "4s", ""},
	"shll": {0x2e613800, "4s", "4h", ", #16"}, "shll2": {0x6e613800, "4s", "8h", ", #16"},
	"xtn": {0x0e612800, "4h", "4s", ""}, "xtn2": {0x4e612800, "8h", "4s", ""},
}

// convert appends one of them.
func (a *arm64) convert(name string, to, from vreg) {
	c := conversions[name]
	if c.code == 0 {
		panic("no encoding for " + name)
	}
	a.word(c.code|uint32(from)<<5|uint32(to), "%s %s, %s%s", strings.Fields(name)[0], to.gnu(c.to), from.gnu(c.from), c.more)
}

// addHigh sets the lower or upper half of to to the upper halves of the 32-bit sums of p and q.
func (a *arm64) addHigh(upper bool, to, p, q vreg) {
	code, name, arrangement := uint32(0x0e604000), "addhn", "4h"
	if upper {
		code, name, arrangement = code|1<<30, "addhn2", "8h"
	}
	a.word(code|uint32(q)<<16|uint32(p)<<5|uint32(to), "%s %s, %s, %s", name, to.gnu(arrangement), p.gnu("4s"), q.gnu("4s"))
}

// addPair sets to to the sum of the two float64 of from.
func (a *arm64) addPair(to, from vreg) {
	a.word(0x7e70d800|uint32(from)<<5|uint32(to), "faddp d%d, %s", int(to), from.gnu("2d"))
}
