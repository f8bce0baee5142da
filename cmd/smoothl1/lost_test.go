package main

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// TestEvalSaysWhatConversionLoses checks the lines on standard error about numbers that a conversion makes infinite or 0: all of them
// after the line that says that a file is converted.
func TestEvalSaysWhatConversionLoses(t *testing.T) {
	dir := small(t)
	inf, nan := math.Inf(1), math.NaN()
	saveAs(t, dir, "h.npy", npy.Float16, make([]smoothl1.F16, 6), 2, 3)
	saveAs(t, dir, "g16.npy", npy.Float16, []smoothl1.F16{1, 0, 0x7c00, 2, 3, 0x8000}, 2, 3) // the first are subnormal
	save(t, dir, "big.npy", []float32{65536, -7e4, 65519, float32(inf), float32(nan), 1e-9}, 2, 3)
	save(t, dir, "small.npy", []float32{1e-9, -1e-9, 0, 6e-8, 1, -1e-9}, 2, 3)
	save(t, dir, "row65536.npy", []float32{65536, 1, 2}, 3)
	save(t, dir, "scale.npy", []float32{65536})
	save(t, dir, "huge.npy", []float64{1e39, -1e300, -inf, nan, 3.4e38, 1e-300}, 2, 3)
	save(t, dir, "largest.npy", []float32{math.MaxFloat32, 1, 2, 3, 4, 5}, 2, 3)
	saveAs(t, dir, "ints.npy", npy.Int64, []int64{1e5, 0, -1e5, 65519, 65520, 1}, 2, 3)
	saveAs(t, dir, "uints.npy", npy.Uint64, []uint64{0, 0, math.MaxUint64, 0, 0, 1}, 2, 3)
	for _, c := range []struct {
		line string
		want []string // after the names of files
	}{
		{"@h.npy @h.npy --upstream=@big.npy --grad-pred=@g.npy", []string{"big.npy holds float32: converted to float16",
			"big.npy: converted to float16: 2 finite numbers became infinite, 1 nonzero number became 0; use --dtype float32"}},
		{"@h.npy @h.npy --upstream=@scale.npy --grad-pred=@g.npy", []string{"scale.npy holds float32: converted to float16",
			"scale.npy: converted to float16: 1 finite number became infinite; use --dtype float32"}},
		{"@h.npy @h.npy --weight=@small.npy --divisor=weights --grad-pred=@g.npy", []string{"small.npy holds float32: converted to float16",
			"small.npy: converted to float16: 3 nonzero numbers became 0; use --dtype float32"}}, // and not twice, though they are read twice
		{"@h.npy @h.npy --beta-file=@row65536.npy", []string{"row65536.npy holds float32: converted to float16",
			"row65536.npy: converted to float16: 1 finite number became infinite; use --dtype float32"}}, // nor as often as they are repeated
		{"@ints.npy @uints.npy --dtype=float16", []string{"ints.npy holds int64: converted to float16", "uints.npy holds uint64: converted to float16",
			"ints.npy: converted to float16: 3 finite numbers became infinite; use --dtype float32",
			"uints.npy: converted to float16: 1 finite number became infinite; use --dtype float32"}},
		{"@ints.npy @uints.npy --dtype=bfloat16", []string{"ints.npy holds int64: converted to bfloat16", "uints.npy holds uint64: converted to bfloat16"}},
		{"@p.npy @t.npy --weight=@huge.npy", []string{"huge.npy holds float64: converted to float32",
			"huge.npy: converted to float32: 2 finite numbers became infinite, 1 nonzero number became 0; use --dtype float64"}},
		{"@huge.npy @p.npy --dtype=float16", []string{"huge.npy holds float64: converted to float16", "p.npy holds float32: converted to float16",
			"huge.npy: converted to float16: 3 finite numbers became infinite, 1 nonzero number became 0; use --dtype float64"}},
		{"@bits.npy @bits.npy --dtype=bfloat16 --weight=@largest.npy", []string{"largest.npy holds float32: converted to bfloat16",
			"largest.npy: converted to bfloat16: 1 finite number became infinite"}}, // with another type, bits.npy would hold integers
		{"@g16.npy @p.npy", []string{"g16.npy holds float16: converted to float32"}},
		{"@g16.npy @g16.npy --dtype=bfloat16", []string{"g16.npy holds float16: converted to bfloat16", "g16.npy holds float16: converted to bfloat16"}},
		{"@p.npy @row.npy --index=@i.npy --dtype=float16 --accumulate-pred=@big.npy --grad-pred=@g.npy", []string{"p.npy holds float32: converted to float16",
			"row.npy holds float32: converted to float16", "big.npy holds float32: converted to float16",
			"big.npy: converted to float16: 2 finite numbers became infinite, 1 nonzero number became 0; use --dtype float32"}},
	} {
		t.Run(c.line, func(t *testing.T) {
			_, stderr, code := evalIn(dir, c.line)
			require.Zero(t, code, stderr)
			want := ""
			for _, line := range c.want {
				want += "smoothl1: DIR/" + line + "\n"
			}
			require.Equal(t, want, strings.ReplaceAll(stderr, dir, "DIR"))
		})
	}
}

