// Package kernels carries the CUDA kernels of this module, compiled to PTX, and names their entry points and parameters.
//
// smoothl1.ptx is generated from smoothl1.cu by "make ptx" and committed, so that a user needs no CUDA toolkit; "make
// ptx-check" makes it again and compares. It is compiled for compute_50, from which a driver compiles it for every newer
// architecture when it is loaded.
package kernels

import (
	_ "embed" // for the PTX

	"github.com/smoothl1/smoothl1"
)

// PTX is the text of smoothl1.ptx.
//
//go:embed smoothl1.ptx
var PTX string

// The launch limits of the kernels.
const (
	WarpThreads = 32
	MaxWarps    = 8 // warps of a block
)

// Op is what a kernel computes.
type Op uint8

// The operations.
const (
	ForwardTerms Op = iota
	Forward
	Backward
	BackwardElementwise
	ForwardBackward
	opCount
)

var opNames = [opCount]string{"forward_terms", "forward", "backward", "backward_elementwise", "forward_backward"}

// Entry tells the entry points apart.
type Entry struct {
	Op    Op
	DType smoothl1.DType
	// Divide is true for the kernel that divides by beta, false for the one that multiplies by its inverse.
	Divide bool
}

// Entries is the number of entry points.
const Entries = int(opCount) * 2 * 2

// Index returns the entry's number, from 0 to Entries−1.
func (e Entry) Index() int {
	i := (int(e.Op)*2 + int(e.DType)) * 2
	if e.Divide {
		i++
	}
	return i
}

// All returns all entry points in the order of their Index.
func All() []Entry {
	all := make([]Entry, 0, Entries)
	for op := range opCount {
		for _, t := range []smoothl1.DType{smoothl1.Float32, smoothl1.Float64} {
			all = append(all, Entry{op, t, false}, Entry{op, t, true})
		}
	}
	return all
}

// Name returns the name of the entry point, as "smoothl1_forward_backward_f32_mul".
func (e Entry) Name() string {
	dtype, quotient := "f32", "mul"
	if e.DType == smoothl1.Float64 {
		dtype = "f64"
	}
	if e.Divide {
		quotient = "div"
	}
	return "smoothl1_" + opNames[e.Op] + "_" + dtype + "_" + quotient
}

// Param is a parameter of an entry point.
type Param struct {
	Name string
	Type string // as PTX spells it: u64 (also addresses), f32, f64
}

// Params returns the parameters in their order. gpu packs a launch's arguments by it, and a test compares it with the PTX.
func (e Entry) Params() []Param {
	element := "f32"
	if e.DType == smoothl1.Float64 {
		element = "f64"
	}
	address := func(names ...string) (params []Param) {
		for _, name := range names {
			params = append(params, Param{name, "u64"})
		}
		return params
	}
	number := func(names ...string) (params []Param) {
		for _, name := range names {
			params = append(params, Param{name, element})
		}
		return params
	}
	var params []Param
	switch e.Op {
	case ForwardTerms:
		params = address("terms")
	case Backward, BackwardElementwise, ForwardBackward:
		params = address("grad_pred", "grad_target")
	}
	params = append(params, address("pred", "target", "n")...)
	params = append(params, number("threshold", "inverse", "outer")...)
	switch e.Op {
	case Backward, ForwardBackward:
		params = append(params, number("norm", "g")...)
	case BackwardElementwise:
		params = append(append(params, number("norm")...), address("upstream")...)
	}
	switch e.Op {
	case Forward, ForwardBackward:
		params = append(params, Param{"sums", "u64"}, Param{"divisor", "f64"}, Param{"value", "u64"}, Param{"ticket", "u64"})
	}
	return params
}
