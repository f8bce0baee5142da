// Package kernels embeds the CUDA kernels of this module, compiled to PTX. Package gpu launches them; a program that launches them
// itself needs only this package.
//
// There is one PTX file for each element type, with the kernels that Of lists. The files are generated from smoothl1.cu by "make ptx"
// and committed, so that users need no CUDA toolkit; "make ptx-check" regenerates and compares them. They target compute_50; a driver
// compiles them just in time for any newer architecture when it loads them.
//
// All kernels take the same argument, a struct of 8-byte words passed by value:
//
//	 0 n            elements
//	 1 threshold    beta or delta; 0 for the L1 loss
//	 2 inverse      1/beta for smooth L1 if that is a power of two and finite, else 1
//	 3 outer        delta for Huber, else 1
//	 4 norm         of the gradient: 1/divisor, divided in float64 and rounded
//	 5 g            the upstream gradient, unless elementwise
//	 6 divisor      of the sum, a float64: for a mean the number of elements, or whatever the caller divides by; else 1
//	 7 sums         address of the chunk sums, float64: one per 2048 elements, followed by one per 2048 of those, and so on down to one
//	 8 value        address of the reduced loss, a float64
//	 9 ticket       address of 4 bytes, which must be 0; a successful launch leaves them 0
//	10 pred, 11 target, 12 upstream, 13 terms, 14 grad_pred, 15 grad_target    addresses of the arrays; one of the gradients may be 0
//
// Words 1 to 5 are numbers of the computing type; a float32 is in the low half of its word. A kernel reads the words that its pass
// needs and ignores the others: norm, g and the gradients are for Backward and ForwardBackward, divisor, sums, value and ticket for
// Forward and ForwardBackward. For cuLaunchKernel the argument is the address of the first word.
//
// A grid has one dimension and at least one block; a block has 1 to MaxWarps full warps. The shape of the grid does not affect the
// results. For alignment, in-place operation and the order of the sum, see smoothl1.cu and sum.cuh.
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
	MaxWarps    = 8 // per block
)

// A Pass says what a kernel computes. It has a method String, whose result is the part of a kernel's name that says so.
type Pass = op.Pass

// The passes.
const (
	ForwardTerms    = op.Terms           // the loss terms
	Forward         = op.Forward         // the reduced loss
	Backward        = op.Backward        // gradients
	ForwardBackward = op.ForwardBackward // the reduced loss and gradients
)

// A Variant identifies a kernel by the properties that are compiled into its inner loop rather than passed as parameters.
type Variant struct {
	DType smoothl1.DType // of the arrays
	Pass  Pass
	// Elementwise selects the kernel of Backward whose upstream gradient is an array.
	Elementwise bool
	// Divide selects the kernel that divides by beta rather than multiplying by its inverse.
	Divide bool
}

// storages are the element types that have kernels, with the names of their storage types in storage.cuh.
var storages = []struct {
	dtype smoothl1.DType
	name  string
}{
	{smoothl1.Float32, "f32"},
	{smoothl1.Float64, "f64"},
	{smoothl1.Float16, "f16"},
	{smoothl1.BFloat16, "bf16"},
}

// storage returns the name of an element type's storage, as used in the names of files and kernels.
func storage(t smoothl1.DType) (string, bool) {
	for _, s := range storages {
		if s.dtype == t {
			return s.name, true
		}
	}
	return "", false
}

// DTypes returns the element types that have kernels.
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

// Of returns the variants of an element type, the kernels of its PTX file. It returns nil for a type without kernels.
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

// Name returns the name of the kernel, such as "smoothl1_forward_backward_f32_mul" or "smoothl1_backward_elementwise_f64_div". For a
// variant without a kernel it returns a name that no kernel has.
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

// File returns the name of an element type's PTX file, such as "smoothl1_f32.ptx". For a type without kernels the error wraps
// smoothl1.ErrDType.
func File(t smoothl1.DType) (string, error) { return file("File", t) }

func file(call string, t smoothl1.DType) (string, error) {
	s, ok := storage(t)
	if !ok {
		return "", smoothl1.NewArgError(call, "dtype", t, fmt.Errorf("%w: there are kernels for %v", smoothl1.ErrDType, DTypes()))
	}
	return "smoothl1_" + s + ".ptx", nil
}

// PTX returns the text of an element type's PTX file. For a type without kernels the error wraps smoothl1.ErrDType.
func PTX(t smoothl1.DType) (string, error) {
	name, err := file("PTX", t)
	if err != nil {
		return "", err
	}
	text, err := files.ReadFile("ptx/" + name)
	return string(text), err
}
