package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// wideView is a view of an array in testdata/golden/wide.npz.
type wideView struct {
	Array     string
	Offset    int
	RowStride int `json:"row_stride"`
	ColStride int `json:"col_stride"`
	Form      string
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

// wideCase is a case of wide.json: see testdata/golden/contract_wide.py.
type wideCase struct {
	Name, Kind, DType string
	Rows, Cols        int
	Actions           int
	Reduction         string
	PerRow            bool `json:"per_row"`
	Pred, Target      *wideView
	Index             *wideView
	Mask, Weight      *wideView
	Beta, Upstream    wideNumber
	Divisor           any
	EmptyZero         bool   `json:"empty_zero"`
	OldPred           string `json:"old_pred"`
	OldTarget         string `json:"old_target"`
	V                 string
	Value             []string
}

// TestEvalWide computes the cases of the whole operation from files, in pieces of a chunk, and compares all results bit for bit.
func TestEvalWide(t *testing.T) {
	old := piece
	t.Cleanup(func() { piece = old })
	piece = cpu.Chunk
	golden := filepath.Join("..", "..", "testdata", "golden")
	text, err := os.ReadFile(filepath.Join(golden, "wide.json"))
	require.NoError(t, err)
	var all struct{ Cases []wideCase }
	require.NoError(t, json.Unmarshal(text, &all))
	require.Len(t, all.Cases, 384)
	archive, err := npy.OpenArchive(filepath.Join(golden, "wide.npz"))
	require.NoError(t, err)
	t.Cleanup(func() { archive.Close() })
	for _, c := range all.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			dir := inMemory(t)
			switch c.DType {
			case "float32":
				evalWide[float32](t, dir, archive, c)
			case "float64":
				evalWide[float64](t, dir, archive, c)
			case "float16":
				evalWide[smoothl1.F16](t, dir, archive, c)
			case "bfloat16":
				evalWide[smoothl1.BF16](t, dir, archive, c)
			}
		})
	}
}

// saved writes what a view sees to a file: an array of rows × cols, in which dimensions that the view repeats are 1.
func saved[E npy.Element](t *testing.T, dir string, archive *npy.Archive, name string, v *wideView, dtype npy.DType, rows, cols int) string {
	a, err := archive.Read(v.Array)
	require.NoError(t, err)
	raw, err := npy.Values[E](a)
	require.NoError(t, err)
	switch v.Form {
	case "row":
		cols = 1
	case "column":
		rows = 1
	case "one":
		rows, cols = 1, 1
	}
	x := make([]E, 0, rows*cols)
	for r := range rows {
		for c := range cols {
			x = append(x, raw[v.Offset+r*v.RowStride+c*v.ColStride])
		}
	}
	return saveAs(t, dir, name, dtype, x, rows, cols)
}

