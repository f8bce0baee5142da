// Package op says what an operation on the loss is, for packages cpu and gpu alike: its arrays and the only check of them, which
// outputs one pass can give, the constants of the formula, the levels of the canonical sum, the parameters of a kernel.
package op

import "fmt"

// A Pass is what one walk over the arrays computes.
type Pass uint8

// The passes.
const (
	Terms           Pass = iota // the loss terms
	Forward                     // the reduced loss
	Backward                    // gradients
	ForwardBackward             // the reduced loss and gradients
	Passes          = iota
)

// names are those of the kernels; the functions of packages cpu and gpu have them in camel case.
var names = [Passes]string{"forward_terms", "forward", "backward", "forward_backward"}

// String returns "forward_terms", "forward", "backward" or "forward_backward".
func (p Pass) String() string {
	if p >= Passes {
		return fmt.Sprintf("Pass(%d)", uint8(p))
	}
	return names[p]
}

// Reduces says whether the pass gives the reduced loss.
func (p Pass) Reduces() bool { return p == Forward || p == ForwardBackward }

// Differentiates says whether it gives gradients.
func (p Pass) Differentiates() bool { return p == Backward || p == ForwardBackward }

// gives returns what the pass computes, for errors.
func (p Pass) gives() string {
	return [Passes]string{"only loss terms are wanted", "only the reduced loss is wanted", "only gradients are wanted",
		"the reduced loss and gradients are wanted"}[p]
}
