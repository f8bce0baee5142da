// Package kernels embeds the CUDA kernels of this module, compiled to PTX. Package gpu launches them; a program that launches them
// itself needs only this package.
//
// There are two PTX files for each element type, one with the kernels that process plain arrays, and one with the rich kernels, which
// process views and optional arrays; Of lists them. The files are generated from smoothl1.cu and rich.cu by "make ptx" and committed,
// so that users need no CUDA toolkit; "make ptx-check" regenerates and compares them. They target sm_50; a driver compiles them just in
// time for any newer architecture when it loads them. For a driver that takes sm_50 no longer, Target.Text names another target; package
// gpu loads the text for the first of Targets that the device can run and the driver takes.
//
// All kernels take one argument, a struct of 8-byte words passed by value. The kernels of plain arrays take words 0 to 16:
//
//	 0 n            elements
//	 1 threshold    beta or delta; 0 for the L1 loss
//	 2 inverse      1/beta for smooth L1 if that is a power of two and finite, else 1; for kernels that divide in float32, 1/beta rounded
//	 3 outer        delta for Huber, else 1
//	 4 norm         of the gradient: 1/divisor, divided in float64 and rounded
//	 5 g            the upstream gradient, unless it is an array
//	 6 least        of the kernels that divide in float32: they correct the quotients of differences of at least this magnitude, and
//	                divide others; +Inf is always right
//	 7 divisor      of the sum, a float64: for a mean the number of elements, or whatever the caller divides by; else 1
//	 8 sums         address of the chunk sums, float64: one per 2048 elements, followed by one per 2048 of those, and so on down to one
//	 9 value        address of the reduced loss, a float64
//	10 tickets      address of 4 bytes for each chunk sum from the second level on, which must be 0; a successful launch leaves them 0
//	11 pred, 12 target, 13 upstream, 14 terms, 15 grad_pred, 16 grad_target    addresses of the arrays; one of the gradients may be 0
//
// The rich kernels take all words, but not n. Their arrays are views of matrices of rows × cols elements, and each but pred and target may
// be absent, with address 0; an address is that of element (0, 0).
//
//	17 weight, 18 mask, 19 beta, 20 direction    addresses of further inputs; a mask is of bytes, and only kernels that divide have a beta
//	21 index        address of an int32 for each row: the column of pred that is compared with the one column of the other arrays
//	22 abs, 23 second    addresses of further outputs: |pred − target|, and the second derivative times direction
//	24 divisors     address of the divisor, a float64, or of one for each row: the output of the divisor kernels, and read with flag 128
//	25 divisor_sums    address as sums, of the divisor that is summed along with flag 256
//	26 fault        address of 8 bytes, 0; if an index is out of range, then the complement of row << 32 | index of the lowest such row
//	27 rows, 28 cols, 29 actions    cols is 1 with an index; actions is the number of columns of pred and grad_pred then
//	30 flags        1: write the loss to value; 2: one for each row; 4: see below; 8: Huber, for a beta by element; 16: add to grad_pred;
//	                32: add to grad_target; 64: a mean whose divisor is 0 is 0, and so is the norm; 128: take divisor and norm from
//	                divisors; 256: a forward pass sums the divisor along; 512: it is the sum of the weights, else the number of
//	                elements that the mask keeps
//	31 pred_strides, 33 target_strides, 35 weight_strides, 37 mask_strides, 39 beta_strides, 41 upstream_strides, 43 direction_strides,
//	45 terms_strides, 47 abs_strides, 49 grad_pred_strides, 51 grad_target_strides, 53 second_strides    of rows and columns, in elements
//
// Flag 4 allows accesses of 16 bytes, of 8 to elements of 16 bits: pieces of k elements. It requires that in each array the elements of a
// row are side by side, with an address that is a multiple of the piece's size (of k for a mask) and a row stride that is a multiple of k,
// or for inputs that they are the same one; that there is no index; and, unless there is one row or reduction by rows, that cols is a
// multiple of k. With reduction by rows, the chunk sums of a row follow those of the row before; the next level follows the last row. They
// may be absent if a row has at most 128 columns.
//
// Words 1 to 6 are numbers of the computing type; a float32 is in the low half of its word. A kernel reads the words that its pass
// needs and ignores the others: norm, g and the gradients are for Backward and ForwardBackward, divisor, sums, value and tickets for
// reductions. A divisor kernel reads the mask and, with flag 512, the weight. For cuLaunchKernel the argument is the address of the first word.
//
// A grid has one dimension and at least one block; a block has 1 to MaxWarps full warps. The shape of the grid does not affect the
// results. For alignment, in-place operation and the order of the sum, see the sources.
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
	// Rich selects the kernels of views and optional arrays. That of Forward also computes what ForwardTerms does, and that of
	// ForwardBackward what Backward does.
	Rich bool
	// Divisor selects the kernel that computes divisors in device memory. Its other fields but DType are zero.
	Divisor bool
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
		all = append(append(all, Of(t)...), RichOf(t)...)
	}
	return all
}

