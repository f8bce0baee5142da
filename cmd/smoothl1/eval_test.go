package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/npy"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// save writes an array to dir under the name.
func save[T smoothl1.Float](t testing.TB, dir, name string, x []T, shape ...int) string {
	t.Helper()
	return saveAs(t, dir, name, npyType(smoothl1.DTypeOf[T]()), x, shape...)
}

// saveAs is save for any type.
func saveAs[T npy.Element](t testing.TB, dir, name string, dtype npy.DType, x []T, shape ...int) string {
	t.Helper()
	var content bytes.Buffer
	require.NoError(t, npy.Write(name, &content, npy.Header{DType: dtype, Shape: shape}, x))
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, content.Bytes(), 0o666)) // npy.WriteFile would wait for the disk
	return path
}

// inMemory returns a new folder, in memory if the system has such: the command waits until its outputs are on the disk.
func inMemory(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "smoothl1")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// load reads an array and requires a shape.
func load[T smoothl1.Float](t testing.TB, path string, shape ...int) []T {
	t.Helper()
	a, err := npy.Open(path)
	require.NoError(t, err)
	defer a.Close()
	if shape == nil {
		shape = []int{}
	}
	require.Equal(t, shape, append([]int{}, a.Header().Shape...))
	x, err := npy.Values[T](a)
	require.NoError(t, err)
	return append([]T{}, x...)
}

func requireSame[T smoothl1.Float](t testing.TB, want, got []T) {
	t.Helper()
	require.NoError(t, same(want, got))
}

// same returns an error unless the arrays have the same bits.
func same[T smoothl1.Float](want, got []T) error {
	if len(want) != len(got) {
		return fmt.Errorf("got %d elements, want %d", len(got), len(want))
	}
	for i := range want {
		if x, y := value(got[i]), value(want[i]); !difftest.SameBits(x, y) {
			return fmt.Errorf("element %d: got %v, want %v", i, got[i], want[i])
		}
	}
	return nil
}

// smallPieces makes small arrays have several pieces.
func smallPieces(t *testing.T) {
	old, oldSim := piece, simPiece
	t.Cleanup(func() { piece, simPiece = old, oldSim })
	piece, simPiece = 8*cpu.Chunk, 8*cpu.Chunk
}

// TestEvalInPieces compares eval on arrays of several pieces with the reference on the whole arrays, on every device.
func TestEvalInPieces(t *testing.T) {
	smallPieces(t)
	for _, c := range []struct {
		device string
		n      int
	}{
		{"cpu", 2*piece + 77}, {"cpu", 3 * piece}, {"cpu", cpu.Chunk + 1},
		{"sim", 2*piece + 77}, {"sim", piece},
	} {
		t.Run(c.device+"/float32", func(t *testing.T) { evalInPieces[float32](t, c.device, c.n) })
		t.Run(c.device+"/float64", func(t *testing.T) { evalInPieces[float64](t, c.device, c.n) })
	}
}

func evalInPieces[T float32 | float64](t *testing.T, device string, n int) {
	dir := t.TempDir()
	in := difftest.Generate[T](difftest.Case{N: n, Seed: 5, Elementwise: true})
	pred, target, upstream := save(t, dir, "p.npy", in.Pred, n), save(t, dir, "t.npy", in.Target, n), save(t, dir, "u.npy", in.Upstream, n)
	for _, l := range []smoothl1.Loss{
		{Beta: 0.1, Reduction: smoothl1.Mean}, {Kind: smoothl1.Huber, Beta: 0.3, Reduction: smoothl1.Sum}, {Beta: 1, Reduction: smoothl1.None},
	} {
		for _, elementwise := range []bool{false, true} {
			paths := map[string]string{"out": filepath.Join(dir, "out.npy"), "grad-pred": filepath.Join(dir, "gp.npy"), "grad-target": filepath.Join(dir, "gt.npy")}
			arguments := []string{"eval", pred, target, "--device", device, "--loss", l.Kind.String(), "--beta", strconv.FormatFloat(l.Beta, 'g', -1, 64),
				"--reduction", l.Reduction.String()}
			for flag, path := range paths {
				arguments = append(arguments, "--"+flag, path)
			}
			a := cpu.Args[T]{Pred: in.Pred, Target: in.Target, Upstream: cpu.Number[T](-2.5), GradPred: make([]T, n), GradTarget: make([]T, n), Terms: make([]T, n)}
			if elementwise {
				a.Upstream = cpu.Elements(in.Upstream)
				arguments = append(arguments, "--upstream", upstream)
			} else {
				arguments = append(arguments, "--scale", "-2.5")
			}
			stdout, stderr, code := call(arguments...)
			require.Zero(t, code, stderr)
			require.Empty(t, stderr)

			require.NoError(t, cpu.RefBackward(l, &a))
			requireSame(t, a.GradPred, load[T](t, paths["grad-pred"], n))
			requireSame(t, a.GradTarget, load[T](t, paths["grad-target"], n))
			if l.Reduction == smoothl1.None {
				require.Empty(t, stdout)
				require.NoError(t, cpu.RefForwardTerms(l, &a))
				requireSame(t, a.Terms, load[T](t, paths["out"], n))
				continue
			}
			want, err := cpu.RefForward(l, &cpu.Args[T]{Pred: in.Pred, Target: in.Target})
			require.NoError(t, err)
			got, err := strconv.ParseFloat(strings.TrimSuffix(stdout, "\n"), 64)
			require.NoError(t, err)
			requireSame(t, []float64{want}, []float64{got})
			requireSame(t, []float64{want}, load[float64](t, paths["out"]))
		}
	}
	assert.Len(t, names(t, dir), 6, "nothing but inputs and outputs")
}

