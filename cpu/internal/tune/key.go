package tune

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Key is a kind of passes: those for which the same choice is best, as far as one can tell without timing them.
type Key struct {
	Pass       op.Pass
	Type       smoothl1.DType
	Form       Form
	Log2       uint8 // of the bytes of all arrays, rounded down
	Streamable bool  // outputs are aligned and not in place of inputs
	Procs      int   // GOMAXPROCS
	Set        isa.Set
}

// Form is what a pass has besides pred, target, and the outputs that its name says.
type Form uint16

// The forms, which are flags.
const (
	Upstream Form = 1 << iota // by element
	BothGradients
	Weight
	Mask
	Beta // by element
	Index
	ByRow
	Short // rows that are shorter than a piece
	Accumulate
	SecondOutputs
	Second
)

var forms = [...]string{"upstream", "both gradients", "weight", "mask", "beta", "index", "rows", "short rows", "accumulate", "second outputs", "second derivative"}

// String names the flags, separated by ", ".
func (f Form) String() string {
	var names []string
	for i, name := range forms {
		if f>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// MaxWork is the largest value of Work.
const MaxWork = 8

// Work returns how long an element takes, relative to that of a pass by a core kernel.
func (f Form) Work() int {
	switch {
	case f&(Short|Index) != 0:
		return MaxWork
	case f != 0:
		return 2
	}
	return 1
}

// Bytes returns the smallest number of bytes of the kind.
func (k Key) Bytes() int { return 1 << k.Log2 }

// Log2 returns the logarithm of a positive number, rounded down.
func Log2(n int) uint8 { return uint8(bits.Len(uint(n)) - 1) }

// String returns, for example, "forward_backward float32, 4 to 8 MiB, 2 threads".
func (k Key) String() string {
	form := ""
	if k.Form != 0 {
		form = " (" + k.Form.String() + ")"
	}
	return fmt.Sprintf("%v %v%s, %s to %s, %d threads", k.Pass, k.Type, form, Size(k.Bytes()), Size(2*k.Bytes()), k.Procs)
}

// Size writes a number of bytes, as 512 KiB or 4 MiB.
func Size(bytes int) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%d GiB", bytes>>30)
	case bytes >= 1<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}
