package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// chunkPieces makes pieces on the CPU as short as they can be.
func chunkPieces(t *testing.T) {
	smallPieces(t)
	piece = cpu.Chunk
}

// evalIn runs eval on the CPU with files in a folder: a value "@name" of a flag is the file of that name.
func evalIn(dir, line string) (stdout, stderr string, code int) {
	arguments := []string{"eval", "--device=cpu"}
	for _, word := range strings.Fields(line) {
		flag, name, named := strings.Cut(word, "@")
		if named {
			word = flag + filepath.Join(dir, name)
		}
		arguments = append(arguments, word)
	}
	return call(arguments...)
}

// TestEvalWeightsOfAnySum tries weights whose sum is no divisor of a mean that means anything, and compares with one call of the reference.
func TestEvalWeightsOfAnySum(t *testing.T) {
	chunkPieces(t)
	t.Run("float32", weightsOfAnySum[float32])
	t.Run("float64", weightsOfAnySum[float64])
	t.Run("float16", weightsOfAnySum[smoothl1.F16])
	t.Run("bfloat16", weightsOfAnySum[smoothl1.BF16])
}

func weightsOfAnySum[T smoothl1.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	dir, n := inMemory(t), cpu.Chunk+100
	random := func(name string) []T {
		x := make([]T, n)
		for i := range x {
			x[i] = rounded[T](rng.NormFloat64())
		}
		save(t, dir, name, x, n)
		return x
	}
	pred, target, upstream := random("p.npy"), random("t.npy"), random("u.npy")
	for _, w := range []struct{ first, last float64 }{
		{0, 0}, {math.Copysign(0, -1), 0}, {3, -3}, {-2, 1}, {math.Inf(1), 1}, {math.Inf(-1), 1}, {math.NaN(), 1}, {3e38, 3e38}, {1e-45, 0}, {-1e-45, 0},
		{1e308, 1e308}, {5e-324, 0}, {2, 3},
	} {
		weight := make([]T, n)
		weight[0], weight[n-1] = rounded[T](w.first), rounded[T](w.last)
		save(t, dir, "w.npy", weight, n)
		sum, err := cpu.RefForward(smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}, &cpu.Args[T]{Pred: pred, Target: target, Weight: weight})
		require.NoError(t, err)
		divisor := value(weight[0]) + value(weight[n-1])
		for _, zero := range []bool{false, true} {
			for _, flag := range []string{"--scale=-3", "--upstream=@u.npy"} {
				line := "@p.npy @t.npy --divisor=weights --weight=@w.npy --grad-pred=@g.npy --grad-target=@h.npy --dtype=" + smoothl1.DTypeOf[T]().String() + " " + flag
				a := cpu.Args[T]{
					Pred: pred, Target: target, Weight: weight, Divisor: smoothl1.DivideByWeights(), Upstream: cpu.Number[T](-3),
					GradPred: make([]T, n), GradTarget: make([]T, n),
				}
				if flag != "--scale=-3" {
					a.Upstream = cpu.Elements(upstream)
				}
				if zero {
					a.Divisor = a.Divisor.ZeroIfEmpty()
					line += " --zero-if-empty"
				}
				require.NoError(t, cpu.RefBackward(smoothl1.Loss{Beta: 1}, &a))
				want := sum / divisor
				if zero && divisor == 0 {
					want = 0
				}
				stdout, stderr, code := evalIn(dir, line)
				require.Zero(t, code, stderr)
				got, err := strconv.ParseFloat(strings.TrimSpace(stdout), 64)
				require.NoError(t, err)
				require.NoError(t, same([]float64{want}, []float64{got}), "%v %s", w, line)
				require.NoError(t, same(a.GradPred, load[T](t, filepath.Join(dir, "g.npy"), n)), "%v %s", w, line)
				require.NoError(t, same(a.GradTarget, load[T](t, filepath.Join(dir, "h.npy"), n)), "%v %s", w, line)
			}
		}
	}
}

