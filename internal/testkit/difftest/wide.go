package difftest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// wide holds the cases of the whole operation: views, weights, masks, and whatever else Args has.
type wide struct {
	arrays *npy.Archive
	Cases  []wideCase
}

// wideCase is a case of wide.json: see testdata/golden/contract_wide.py.
type wideCase struct {
	Name, Kind, DType string
	Rows, Cols        int
	Actions           int
	Reduction         smoothl1.Reduction
	PerRow            bool `json:"per_row"`
	Pred, Target      wideView
	Index             *struct{ Array string }
	Mask, Weight      *wideView
	Beta, Upstream    wideNumber
	Divisor           any
	EmptyZero         bool `json:"empty_zero"`
	Accumulate        bool
	OldPred           string `json:"old_pred"`
	OldTarget         string `json:"old_target"`
	V                 string
	Value             []hexFloat
}

// wideView is a view of an array of the archive.
type wideView struct {
	Array     string
	Offset    int
	RowStride int `json:"row_stride"`
	ColStride int `json:"col_stride"`
}

func (v wideView) view() smoothl1.View { return smoothl1.Strided(v.Offset, v.RowStride, v.ColStride) }

// wideNumber is a number or a view.
type wideNumber struct {
	number float64
	view   *wideView
}

func (n *wideNumber) UnmarshalJSON(text []byte) error {
	if json.Unmarshal(text, &n.number) == nil {
		return nil
	}
	return json.Unmarshal(text, &n.view)
}

func openWide(dir string) (*wide, error) {
	text, err := os.ReadFile(filepath.Join(dir, "wide.json"))
	if err != nil {
		return nil, err
	}
	w := &wide{}
	if err := json.Unmarshal(text, w); err != nil {
		return nil, fmt.Errorf("difftest: wide.json: %w", err)
	}
	w.arrays, err = npy.OpenArchive(filepath.Join(dir, "wide.npz"))
	return w, err
}

// wideArray returns a copy of an array of the archive.
func wideArray[T npy.Element](w *wide, name string) (x []T, err error) {
	a, err := w.arrays.Read(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	values, err := npy.Values[T](a)
	return append([]T{}, values...), err
}

// Whole is an implementation of the whole operation on slices, as cpu.Run.
type Whole[T smoothl1.Float] func(smoothl1.Loss, *cpu.Args[T]) (float64, error)

// runWide computes the case and compares all of its outputs with those of the archive.
func runWide[T smoothl1.Float](w *wide, c wideCase, run Whole[T]) (err error) {
	read := func(name string) []T {
		x, failed := wideArray[T](w, name)
		err = errors.Join(err, failed)
		return x
	}
	a := cpu.Args[T]{Shape: &smoothl1.Shape{Rows: c.Rows, Cols: c.Cols}, ByRow: c.PerRow}
	s := a.Shape
	place := func(v wideView, view *smoothl1.View) []T {
		*view = v.view()
		return read(v.Array)
	}
	a.Pred, a.Target = place(c.Pred, &s.Pred), place(c.Target, &s.Target)
	columns := c.Cols
	if c.Index != nil {
		s.Cols, columns = c.Actions, c.Actions
		index, failed := wideArray[int32](w, c.Index.Array)
		a.Index, err = index, errors.Join(err, failed)
	}
	if c.Mask != nil {
		mask, failed := wideArray[uint8](w, c.Mask.Array)
		a.Mask, s.Mask, err = mask, c.Mask.view(), errors.Join(err, failed)
	}
	if c.Weight != nil {
		a.Weight = place(*c.Weight, &s.Weight)
	}
	l := smoothl1.Loss{Beta: c.Beta.number, Reduction: c.Reduction}
	err = errors.Join(err, l.Kind.Set(c.Kind))
	if c.Beta.view != nil {
		l.Beta = 1
		a.Beta = place(*c.Beta.view, &s.Beta)
	}
	if c.Upstream.view != nil {
		a.Upstream = cpu.Elements(place(*c.Upstream.view, &s.Upstream))
	} else {
		a.Upstream = cpu.Number[T](c.Upstream.number)
	}
	if c.Reduction == smoothl1.Mean {
		switch d := c.Divisor.(type) {
		case float64:
			a.Divisor = smoothl1.DivideBy(d)
		case string:
			a.Divisor = map[string]smoothl1.Divisor{"kept": smoothl1.DivideByKept(), "weights": smoothl1.DivideByWeights()}[d]
		}
		if c.EmptyZero {
			a.Divisor = a.Divisor.ZeroIfEmpty()
		}
	}
	n := c.Rows * c.Cols
	a.Terms, a.Abs, a.GradPred, a.GradTarget = make([]T, n), make([]T, n), make([]T, c.Rows*columns), make([]T, n)
	if c.Accumulate {
		a.GradPred, a.GradTarget = read(c.OldPred), read(c.OldTarget)
		a.AccumulatePred, a.AccumulateTarget = true, true
	}
	if target := (opView{c.Target.RowStride, c.Target.ColStride}); target.repeats(c.Rows, c.Cols) {
		a.GradTarget, a.AccumulateTarget = nil, false // refused: it would be a sum
	}
	if c.V != "" {
		a.Direction, a.Second = read(c.V), make([]T, n)
	}
	if c.PerRow {
		a.Losses = make([]float64, c.Rows)
	}
	if err != nil {
		return err
	}
	value, err := run(l, &a)
	if err != nil {
		return err
	}
	for _, out := range []struct {
		name string
		got  []T
	}{{"terms", a.Terms}, {"abs", a.Abs}, {"grad_pred", a.GradPred}, {"grad_target", a.GradTarget}, {"hvp", a.Second}} {
		if out.got == nil {
			continue
		}
		want := read(c.Name + "." + out.name)
		if err := errors.Join(err, compareArray(out.name, out.got, want)); err != nil {
			return err
		}
	}
	losses := []float64{value}
	switch {
	case c.Reduction == smoothl1.None:
		losses = nil
	case c.PerRow:
		losses = a.Losses
	}
	want := make([]float64, len(c.Value))
	for i, x := range c.Value {
		want[i] = float64(x)
	}
	return compareArray("value", losses, want)
}

// opView has the strides of a view.
type opView struct{ rowStride, colStride int }

// repeats reports whether the view is one of those of wide.json that repeat elements.
func (v opView) repeats(rows, cols int) bool {
	return rows > 0 && cols > 0 && (rows > 1 && v.rowStride == 0 || cols > 1 && v.colStride == 0)
}
