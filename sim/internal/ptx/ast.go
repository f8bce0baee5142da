// Package ptx parses PTX, the assembly language of NVIDIA's virtual machine, into a module of functions, variables and
// instructions with all names resolved and lines numbered. It knows the grammar only; the decoder, in package vm, knows the
// instructions and their modifiers and operands.
package ptx

// NewestMajor is the newest major version of PTX that this package reads, that of CUDA 13, with all its minor versions. A new minor
// version only adds to the language, and using an addition that is not known here is an error. A new major version may change the
// language.
const NewestMajor = 9

// Module is one PTX text.
type Module struct {
	Major, Minor int    // of .version
	Target       string // "sm_60"
	SM           int    // 60
	Suffix       byte   // of sm_90a and sm_100f; 0: none
	Funcs        []*Func
	Vars         []*Var // module scope: .global, .const and .shared
}

// Version is the module's PTX version as a number: 78 for 7.8. Versions from 9.10 on have all that 9.9 has.
func (m *Module) Version() int { return m.Major*10 + min(m.Minor, 9) }

// RunsOn reports whether a device of a compute capability can run the module: it must be at least that of the target. For a target with a
// suffix it must be exactly the same (sm_90a), or one of its family (sm_100f: 10.0 and 10.3).
func (m *Module) RunsOn(major, minor int) bool {
	family := m.SM / 10
	if m.SM == 101 { // renamed to sm_110
		family = 11
	}
	switch cc := major*10 + minor; m.Suffix {
	case 'a':
		return cc == m.SM
	case 'f':
		return cc >= m.SM && major == family
	default:
		return cc >= m.SM
	}
}

// Var is a variable or a parameter.
type Var struct {
	Name    string
	Space   Space
	Type    Type
	Align   int // bytes
	Bytes   int64
	Array   bool
	Unsized bool // extern .shared x[]: its size is given by the launch
	Extern  bool // declared only
	Init    []byte
	Fixups  []Fixup
	Line    int
}

// Fixup is an address in a variable's initial value.
type Fixup struct {
	Offset  int64
	Bytes   int
	Symbol  string
	Addend  int64
	Generic bool // generic(symbol)
	Line    int
}

// Reg is a declared register.
type Reg struct {
	Name  string
	Type  Type
	Index int // in the function's Regs, in the order of their first use
}

// Func is a kernel or a device function.
type Func struct {
	Name       string
	Entry      bool
	Declared   bool // without a body
	Rets       []*Var
	Params     []*Var
	RegParams  bool // parameters or results are registers (.reg), the old form
	Locals     []*Var
	Regs       []*Reg // only those used
	Insts      []*Inst
	MaxThreads [3]int // .maxntid; 0: not given
	ReqThreads [3]int // .reqntid
	Line       int
}

// Inst is an instruction.
type Inst struct {
	Line     int
	Guard    *Reg // @p; nil: always
	GuardNot bool // @!p
	Op       string
	Mods     []string
	Args     []Operand
	text     string
}

// String returns the instruction as written, except for white space.
func (i *Inst) String() string { return i.text }

// OperandKind is the kind of an operand.
type OperandKind uint8

const (
	RegOperand     OperandKind = iota
	SpecialOperand             // %tid.x
	IntOperand
	F32Operand // 0f3F800000
	F64Operand // 0d3FF0000000000000, 1.0
	LabelOperand
	VarOperand  // a variable's address, with Offset
	FuncOperand // a function's name
	AddrOperand // [base+offset]
	VecOperand  // {a, b}
	ListOperand // (a, b)
	PairOperand // p|q
	SinkOperand // _
)

// Operand is an operand of an instruction.
type Operand struct {
	Kind    OperandKind
	Not     bool   // !p
	Reg     *Reg   // RegOperand; AddrOperand: the base, or nil
	Special string // "%tid.x"
	Bits    uint64 // IntOperand: two's complement; F32Operand and F64Operand: IEEE bits
	Label   *Label
	Var     *Var // VarOperand; AddrOperand: the base, or nil
	Func    string
	Offset  int64     // VarOperand, AddrOperand
	Elems   []Operand // VecOperand, ListOperand, PairOperand
	text    string
}

// Label is a label in a function.
type Label struct {
	Name    string
	Index   int // of the instruction that follows in Func.Insts; may be len(Insts)
	Targets []*Label
	defined bool
	line    int
}