// TestEvalIndexOfManyColumns has more columns than are read at a time.
func TestEvalIndexOfManyColumns(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	dir := inMemory(t)
	const rows, columns = 5, 2*buffered + 3
	pred, old := make([]float32, rows*columns), make([]float64, rows*columns)
	for i := range pred {
		pred[i], old[i] = float32(rng.NormFloat64()), float64(float32(rng.NormFloat64()))
	}
	old[7] = math.NaN()
	index := []int64{0, columns - 1, buffered, buffered - 1, 17}
	target := []float32{1, 2, 3, 4, 5}
	save(t, dir, "p.npy", pred, rows, columns)
	save(t, dir, "old.npy", old, rows, columns)
	save(t, dir, "t.npy", target, rows)
	saveAs(t, dir, "i.npy", npy.Int64, index, rows, 1)
	_, stderr, code := evalIn(dir, "@p.npy @t.npy --index=@i.npy --accumulate-pred=@old.npy --grad-pred=@g.npy --rows --out=@losses.npy --abs=@abs.npy")
	require.Zero(t, code, stderr)
	require.Regexp(t, `^smoothl1: \S+old.npy holds float64: converted to float32\n$`, stderr)
	a := cpu.Args[float32]{
		Pred: pred, Target: target, GradPred: make([]float32, len(old)), AccumulatePred: true, ByRow: true, Losses: make([]float64, rows),
		Shape: &smoothl1.Shape{Rows: rows, Cols: columns}, Abs: make([]float32, rows),
	}
	for i := range old {
		a.GradPred[i] = float32(old[i])
	}
	for _, x := range index {
		a.Index = append(a.Index, int32(x))
	}
	_, err := cpu.RefRun(smoothl1.Loss{Beta: 1}, &a)
	require.NoError(t, err)
	requireSame(t, a.GradPred, load[float32](t, filepath.Join(dir, "g.npy"), rows, columns))
	requireSame(t, a.Losses, load[float64](t, filepath.Join(dir, "losses.npy"), rows))
	requireSame(t, a.Abs, load[float32](t, filepath.Join(dir, "abs.npy"), rows))

	before := names(t, dir)
	for _, wrong := range []int64{-1, columns, math.MaxInt64, math.MinInt64, 1 << 32} {
		index[3] = wrong
		saveAs(t, dir, "i.npy", npy.Int64, index, rows, 1)
		stdout, stderr, code := evalIn(dir, "@p.npy @t.npy --index=@i.npy --grad-pred=@new.npy")
		requireRefused(t, exitFailed, fmt.Sprintf("i.npy: the index of row 3 is %d, but PRED has %d columns", wrong, columns), stdout, stderr, code)
		require.Equal(t, before, names(t, dir))
	}
}

// TestEvalConverts evaluates files of all types, and compares with files that NumPy has converted.
func TestEvalConverts(t *testing.T) {
	dir := inMemory(t)
	do := numPy(t, dir)
	do(`
r = np.random.default_rng(4)
for name in 'bool int8 int16 int32 int64 uint8 uint32 uint64 float16 float32 float64'.split():
    x = r.normal(0, 100, 300)
    x = (x > 0 if name == 'bool' else np.abs(x) if name[0] == 'u' else x * 1e15 if name == 'int64' else x).astype(name)
    np.save(name + '.npy', x.astype(x.dtype.newbyteorder('>')))
    for other in 'float16 float32 float64'.split():
        np.save(name + ' as ' + other + '.npy', x.astype(np.promote_types(name, other)))`)
	for _, from := range allTypes {
		for _, other := range []npy.DType{npy.Float16, npy.Float32, npy.Float64} {
			if from == npy.Uint16 {
				continue
			}
			at := func(name string) string { return filepath.Join(dir, name) }
			plain, stderr, code := call("eval", "--device=cpu", at(fmt.Sprintf("%v as %v.npy", from, other)), at(other.String()+".npy"), "--json")
			require.Zero(t, code, stderr)
			got, notes, code := call("eval", "--device=cpu", at(from.String()+".npy"), at(other.String()+".npy"), "--json")
			require.Zero(t, code, notes)
			require.Equal(t, plain, got, "%v and %v", from, other)
			common, err := common(from, other)
			require.NoError(t, err)
			if from.String() != common.String() {
				assert.Contains(t, notes, fmt.Sprintf("%v.npy holds %v: converted to %v\n", from, from, common))
			}
			assert.Equal(t, other.String() != common.String(), strings.Contains(notes, other.String()+".npy holds"))
			for line := range strings.Lines(notes) {
				assert.Regexp(t, `^smoothl1: \S+ holds \w+: converted to float\d\d\n$`, line)
			}
		}
	}
}
