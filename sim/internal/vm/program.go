// Package vm executes PTX: it compiles the kernels of a module to programs of compact operations, each of which computes all 32
// lanes of a warp, and runs grids of them on simulated memory.
package vm

import (
	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

const (
	lanes = 32
	full  = ^uint32(0) // the mask of all lanes
)

type (
	lane32 = [lanes]uint32
	lane64 = [lanes]uint64
)

// class is a bank of a warp's registers.
type class uint8

const (
	c32   class = iota // up to 32 bits, zero-extended
	c64                // 64 bits
	cPred              // predicates: one mask for the 32 lanes
	classes
)

// opKind determines how an operation is executed.
type opKind uint8

const (
	opPlain  opKind = iota // op.exec, at once
	opBra                  // the rest end a basic block
	opBrx                  // branch to one of a list
	opExit                 // leave the kernel
	opWarp                 // waits for lanes of its warp: shuffle, vote, …
	opBar                  // waits for threads of its block
	opGlobal               // is ordered with those of other blocks: atomics, fences, strong accesses
	opYield                // yields to others
	opTurn                 // a strong access of shared memory, at once; may then yield to others
)

// op is an instruction, decoded. Its operands are numbers of registers: before allocation virtual ones, then slots.
type op struct {
	kind     opKind
	not      bool  // the guard is negated
	guard    int32 // predicate slot, or −1
	d, a     int32
	b, c, e  int32
	imm      uint64
	exec     func(w *warp, o *op)
	fn       any // the lane function that exec applies
	mem      *access
	sync     *warpSync
	bar      *barrierOp
	source   int32 // index in Program.Source
	target   int32 // opBra: instruction, then block
	targets  []int32
	cover    int32 // guarded operations: index of their counts
	head     bool  // the first operation of its instruction
	implicit bool  // a branch that is not in the text, around a guarded instruction that waits
}

// Source is an instruction of the text from which operations of a program come.
type Source struct {
	Line   int
	Text   string
	Branch bool   // a guarded branch: it can go both ways
	Kind   string // for counting
	Func   string
}

// basicBlock is a sequence of operations entered only at the first and left only after the last.
type basicBlock struct {
	first, end int32 // operations first … end−1
	next       int32 // the block that follows, or −1 at the end
	join       int32 // immediate post-dominator; −1: the end of the kernel
}

// preset is a register that is filled before a warp starts and never written.
type preset struct {
	class   class
	slot    int32
	value   uint64
	special string // name of a special register; empty: use value
}

// Param is a kernel parameter.
type Param struct {
	Name   string
	Type   ptx.Type
	Offset int
	Bytes  int
}

// Program is a kernel ready to run. Running does not change it.
type Program struct {
	Name         string
	Params       []Param
	ParamBytes   int
	SharedStatic uint64 // bytes of static shared memory
	SharedAlign  uint64 // of the dynamic shared memory after it
	LocalBytes   uint64 // of a thread
	MaxThreads   int    // of a block; 0: no limit of its own
	ReqThreads   [3]int // exact shape of a block; zeros: any
	Source       []Source
	Line         int

	code    []op
	blocks  []basicBlock
	slots   [classes]int32
	presets []preset
	poison  []preset // registers that may be read before they are written
	consts  *Bank
	guards  int // guarded operations
}

// Registers returns the register storage of a thread in this simulation, in 32-bit registers.
func (p *Program) Registers() int { return int(p.slots[c32] + 2*p.slots[c64]) }

// Operations returns the number of decoded operations, device functions inlined.
func (p *Program) Operations() int { return len(p.code) }
