package difftest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/internal/testkit"
)

var goldenDir = filepath.Join("..", "..", "..", "testdata", "golden")

func openGoldenFor(t *testing.T, cases, arrays string) *golden {
	g, err := openGolden(goldenDir, cases, arrays)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, g.arrays.Close()) })
	return g
}

// allColumns returns the reference and the columns compared with it.
func allColumns(t *testing.T) []Column {
	all, _ := columns(t)
	return append([]Column{Reference()}, all...)
}

// TestContract compares every implementation, bit for bit, with the results of an independent implementation of the contract.
func TestContract(t *testing.T) {
	heedTime(t)
	g := openGoldenFor(t, "contract.json", "contract.npz")
	for _, column := range allColumns(t) {
		t.Run(column.Name, func(t *testing.T) {
			ran := map[smoothl1.DType]int{}
			for _, c := range g.Cases {
				switch c.DType {
				case smoothl1.Float32:
					contractCase[float32](t, g, c, column)
				case smoothl1.Float64:
					contractCase[float64](t, g, c, column)
				case smoothl1.Float16:
					contractCase[smoothl1.F16](t, g, c, column)
				case smoothl1.BFloat16:
					contractCase[smoothl1.BF16](t, g, c, column)
				}
				ran[c.DType]++
			}
			assert.Equal(t, map[smoothl1.DType]int{smoothl1.Float32: 69, smoothl1.Float64: 69, smoothl1.Float16: 69, smoothl1.BFloat16: 69}, ran)
		})
	}
}

func contractCase[T smoothl1.Float](t *testing.T, g *golden, c goldenCase, column Column) {
	t.Helper()
	read := func(name string) []T {
		x, err := goldenArray[T](g, c, name)
		require.NoError(t, err)
		return x
	}
	in := Inputs[T]{Pred: read("pred"), Target: read("target")}
	base := Case{DType: smoothl1.DTypeOf[T](), N: c.Count, Loss: smoothl1.Loss{Beta: c.Beta, Reduction: c.Reduction}, Grads: GradPred | GradTarget, Upstream: c.G}
	require.NoError(t, base.Loss.Kind.Set(c.Kind))
	if c.Upstream == "elements" {
		in.Upstream, base.Elementwise = read("upstream"), true
	}
	do := func(p op.Pass, r smoothl1.Reduction) Result[T] {
		k := base
		k.Op, k.Loss.Reduction = p, r
		result, err := Compute(column, k, in)
		require.NoError(t, err, "%s %v", c.Name, k)
		return result
	}
	want := func(name string, got, want []T) {
		require.NoError(t, compareArray(name, got, want), "%s %+v", c.Name, c)
	}
	number := func(name string, got float64, want hexFloat) {
		require.NoError(t, compareArray(name, []float64{got}, []float64{float64(want)}), "%s %+v", c.Name, c)
	}

	number("sum", do(Forward, smoothl1.Sum).Value, c.Sum)
	gradients := do(Backward, c.Reduction)
	want("gradPred", gradients.GradPred, read("grad_pred"))
	want("gradTarget", gradients.GradTarget, read("grad_target"))
	if c.Reduction == smoothl1.None {
		want("terms", do(ForwardTerms, c.Reduction).Terms, read("loss"))
		return
	}
	number("value", do(Forward, c.Reduction).Value, c.Value)
	both := do(ForwardBackward, c.Reduction)
	number("value", both.Value, c.Value)
	want("gradPred", both.GradPred, read("grad_pred"))
	want("gradTarget", both.GradTarget, read("grad_target"))
}

// TestContractOfLargeArrays reaches the third level of the canonical sum, whose code is the same for every instruction set. Without -long
// it runs only the fallback.
func TestContractOfLargeArrays(t *testing.T) {
	heedTime(t)
	g := openGoldenFor(t, "contract.json", "contract.npz")
	require.Len(t, g.Large, 6)
	all := allColumns(t)
	for _, c := range g.Large {
		t.Run(fmt.Sprintf("%v/%d", c.DType, c.Count), func(t *testing.T) {
			switch c.DType {
			case smoothl1.Float32:
				largeContractCase[float32](t, c, all)
			case smoothl1.Float64:
				largeContractCase[float64](t, c, all)
			default:
				require.Failf(t, "no such type", "%v", c.DType)
			}
		})
	}
}

func largeContractCase[T op.Computing](t *testing.T, c largeCase, all []Column) {
	in := Inputs[T]{Pred: generated[T](c.SeedPred, c.Count), Target: generated[T](c.SeedTgt, c.Count)}
	k := Case{Op: ForwardBackward, DType: c.DType, N: c.Count, Upstream: c.G, Grads: GradPred, Seed: 1,
		Loss: smoothl1.Loss{Kind: c.Kind, Beta: c.Beta, Reduction: c.Reduction}}
	if c.Count > 1<<20 && !testkit.Long() && *onlyColumn == "" {
		all = all[1:2]
	}
	for _, column := range all {
		got, err := Compute(column, k, in)
		require.NoError(t, err, column.Name)
		require.NoError(t, compareArray("value", []float64{got.Value}, []float64{float64(c.Value)}), column.Name)
		crc := crc32.NewIEEE()
		require.NoError(t, binary.Write(crc, binary.LittleEndian, got.GradPred))
		assert.Equal(t, c.CRC, fmt.Sprintf("%08x", crc.Sum32()), column.Name)
	}
}