// Of returns the variants of an element type for plain arrays, the kernels of File. It returns nil for a type without kernels.
func Of(t smoothl1.DType) []Variant {
	if _, ok := storage(t); !ok {
		return nil
	}
	var list []Variant
	for pass := range Pass(op.Passes) {
		for _, elementwise := range []bool{false, true} {
			for _, divide := range []bool{false, true} {
				if !elementwise || pass == Backward {
					list = append(list, Variant{DType: t, Pass: pass, Elementwise: elementwise, Divide: divide})
				}
			}
		}
	}
	return list
}

// RichOf returns the rich variants of an element type, and that of its divisors: the kernels of RichFile. It returns nil for a type
// without kernels.
func RichOf(t smoothl1.DType) []Variant {
	if _, ok := storage(t); !ok {
		return nil
	}
	var list []Variant
	for _, pass := range []Pass{Forward, ForwardBackward} {
		for _, divide := range []bool{false, true} {
			list = append(list, Variant{DType: t, Pass: pass, Divide: divide, Rich: true})
		}
	}
	return append(list, Variant{DType: t, Divisor: true})
}

// Name returns the name of the kernel, such as "smoothl1_forward_backward_f32_mul" or "smoothl1_backward_elementwise_f64_div". For a
// variant without a kernel it returns a name that no kernel has.
func (v Variant) Name() string {
	s, ok := storage(v.DType)
	if !ok {
		s = v.DType.String()
	}
	if v.Divisor {
		return "smoothl1_divisor_" + s
	}
	stem, quotient := v.Pass.String(), "mul"
	if v.Rich {
		stem = "rich_" + stem
	}
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

// File returns the name of the PTX file of an element type's kernels of plain arrays, such as "smoothl1_f32.ptx". For a type without
// kernels the error wraps smoothl1.ErrDType.
func File(t smoothl1.DType) (string, error) { return file("File", "", t) }

// RichFile is File for the rich kernels and those of divisors.
func RichFile(t smoothl1.DType) (string, error) { return file("RichFile", "rich_", t) }

func file(call, prefix string, t smoothl1.DType) (string, error) {
	s, ok := storage(t)
	if !ok {
		return "", smoothl1.NewArgError(call, "dtype", t, fmt.Errorf("%w: there are kernels for %v", smoothl1.ErrDType, DTypes()))
	}
	return "smoothl1_" + prefix + s + ".ptx", nil
}

// PTX returns the text of File.
func PTX(t smoothl1.DType) (string, error) { return text("PTX", "", t) }

// RichPTX returns the text of RichFile.
func RichPTX(t smoothl1.DType) (string, error) { return text("RichPTX", "rich_", t) }

func text(call, prefix string, t smoothl1.DType) (string, error) {
	name, err := file(call, prefix, t)
	if err != nil {
		return "", err
	}
	text, err := files.ReadFile("ptx/" + name)
	return string(text), err
}