func evalWide[T smoothl1.Float](t *testing.T, dir string, archive *npy.Archive, c wideCase) {
	number := npyType(smoothl1.DTypeOf[T]())
	read := func(name string) []T {
		a, err := archive.Read(name)
		require.NoError(t, err)
		x, err := npy.Values[T](a)
		require.NoError(t, err)
		return x
	}
	columns := c.Cols
	if c.Index != nil {
		columns = c.Actions
	}
	arguments := []string{"eval", "--device", "cpu", "--json", "--broadcast", "--loss", c.Kind, "--reduction", c.Reduction,
		saved[T](t, dir, archive, "pred.npy", c.Pred, number, c.Rows, columns), saved[T](t, dir, archive, "target.npy", c.Target, number, c.Rows, c.Cols)}
	flag := func(name, value string) { arguments = append(arguments, "--"+name+"="+value) }
	for name, v := range map[string]*wideView{"weight": c.Weight, "beta-file": c.Beta.view, "upstream": c.Upstream.view} {
		if v != nil {
			flag(name, saved[T](t, dir, archive, name+".npy", v, number, c.Rows, c.Cols))
		}
	}
	if c.Mask != nil {
		flag("mask", saved[uint8](t, dir, archive, "mask.npy", c.Mask, npy.Uint8, c.Rows, c.Cols))
	}
	if c.Index != nil {
		index := wideView{Array: c.Index.Array, RowStride: 1}
		flag("index", saved[int32](t, dir, archive, "index.npy", &index, npy.Int32, c.Rows, 1))
	}
	if c.DType == "bfloat16" {
		flag("dtype", c.DType)
	}
	if c.Beta.view == nil {
		flag("beta", strconv.FormatFloat(c.Beta.number, 'g', -1, 64))
	}
	if c.Upstream.view == nil {
		flag("scale", strconv.FormatFloat(c.Upstream.number, 'g', -1, 64))
	}
	if c.PerRow {
		flag("rows", "true")
	}
	switch d := c.Divisor.(type) {
	case float64:
		flag("divisor", strconv.FormatFloat(d, 'g', -1, 64))
	case string:
		flag("divisor", d)
	}
	if c.EmptyZero {
		flag("zero-if-empty", "true")
	}
	outs := map[string]string{"terms": "terms", "abs": "abs", "grad-pred": "grad_pred", "grad-target": "grad_target"}
	if c.Reduction == "none" {
		delete(outs, "terms")
		outs["out"] = "terms"
	}
	if form := c.Target.Form; form == "one" && c.Rows*c.Cols != 1 || form == "row" && c.Cols != 1 || form == "column" && c.Rows != 1 {
		delete(outs, "grad-target") // refused: it would be a sum
	}
	dense := func(array string, cols int) *wideView { return &wideView{Array: array, RowStride: cols, ColStride: 1} }
	if c.V != "" {
		outs["second"] = "hvp"
		flag("direction", saved[T](t, dir, archive, "direction.npy", dense(c.V, c.Cols), number, c.Rows, c.Cols))
	}
	if c.OldPred != "" {
		flag("accumulate-pred", saved[T](t, dir, archive, "old_pred.npy", dense(c.OldPred, columns), number, c.Rows, columns))
		if outs["grad-target"] != "" {
			flag("accumulate-target", saved[T](t, dir, archive, "old_target.npy", dense(c.OldTarget, c.Cols), number, c.Rows, c.Cols))
		}
	}
	for name := range outs {
		flag(name, filepath.Join(dir, "result "+name))
	}
	stdout, stderr, code := call(arguments...)
	require.Zero(t, code, "%v: %s", arguments, stderr)
	require.Empty(t, stderr)
	for name, array := range outs {
		shape := []int{c.Rows, c.Cols}
		if name == "grad-pred" {
			shape[1] = columns
		}
		require.NoError(t, same(read(c.Name+"."+array), load[T](t, filepath.Join(dir, "result "+name), shape...)), "%s: %v", name, arguments)
	}
	requireLosses(t, c, stdout)
}

// requireLosses compares the losses of the JSON output with those of the case.
func requireLosses(t *testing.T, c wideCase, stdout string) {
	got, list := printedLosses(t, stdout)
	require.Equal(t, c.PerRow, list)
	var want []float64
	for _, word := range c.Value {
		bits, err := strconv.ParseUint(word, 16, 64)
		require.NoError(t, err)
		want = append(want, math.Float64frombits(bits))
	}
	require.NoError(t, same(want, got), strings.TrimSpace(stdout))
}

// printedLosses returns the losses of JSON output, and whether they are a list.
func printedLosses(t *testing.T, stdout string) (values []float64, list bool) {
	var result struct{ Loss any }
	require.NoError(t, json.Unmarshal([]byte(stdout), &result), stdout)
	all, list := result.Loss.([]any)
	if !list && result.Loss != nil {
		all = []any{result.Loss}
	}
	for _, x := range all {
		switch x := x.(type) {
		case float64:
			values = append(values, x)
		case string:
			y, err := strconv.ParseFloat(x, 64)
			require.NoError(t, err)
			values = append(values, y)
		}
	}
	return values, list
}
