// Package op defines the operations on the loss for packages cpu and gpu: their arrays and how these are checked, the outputs that one
// pass can compute, the constants of the formula, the levels of the canonical sum, and the parameters of a kernel.
package op

import "fmt"

// A Pass is one pass over the arrays, named by what it computes.
type Pass uint8

// The passes.
const (
	Terms           Pass = iota // the loss terms
	Forward                     // the reduced loss
	Backward                    // gradients
	ForwardBackward             // the reduced loss and gradients
	Passes          = iota
)

// Chosen stands for the pass that computes the outputs of a call: see Call.Choose.
const Chosen Pass = Passes

// names are the passes' names in those of the kernels; the functions of packages cpu and gpu have the same names in camel case.
var names = [Passes]string{"forward_terms", "forward", "backward", "forward_backward"}

// String returns "forward_terms", "forward", "backward" or "forward_backward".
func (p Pass) String() string {
	if p >= Passes {
		return fmt.Sprintf("Pass(%d)", uint8(p))
	}
	return names[p]
}

// Reduces reports whether the pass computes the reduced loss.
func (p Pass) Reduces() bool { return p == Forward || p == ForwardBackward }

// Differentiates reports whether the pass computes gradients.
func (p Pass) Differentiates() bool { return p == Backward || p == ForwardBackward }
