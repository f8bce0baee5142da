package tune

import (
	"fmt"
	"math/bits"
	"strconv"
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
	Size       Size // of all arrays
	Streamable bool // outputs are aligned and not in place of inputs
	Procs      int  // GOMAXPROCS
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
	Gathered // from views that are not dense
)

var forms = [...]string{"upstream", "both gradients", "weight", "mask", "beta", "index", "rows", "short rows", "accumulate", "second outputs", "second derivative", "gathered"}

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

// String returns, for example, "forward_backward float32, 4 to 4.5 MiB, 2 threads".
func (k Key) String() string {
	form := ""
	if k.Form != 0 {
		form = " (" + k.Form.String() + ")"
	}
	return fmt.Sprintf("%v %v%s, %v, %d threads", k.Pass, k.Type, form, k.Size, k.Procs)
}

// Size is a class of sizes in bytes, of which there are eight from each power of two to the next.
type Size uint16

// SizeOf returns the class of a number of bytes.
func SizeOf(bytes int) Size {
	bytes = max(1, bytes)
	log2 := bits.Len(uint(bytes)) - 1
	return Size(log2<<3 | int(uint(bytes)<<3>>log2&7))
}

// Bytes returns the smallest number of bytes of the class, if that is 8 or more.
func (s Size) Bytes() int { return int(8+s&7) << (s >> 3) >> 3 }

// String returns, for example, "4 to 4.5 MiB".
func (s Size) String() string {
	low, unit, _ := strings.Cut(Text(s.Bytes()), " ")
	high, other, _ := strings.Cut(Text((s + 1).Bytes()), " ")
	if unit == other {
		return low + " to " + high + " " + unit
	}
	return low + " " + unit + " to " + high + " " + other
}

// Text writes a number of bytes, as 512 KiB or 4.5 MiB.
func Text(bytes int) string {
	unit, of := "KiB", 10
	switch {
	case bytes >= 1<<30:
		unit, of = "GiB", 30
	case bytes >= 1<<20:
		unit, of = "MiB", 20
	}
	return strconv.FormatFloat(float64(bytes)/float64(int(1)<<of), 'g', 4, 64) + " " + unit
}
