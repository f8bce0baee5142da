package evaluate

import (
	"context"
	"fmt"
	"reflect"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/smoothl1/smoothl1"
)

func init() {
	for _, t := range []reflect.Type{reflect.TypeFor[Result](), reflect.TypeFor[RowLosses](), reflect.TypeFor[Group]()} {
		beam.RegisterType(t)
	}
	beam.RegisterDoFn(&wholeFn{})
	beam.RegisterDoFn(&rowFn{})
	beam.RegisterDoFn(&groupFn{})
}

// Result is the reduced loss of all elements.
type Result struct {
	Loss      float64 // 0 from Rows
	DividedBy float64 // what a mean was divided by; 0 for a sum
	Elements  int64
	Kept      int64   // elements that the mask keeps; those of Rows are not counted
	Shape     []int64 // of the shards concatenated
	DType     string  // of pred: "float32"
}

// RowLosses are the losses of consecutive rows.
type RowLosses struct {
	First  int64 // row
	Losses []float64
}

// Group is what is known of the elements of a group that the mask keeps.
type Group struct {
	Key       int64
	Kept      int64   // how many there are
	Sum       float64 // the canonical sum of the loss terms of the whole, with all other elements masked
	DividedBy float64 // what the mean was divided by: Kept, unless the Config has another divisor. 0 if the reduction is Sum
	Loss      float64 // the mean, or the sum if the reduction is Sum
	Largest   float64 // the largest |pred − target|; NaN if one is
}

// wholeFn finishes the loss of the whole.
type wholeFn struct{ Settings settings }

// ProcessElement emits the result. The blocks come as a side input, since there are none if there are no elements.
func (f *wholeFn) ProcessElement(_ context.Context, s summary, blocks func(*int64, *sums) bool, emit func(Result)) error {
	r := Result{Elements: s.Geometry.Rows * s.Geometry.Cols, Shape: s.Shape, DType: smoothl1.DType(s.DType).String()}
	if f.Settings.Mode == byRow {
		emit(r)
		return nil
	}
	var all, more sums
	for row := int64(0); blocks(&row, &more); more = (sums{}) {
		all = collect{}.MergeAccumulators(all, more)
	}
	t, err := all.add(s.Geometry.blocks(), false)
	if err != nil {
		return fmt.Errorf("evaluate: %w", err)
	}
	r.Kept = t.kept
	r.Loss, r.DividedBy = f.Settings.reduced(t, r.Elements)
	emit(r)
	return nil
}

// rowFn finishes the loss of a long row.
type rowFn struct{ Settings settings }

// ProcessElement emits the loss of a row.
func (f *rowFn) ProcessElement(_ context.Context, row int64, blocks sums, s summary, emit func(RowLosses)) error {
	t, err := blocks.add(s.Geometry.blocks(), false)
	if err != nil {
		return fmt.Errorf("evaluate: row %d: %w", row, err)
	}
	loss, _ := f.Settings.reduced(t, s.Geometry.Cols)
	emit(RowLosses{row, []float64{loss}})
	return nil
}

// groupFn finishes a group.
type groupFn struct{ Settings settings }

// ProcessElement emits a group.
func (f *groupFn) ProcessElement(_ context.Context, key int64, blocks sums, s summary, emit func(Group)) error {
	t, err := blocks.add(s.Geometry.blocks(), true)
	if err != nil {
		return fmt.Errorf("evaluate: group %d: %w", key, err)
	}
	g := Group{Key: key, Kept: t.kept, Sum: t.terms, Largest: t.largest}
	g.Loss, g.DividedBy = f.Settings.reduced(t, t.kept)
	emit(g)
	return nil
}
