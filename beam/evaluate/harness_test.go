package evaluate

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/local"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/log"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

func TestMain(m *testing.M) {
	beam.Init()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the runner repeats each error in several lines
	log.SetLogger(silent{})
	os.Exit(m.Run())
}

type silent struct{}

func (silent) Log(context.Context, log.Severity, int, string) {}

// got holds what pipelines have computed: Prism runs them in this process.
var got struct {
	sync.Mutex
	outcome
}

type outcome struct {
	results []Result
	rows    []RowLosses
	groups  []Group
}

func keep[T any](to *[]T) func(T) {
	return func(x T) {
		got.Lock()
		defer got.Unlock()
		*to = append(*to, x)
	}
}

func keepResult(r Result)  { keep(&got.results)(r) }
func keepRows(r RowLosses) { keep(&got.rows)(r) }
func keepGroup(g Group)    { keep(&got.groups)(g) }

func init() {
	beam.RegisterFunction(keepResult)
	beam.RegisterFunction(keepRows)
	beam.RegisterFunction(keepGroup)
}

// evaluateIn runs a transform on Prism, and returns what it computes in order.
func evaluateIn(t testing.TB, c Config, m mode) (outcome, error) {
	t.Helper()
	p, s := beam.NewPipelineWithRoot()
	r, err := evaluate(s, c, "Test", m)
	require.NoError(t, err)
	beam.ParDo0(s, keepResult, r.result)
	switch m {
	case byRow:
		beam.ParDo0(s, keepRows, r.rows)
	case byGroup:
		beam.ParDo0(s, keepGroup, r.groups)
	}
	got.outcome = outcome{}
	_, err = prism.Execute(context.Background(), p)
	slices.SortFunc(got.rows, func(a, b RowLosses) int { return int(a.First - b.First) })
	slices.SortFunc(got.groups, func(a, b Group) int { return int(a.Key - b.Key) })
	return got.outcome, err
}

// losses returns the losses of all rows.
func (o *outcome) losses(t *testing.T) (all []float64) {
	for _, r := range o.rows {
		require.EqualValues(t, len(all), r.First)
		all = append(all, r.Losses...)
	}
	return all
}

// write writes an array of rows × cols as shards, cut before random rows, and returns their pattern.
func write[T npy.Element](t testing.TB, x []T, cols int, d npy.DType, cuts ...int) Shards {
	t.Helper()
	dir := t.TempDir()
	slices.Sort(cuts)
	bounds := append(append([]int{0}, cuts...), len(x)/max(1, cols))
	for i := range bounds[1:] {
		h := npy.Header{DType: d, Shape: []int{bounds[i+1] - bounds[i], cols}}
		name := filepath.Join(dir, fmt.Sprintf("x-%05d-of-%05d.npy", i, len(bounds)-1))
		require.NoError(t, npy.WriteFile(context.Background(), name, h, x[bounds[i]*cols:bounds[i+1]*cols]))
	}
	return Shards{filepath.Join(dir, "x-*.npy")}
}

// cuts returns n random rows.
func cuts(rng *rand.Rand, rows, n int) (all []int) {
	for range n {
		all = append(all, rng.IntN(rows+1))
	}
	return all
}

// fill returns random numbers.
func fill[T smoothl1.Float](rng *rand.Rand, n int) []T {
	wide := make([]float64, n)
	for i := range wide {
		wide[i] = rng.NormFloat64()
	}
	x := make([]T, n)
	if err := smoothl1.Convert(x, wide); err != nil {
		panic(err)
	}
	return x
}

func npyType(t smoothl1.DType) npy.DType {
	return [...]npy.DType{smoothl1.Float32: npy.Float32, smoothl1.Float64: npy.Float64, smoothl1.Float16: npy.Float16, smoothl1.BFloat16: npy.Uint16}[t]
}

// loss is what package cpu computes.
func loss[T smoothl1.Float](t *testing.T, l smoothl1.Loss, a cpu.Args[T]) float64 {
	t.Helper()
	x, err := cpu.Run(l, &a)
	require.NoError(t, err)
	return x
}

// bits returns bit patterns, to compare.
func bits(x ...float64) (all []uint64) {
	for _, x := range x {
		all = append(all, math.Float64bits(x))
	}
	return all
}