// TestEvalCountsWhatIsLostInPieces reads weights of several pieces and windows, repeated and not, once and twice.
func TestEvalCountsWhatIsLostInPieces(t *testing.T) {
	smallPieces(t)
	dir := inMemory(t)
	const rows, cols = 3, 2*buffered + 77
	save(t, dir, "p.npy", make([]float32, rows*cols), rows, cols)
	x := make([]float64, rows*cols)
	for i := range x {
		x[i] = []float64{1, 0, 1e-60, 1e60, -1e60}[i%5]
	}
	save(t, dir, "w.npy", x, rows, cols)
	save(t, dir, "column.npy", x[:cols], cols)
	save(t, dir, "row.npy", x[:rows], rows, 1)
	for _, flags := range []string{"", " --rows", " --divisor=weights --grad-pred=@g.npy", " --rows --divisor=weights --grad-pred=@g.npy"} {
		for _, c := range []struct{ file, want string }{
			{"w.npy", "39414 finite numbers became infinite, 19707 nonzero numbers became 0"},
			{"column.npy", "13138 finite numbers became infinite, 6569 nonzero numbers became 0"},
			{"row.npy", "1 nonzero number became 0"},
		} {
			_, stderr, code := evalIn(dir, "@p.npy @p.npy --device=cpu --weight=@"+c.file+flags)
			require.Zero(t, code, stderr)
			require.Contains(t, stderr, c.file+": converted to float32: "+c.want+"; use --dtype float64\n", flags)
			require.Equal(t, 2, strings.Count(stderr, "\n"), stderr)
		}
	}
}

// TestEdges compares edges with a test of each number.
func TestEdges(t *testing.T) {
	var halves []smoothl1.F16
	var brains []smoothl1.BF16
	for i := range 1 << 16 {
		halves, brains = append(halves, smoothl1.F16(i)), append(brains, smoothl1.BF16(i))
	}
	requireEdges(t, halves)
	requireEdges(t, brains)
	inf, nan := math.Inf(1), math.NaN()
	wide := []float64{0, math.Copysign(0, -1), inf, -inf, nan, 1, -1, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64}
	requireEdges(t, wide)
	requireEdges(t, []float32{0, float32(math.Copysign(0, -1)), float32(inf), float32(-inf), float32(nan), 1, -1, math.MaxFloat32, -math.MaxFloat32,
		math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32})
	require.EqualValues(t, 2, integerEdges([]int64{0, 1, -1, 0, math.MaxInt64, math.MinInt64}, false))
	require.EqualValues(t, 1, integerEdges([]uint64{0, 1, math.MaxUint64, 1 << 63}, true))
}

func requireEdges[T smoothl1.Float](t *testing.T, all []T) {
	for _, x := range all {
		v := value(x)
		var zero, edge uint64
		if v == 0 {
			zero = 1
		}
		if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
			edge = 1
		}
		require.Equal(t, []uint64{zero, edge}, []uint64{edges([]T{x}, true), edges([]T{x}, false)}, "%T %v", x, x)
	}
}