// TestPyTorch compares with results of PyTorch 1.13 on a CPU. Its loss terms have the same bits; its sums and gradients use another order
// of operations. Columns of the CPU are left out, since TestContract and the table hold them to the bits of the reference.
func TestPyTorch(t *testing.T) {
	heedTime(t)
	g := openGoldenFor(t, "cases.json", "arrays.npz")
	for _, column := range append([]Column{Reference()}, onDevices(allColumns(t))...) {
		t.Run(column.Name, func(t *testing.T) {
			ran := map[smoothl1.DType]int{}
			for _, c := range g.Cases {
				switch c.DType {
				case smoothl1.Float32:
					pytorchCase[float32](t, g, c, column)
				case smoothl1.Float64:
					pytorchCase[float64](t, g, c, column)
				default:
					continue // half types
				}
				ran[c.DType]++
			}
			assert.Equal(t, map[smoothl1.DType]int{smoothl1.Float32: 42, smoothl1.Float64: 36}, ran)
		})
	}
}

const pytorchULPs = 4

func requireSame[T smoothl1.Float](t *testing.T, got, want Result[T], name string) {
	t.Helper()
	require.NoError(t, errors.Join(compareArray("terms", got.Terms, want.Terms), compareArray("gradPred", got.GradPred, want.GradPred),
		compareArray("gradTarget", got.GradTarget, want.GradTarget), compareArray("value", []float64{got.Value}, []float64{want.Value})), name)
}

func pytorchCase[T op.Computing](t *testing.T, g *golden, c goldenCase, column Column) {
	t.Helper()
	read := func(name string) []T {
		x, err := goldenArray[T](g, c, name)
		require.NoError(t, err)
		return x
	}
	in := Inputs[T]{Pred: read("pred"), Target: read("target")}
	k := Case{DType: smoothl1.DTypeOf[T](), N: len(in.Pred), Loss: smoothl1.Loss{Beta: c.Beta, Reduction: c.Reduction}, Grads: GradPred | GradTarget}
	require.NoError(t, k.Loss.Kind.Set(c.Op))
	upstream := read("upstream")
	if c.Reduction == smoothl1.None {
		in.Upstream, k.Elementwise = upstream, true
	} else {
		require.Len(t, upstream, 1)
		k.Upstream = float64(upstream[0])
	}
	do := func(p op.Pass) Result[T] {
		k.Op = p
		got, err := Compute(column, k, in)
		require.NoError(t, err, c.Name)
		want, err := Compute(Reference(), k, in)
		require.NoError(t, err, c.Name)
		requireSame(t, got, want, c.Name)
		return got
	}
	loss := read("loss")
	if c.Reduction == smoothl1.None {
		require.NoError(t, compareArray("terms", do(ForwardTerms).Terms, loss), c.Name)
	} else {
		require.Len(t, loss, 1)
		got := T(do(Forward).Value)
		require.LessOrEqual(t, ULPs(got, loss[0]), uint64(pytorchULPs), "%s: value %v, PyTorch %v", c.Name, got, loss[0])
		do(ForwardBackward)
	}
	gradients := do(Backward)
	for _, side := range []struct {
		name string
		got  []T
		want []T
	}{{"grad_pred", gradients.GradPred, read("grad_pred")}, {"grad_target", gradients.GradTarget, read("grad_target")}} {
		require.Len(t, side.got, len(side.want))
		for i := range side.got {
			if c.Beta == 0 && in.Pred[i] == in.Target[i] {
				continue // PyTorch 1.13 returns −upstream, a bug that later versions fix
			}
			require.LessOrEqual(t, ULPs(side.got[i], side.want[i]), uint64(pytorchULPs), "%s: %s[%d] %v, PyTorch %v", c.Name, side.name, i, side.got[i], side.want[i])
		}
	}
}

// TestArticle computes points of the curves in the article that the project starts from: SmoothL1(0, x) with its critical point at 1, and
// with the point moved to 1/s by computing on s·x and scaling by 1/s, which is the same as beta = 1/s.
func TestArticle(t *testing.T) {
	heedTime(t)
	g := openGoldenFor(t, "cases.json", "arrays.npz")
	found := 0
	for _, c := range g.Cases {
		var s float64
		if n, _ := fmt.Sscanf(c.Name[min(5, len(c.Name)):], "article_%f", &s); n != 1 {
			continue
		}
		found++
		pred, err := goldenArray[float32](g, c, "pred")
		require.NoError(t, err)
		target, err := goldenArray[float32](g, c, "target")
		require.NoError(t, err)
		loss, err := goldenArray[float32](g, c, "loss")
		require.NoError(t, err)
		// beta = 1/s needs no scaling by s.
		for i := range pred {
			pred[i], target[i] = float32(float64(pred[i])/s), float32(float64(target[i])/s)
		}
		k := Case{Op: ForwardTerms, N: len(pred), Loss: smoothl1.Loss{Beta: 1 / s, Reduction: smoothl1.None}}
		got, err := Compute(Fallback(), k, Inputs[float32]{Pred: pred, Target: target})
		require.NoError(t, err)
		for i := range loss {
			require.InDelta(t, float64(loss[i])/s, float64(got.Terms[i]), 1e-6*math.Max(1, 1/s), "%s[%d]", c.Name, i)
		}
	}
	assert.Equal(t, 3, found)
}