// TestEvalKeepsTheShape tries shapes without dimensions, with few elements and without elements.
func TestEvalKeepsTheShape(t *testing.T) {
	for _, shape := range [][]int{{}, {0}, {3, 0, 2}, {1}, {2, 3, 4}} {
		dir := t.TempDir()
		n := 1
		for _, d := range shape {
			n *= d
		}
		p := save(t, dir, "p.npy", make([]float32, n), shape...)
		q := save(t, dir, "t.npy", make([]float32, n), shape...)
		for _, device := range []string{"cpu", "sim"} {
			out, grad := filepath.Join(dir, "o.npy"), filepath.Join(dir, "g.npy")
			_, stderr, code := call("eval", p, q, "--reduction", "none", "--out", out, "--grad-pred", grad, "--device", device)
			require.Zero(t, code, stderr)
			load[float32](t, out, shape...)
			load[float32](t, grad, shape...)
			stdout, _, code := call("eval", p, q, "--reduction", "mean", "--device", device)
			require.Zero(t, code)
			if n == 0 {
				assert.Equal(t, "NaN\n", stdout)
			} else {
				assert.Equal(t, "0\n", stdout)
			}
		}
	}
}

// TestEvalReadsFortranOrder uses files that NumPy wrote.
func TestEvalReadsFortranOrder(t *testing.T) {
	data := filepath.Join("..", "..", "internal", "npy", "testdata")
	dir := t.TempDir()
	c, f := filepath.Join(data, "f8_c_2x3x4x5.npy"), filepath.Join(data, "f8_be_f_2x3x4x5.npy")
	grad := filepath.Join(dir, "g.npy")
	values := load[float64](t, f, 2, 3, 4, 5)
	_, stderr, code := call("eval", f, c, "--reduction", "sum", "--grad-pred", grad)
	require.Zero(t, code, stderr)
	want := make([]float64, len(values))
	require.NoError(t, cpu.RefBackward(smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}, &cpu.Args[float64]{
		Pred: values, Target: load[float64](t, c, 2, 3, 4, 5), GradPred: want}))
	requireSame(t, want, load[float64](t, grad, 2, 3, 4, 5))
}

func TestEvalJSON(t *testing.T) {
	dir := t.TempDir()
	zero := save(t, dir, "0.npy", []float64{0, 0}, 2, 1)
	for _, c := range []struct {
		value float64
		loss  string
	}{{3, `"loss":2.5,`}, {math.Inf(1), `"loss":"Infinity",`}, {math.NaN(), `"loss":"NaN",`}, {0.1, `"loss":0.005000000000000001,`}} {
		stdout, stderr, code := call("eval", save(t, dir, "x.npy", []float64{c.value, c.value}, 2, 1), zero, "--json", "--device", "cpu")
		require.Zero(t, code, stderr)
		require.Equal(t, 1, strings.Count(stdout, "\n"))
		assert.Contains(t, stdout, c.loss)
		assert.Contains(t, stdout, `"kind":"smooth_l1","beta":1,"reduction":"mean","divided_by":2,"count":2,"dtype":"float64","shape":[2,1],"device":"CPU`)
		require.True(t, json.Valid([]byte(stdout)))
	}
	stdout, _, _ := call("eval", zero, zero, "--json", "--reduction", "none", "--out", filepath.Join(dir, "o.npy"))
	assert.Contains(t, stdout, `{"loss":null,`)
	assert.NotContains(t, stdout, `"files"`)
	stdout, _, _ = call("eval", save(t, dir, "s.npy", []float32{1}), save(t, dir, "s2.npy", []float32{1}), "--json")
	assert.Contains(t, stdout, `"shape":[],`)
}

// TestNumPyReadsBack compares with NumPy, if it is installed.
func TestNumPyReadsBack(t *testing.T) {
	dir := t.TempDir()
	do := numPy(t, dir)
	do(`
r = np.random.default_rng(3)
np.save('p.npy', np.asfortranarray(r.normal(size=(37, 5)).astype('f4')))
np.save('t.npy', r.normal(size=(37, 5)).astype('>f4'))`)
	at := func(name string) string { return filepath.Join(dir, name) }
	stdout, stderr, code := call("eval", at("p.npy"), at("t.npy"), "--reduction", "none", "--out", at("o.npy"), "--grad-pred", at("g.npy"), "--beta", "0.5", "--json")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, `"shape":[37,5]`)
	assert.Equal(t, "True True float32 float32 True\n", do(`
p, t = np.load('p.npy'), np.load('t.npy').astype('f4')
d = p - t
a = np.abs(d)
beta = np.float32(0.5)
loss = np.where(a < beta, np.float32(0.5) * a * a / beta, a - np.float32(0.5) * beta)
grad = np.where(d < -beta, np.float32(-1), np.where(d > beta, np.float32(1), d / beta))
o, g = np.load('o.npy'), np.load('g.npy')
print((o.view('u4') == loss.view('u4')).all(), (g.view('u4') == grad.view('u4')).all(), o.dtype, g.dtype, o.shape == g.shape == (37, 5))`))
	stdout, _, _ = call("eval", at("p.npy"), at("t.npy"), "--out", at("mean.npy"))
	assert.Equal(t, "() float64 True\n", do("m = np.load('mean.npy')\nprint(m.shape, m.dtype, float(m) == float('"+strings.TrimSpace(stdout)+"'))"))
}
