package difftest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/npy"
	"github.com/smoothl1/smoothl1/internal/op"
)

// wide holds the cases of the whole operation: views, weights, masks, and whatever else Args has.
type wide struct {
	arrays *npy.Archive
	Cases  []wideCase
}

// wideCase is a case of wide.json: see testdata/golden/contract_wide.py.
type wideCase struct {
	Name       string
	Kind       string
	DType      smoothl1.DType
	Rows, Cols int
	Actions    int
	Reduction  smoothl1.Reduction
	PerRow     bool `json:"per_row"`
	Pred       *wideView
	Target     *wideView
	Index      *wideView
	Mask       *wideView
	Weight     *wideView
	Beta       wideNumber
	Upstream   wideNumber
	Divisor    any
	EmptyZero  bool `json:"empty_zero"`
	Accumulate bool
	OldPred    string `json:"old_pred"`
	OldTarget  string `json:"old_target"`
	V          string
	Value      []hexFloat
}

// wideView is a view of an array of the archive.
type wideView struct {
	Array     string
	Offset    int
	RowStride int `json:"row_stride"`
	ColStride int `json:"col_stride"`
}

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

// of returns the case as a Case, and its arrays.
func (w *wide) of(c wideCase) (k Case, x *Arrays, err error) {
	k = Case{
		Op: ForwardBackward, DType: c.DType, Loss: smoothl1.Loss{Beta: c.Beta.number, Reduction: c.Reduction}, Upstream: c.Upstream.number,
		Rows: c.Rows, Cols: c.Cols, N: c.Rows * c.Cols, Actions: c.Actions, ByRow: c.PerRow, ZeroIfEmpty: c.EmptyZero, Seed: 1,
		Grads: GradPred | GradTarget,
	}
	err = k.Loss.Kind.Set(c.Kind)
	if c.Reduction == smoothl1.None {
		k.Op = Backward
	}
	if c.Beta.view != nil {
		k.Loss.Beta = 1
	}
	switch d := c.Divisor.(type) {
	case float64:
		k.Count = int(d)
	case string:
		k.By = map[string]By{"elements": ByCount, "kept": ByKept, "weights": ByWeights}[d]
	}
	if c.Accumulate {
		k.Accumulate = k.Grads
	}
	if m := k.matrix(); strided(*c.Target).Repeats(m.Rows, m.Cols) {
		k.Grads &^= GradTarget // refused: it would be a sum
		k.Accumulate &= k.Grads
	}
	k.Forms[op.RoleTerms], k.Forms[op.RoleAbs] = Dense, Dense
	k.Elementwise = c.Upstream.view != nil
	if c.V != "" {
		k.Forms[op.RoleSecond] = Dense
	}
	x = k.layout()
	x.shaped = true
	put := func(r op.Role, v *wideView) {
		if v != nil {
			view := smoothl1.View{}
			if r != op.RoleIndex {
				view = smoothl1.Strided(v.Offset, v.RowStride, v.ColStride)
			}
			x.of[r], err = w.array(r, c.DType, v.Array, view, err)
		}
	}
	put(op.RolePred, c.Pred)
	put(op.RoleTarget, c.Target)
	put(op.RoleIndex, c.Index)
	put(op.RoleMask, c.Mask)
	put(op.RoleWeight, c.Weight)
	put(op.RoleBeta, c.Beta.view)
	put(op.RoleUpstream, c.Upstream.view)
	dense := func(r op.Role, name string) {
		if name != "" && x.of[r] != nil {
			x.of[r], err = w.array(r, c.DType, name, smoothl1.View{}, err)
		}
	}
	dense(op.RoleDirection, c.V)
	dense(op.RoleGradPred, c.OldPred)
	dense(op.RoleGradTarget, c.OldTarget)
	return k, x, err
}

func strided(v wideView) *op.View {
	return &op.View{Offset: v.Offset, RowStride: v.RowStride, ColStride: v.ColStride}
}

// array reads an array of the archive for a role in a call on elements of type t, unless there was an error.
func (w *wide) array(r op.Role, t smoothl1.DType, name string, v smoothl1.View, failed error) (*array, error) {
	if failed != nil {
		return nil, failed
	}
	switch typeOf(r, t) {
	case smoothl1.Float32:
		return read[float32](w, name, v)
	case smoothl1.Float64:
		return read[float64](w, name, v)
	case smoothl1.Float16:
		return read[smoothl1.F16](w, name, v)
	case smoothl1.BFloat16:
		return read[smoothl1.BF16](w, name, v)
	case smoothl1.Uint8:
		return read[uint8](w, name, v)
	}
	return read[int32](w, name, v)
}

func read[E smoothl1.Element](w *wide, name string, v smoothl1.View) (*array, error) {
	content, err := npyArray[E](w.arrays, name)
	if err != nil {
		return nil, err
	}
	a := newArray(smoothl1.DTypeOf[E](), v, len(content), 0)
	copy(elements[E](a), content)
	return a, nil
}

// npyArray returns a copy of an array of an archive.
func npyArray[E npy.Element](from *npy.Archive, name string) (x []E, err error) {
	a, err := from.Read(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	values, err := npy.Values[E](a)
	return append([]E{}, values...), err
}

// hold computes the case in a column and compares all of its outputs with those of the archive.
func (w *wide) hold(c wideCase, column Column) error {
	k, x, err := w.of(c)
	if err != nil {
		return err
	}
	got, err := column.compute(k, x)
	if err != nil {
		return err
	}
	want := got.clone()
	for r, name := range map[op.Role]string{op.RoleTerms: "terms", op.RoleAbs: "abs", op.RoleGradPred: "grad_pred", op.RoleGradTarget: "grad_target", op.RoleSecond: "hvp"} {
		if want.of[r] != nil {
			want.of[r], err = w.array(r, c.DType, c.Name+"."+name, smoothl1.View{}, err)
		}
	}
	if err != nil {
		return err
	}
	values := make([]float64, len(c.Value)) // none, one, or one for each row
	for i, x := range c.Value {
		values[i] = float64(x)
	}
	is := []float64{got.value}[:min(1, len(values))]
	if k.ByRow {
		is = elements[float64](got.of[op.RoleLosses])
	}
	return errors.Join(got.Arrays.compare(want), compareArray("value", is, values))
}
