// Package kernels carries the CUDA kernels of this module, compiled to PTX, and names them. Package gpu launches them; a program
// that launches them itself finds here what it needs.
//
// There is one PTX file for each element type, which holds the kernels that Of lists. The files are generated from smoothl1.cu by
// "make ptx" and committed, so that a user needs no CUDA toolkit; "make ptx-check" makes them again and compares. They are
// compiled for compute_50, from which a driver compiles them for every newer architecture when it loads them.
//
// All kernels take the same argument, a struct by value, of words of 8 bytes:
//
//	 0 n            elements
//	 1 threshold    beta or delta; 0 for the L1 loss
//	 2 inverse      what quotients are multiplied by: 1/beta for smooth L1 where that is a power of two and finite, else 1
//	 3 outer        delta for Huber, else 1
//	 4 norm         of the gradient: for a mean 1/count, divided in float64 and rounded, else 1
//	 5 g            the upstream gradient, where it is not by element
//	 6 divisor      of the sum, a float64: for a mean the count, else 1
//	 7 sums         address of the chunk sums, float64: one for each 2048 elements, and behind them one for each 2048 of those, until it is one
//	 8 value        address of the reduced loss, a float64
//	 9 ticket       address of 4 bytes that are 0; each launch that ends well leaves them so
//	10 pred, 11 target, 12 upstream, 13 terms, 14 grad_pred, 15 grad_target    addresses of the arrays; a gradient that is not wanted is 0
//
// Words 1 to 5 are numbers of the type that is computed in; a float32 is the low half of its word. A kernel reads the words that
// its pass needs, whatever the others are: norm and g and the gradients for Backward and ForwardBackward, divisor, sums, value and
// ticket for Forward and ForwardBackward. With cuLaunchKernel the argument is the address of the first word.
//
// A grid has one dimension and at least one block; a block has 1 to MaxWarps whole warps. The grid changes no bit of a result.
// smoothl1.cu says more: alignment, arrays in place, the order of the sum.
package kernels

import (
	"embed"
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// The launch limits of the kernels.
const (
	WarpThreads = 32
	MaxWarps    = 8 // warps of a block
)

// A Pass is what a kernel computes.
type Pass = op.Pass

// The passes.
const (
	ForwardTerms    = op.Terms           // the loss terms
	Forward         = op.Forward         // the reduced loss
	Backward        = op.Backward        // gradients
	ForwardBackward = op.ForwardBackward // the reduced loss and gradients
)

// A Variant is what tells the kernels apart: what changes the inner loop, and so is compiled rather than passed.
type Variant struct {
	DType smoothl1.DType // of the arrays
	Pass  Pass
	// Elementwise is true for the kernel of Backward whose upstream gradient is an array.
	Elementwise bool
	// Divide is true for the kernel that divides by beta, false for the one that multiplies by its inverse.
	Divide bool
}

// storages are the element types that there are kernels for, with the names that smoothl1.cu gives their storage.
var storages = []struct {
	dtype smoothl1.DType
	name  string
}{
	{smoothl1.Float32, "f32"},
	{smoothl1.Float64, "f64"},
}

// storage returns the name of an element type in the names of files and kernels.
func storage(t smoothl1.DType) (string, bool) {
	for _, s := range storages {
		if s.dtype == t {
			return s.name, true
		}
	}
	return "", false
}

// DTypes returns the element types that there are kernels for.
func DTypes() []smoothl1.DType {
	types := make([]smoothl1.DType, len(storages))
	for i, s := range storages {
		types[i] = s.dtype
	}
	return types
}

// All returns all variants.
func All() []Variant {
	var all []Variant
	for _, t := range DTypes() {
		all = append(all, Of(t)...)
	}
	return all
}

// Of returns the variants of an element type, the kernels of its PTX file: none for a type that there are no kernels for.
func Of(t smoothl1.DType) []Variant {
	if _, ok := storage(t); !ok {
		return nil
	}
	var list []Variant
	for pass := range Pass(op.Passes) {
		for _, elementwise := range []bool{false, true} {
			for _, divide := range []bool{false, true} {
				if !elementwise || pass == Backward {
					list = append(list, Variant{t, pass, elementwise, divide})
				}
			}
		}
	}
	return list
}

// Name returns the name of the kernel, as "smoothl1_forward_backward_f32_mul" or "smoothl1_backward_elementwise_f64_div"; where there
// is no such kernel, one that no kernel has.
func (v Variant) Name() string {
	s, ok := storage(v.DType)
	if !ok {
		s = v.DType.String()
	}
	stem, quotient := v.Pass.String(), "mul"
	if v.Elementwise {
		stem += "_elementwise"
	}
	if v.Divide {
		quotient = "div"
	}
	return fmt.Sprintf("smoothl1_%s_%s_%s", stem, s, quotient)
}

//go:embed ptx/*.ptx
var files embed.FS

// File returns the name of an element type's PTX file, as "smoothl1_f32.ptx". The error wraps smoothl1.ErrDType where there are no
// kernels for the type.
func File(t smoothl1.DType) (string, error) {
	s, ok := storage(t)
	if !ok {
		return "", smoothl1.NewArgError("File", "dtype", t, fmt.Errorf("%w: there are kernels for %v", smoothl1.ErrDType, DTypes()))
	}
	return "smoothl1_" + s + ".ptx", nil
}

// PTX returns the text of an element type's PTX file. The error wraps smoothl1.ErrDType where there are no kernels for the type.
func PTX(t smoothl1.DType) (string, error) {
	name, err := File(t)
	if err != nil {
		return "", err
	}
	text, err := files.ReadFile("ptx/" + name)
	return string(text), err
}
