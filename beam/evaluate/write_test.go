package evaluate

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

func TestWriteRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	const boxes, sides, cols = 50, 3, 4 // the files are cut between boxes
	n := boxes * sides * cols
	dir := t.TempDir()
	p, q := fill[float32](rng, n), fill[float32](rng, n)
	for name, x := range map[string][]float32{"p.npy": p, "q.npy": q} {
		h := npy.Header{DType: npy.Float32, Shape: []int{boxes, sides, cols}}
		require.NoError(t, npy.WriteFile(context.Background(), filepath.Join(dir, name), h, x))
	}
	c := Config{Pred: Shards{filepath.Join(dir, "p.npy")}, Target: Shards{filepath.Join(dir, "q.npy")}, Loss: smoothl1.Loss{Beta: 1}}
	pipeline, s := beam.NewPipelineWithRoot()
	rows, result, err := Rows(s, c)
	require.NoError(t, err)
	_, err = writeRows(s, cutting{filepath.Join(dir, "out", "losses"), 70}, rows, result)
	require.NoError(t, err)
	_, err = prism.Execute(context.Background(), pipeline)
	require.NoError(t, err)

	// Other files with the prefix would be taken for shards of the same array.
	pipeline, s = beam.NewPipelineWithRoot()
	rows, result, err = Rows(s, c)
	require.NoError(t, err)
	_, err = writeRows(s, cutting{filepath.Join(dir, "out", "losses"), 100}, rows, result)
	require.NoError(t, err)
	_, err = prism.Execute(context.Background(), pipeline)
	require.ErrorContains(t, err, "losses-00000-of-00003.npy is of another number of files")

	names, err := filepath.Glob(filepath.Join(dir, "out", "*"))
	require.NoError(t, err)
	require.Equal(t, []string{"losses-00000-of-00003.npy", "losses-00001-of-00003.npy", "losses-00002-of-00003.npy"},
		[]string{filepath.Base(names[0]), filepath.Base(names[1]), filepath.Base(names[2])})
	require.Len(t, names, 3, "no temporary file is left")
	var got []float64
	for i, name := range names {
		a, err := npy.Open(name)
		require.NoError(t, err)
		require.Equal(t, []int{[]int{23, 23, 4}[i], sides}, a.Header().Shape)
		values, err := npy.Values[float64](a)
		require.NoError(t, err)
		got = append(got, values...)
		require.NoError(t, a.Close())
	}
	want := make([]float64, boxes*sides)
	loss(t, c.Loss, cpu.Args[float32]{Pred: p, Target: q, ByRow: true, Losses: want, Shape: &smoothl1.Shape{Rows: boxes * sides, Cols: cols}})
	require.Equal(t, bits(want...), bits(got...))
}

func TestJoin(t *testing.T) {
	a, b := RowLosses{10, []float64{1, 2}}, RowLosses{12, []float64{3}}
	x, err := join([]RowLosses{b, {First: 10}, a}, 10, 13)
	require.NoError(t, err)
	require.Equal(t, []float64{1, 2, 3}, x)
	for want, all := range map[string][]RowLosses{
		"rows 10 to 11 are missing": {b}, "rows 12 to 12 are missing": {a}, "row 10 came twice": {a, a, b},
	} {
		_, err := join(all, 10, 13)
		require.ErrorContains(t, err, want)
	}
}

// A rename that was made before the bundle failed is no error in the next attempt; a file that is neither here nor there is one.
func TestRenameAgain(t *testing.T) {
	dir := t.TempDir()
	f := &renameFn{cutting{filepath.Join(dir, "x"), 70}}
	r := Result{Shape: []int64{2, 3}}
	temporary := filepath.Join(dir, "x.1.tmp")
	attempt := func() (names []string, err error) {
		given := false
		err = f.ProcessElement(context.Background(), r, func(o *output) bool {
			*o = output{0, temporary}
			defer func() { given = true }()
			return !given
		}, func(name string) { names = append(names, name) })
		return names, err
	}
	_, err := attempt()
	require.ErrorContains(t, err, "x-00000-of-00001.npy: no such file")
	require.NoError(t, writeFile(context.Background(), temporary, npy.Header{DType: npy.Float64, Shape: []int{2}}, []float64{1, 2}))
	for range 2 {
		names, err := attempt()
		require.NoError(t, err)
		require.Equal(t, []string{filepath.Join(dir, "x-00000-of-00001.npy")}, names)
	}
}

func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "full")
	require.NoError(t, os.Symlink("/dev/full", path))
	err := writeFile(context.Background(), path, npy.Header{DType: npy.Float64, Shape: []int{1}}, []float64{1})
	require.ErrorContains(t, err, "full: no space left on device")
	_, err = os.Lstat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
}
