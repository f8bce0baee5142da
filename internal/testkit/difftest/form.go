package difftest

import (
	"fmt"
	"slices"

	"github.com/smoothl1/smoothl1"
)

// Form is a form of the view of an array.
type Form uint8

// The forms.
const (
	Absent Form = iota // no such array; Dense for an array that the operation needs
	Dense
	Padded      // a gap behind each row, which leaves rows unaligned
	Pitched     // a gap behind each row, which keeps rows of 16-bit elements aligned to 16 bytes
	Columns     // column after column
	EverySecond // a gap behind each element
	Negative    // dense, but backwards
	PerRow
	PerColumn
	ForAll
	formCount
)

var formNames = [formCount]string{"absent", "dense", "padded", "pitched", "columns", "every_second", "negative", "per_row", "per_column", "for_all"}

func (f Form) String() string { return formNames[f] }

func parseForm(s string) (Form, error) {
	i := slices.Index(formNames[:], s)
	if i < 0 {
		return 0, fmt.Errorf("unknown form, want one of %v", formNames)
	}
	return Form(i), nil
}

// view returns the view of a matrix in that form, and the length of the array.
func (f Form) view(rows, cols int) (v smoothl1.View, n int) {
	switch f {
	case Padded:
		return smoothl1.Strided(1, cols+3, 1), 1 + rows*(cols+3)
	case Pitched:
		pitch := (cols/8 + 1) * 8
		return smoothl1.Strided(0, pitch, 1), rows * pitch
	case Columns:
		return smoothl1.Strided(0, 1, rows), rows * cols
	case EverySecond:
		return smoothl1.Strided(0, 2*cols, 2), 2 * rows * cols
	case Negative:
		return smoothl1.Strided(max(0, rows*cols-1), -cols, -1), rows * cols
	case PerRow:
		v = smoothl1.PerRow()
	case PerColumn:
		v = smoothl1.PerColumn()
	case ForAll:
		v = smoothl1.Single()
	}
	return v, v.Len(rows, cols)
}
