package measure

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/sim"
)

var everyType = []smoothl1.DType{smoothl1.Float32, smoothl1.Float16, smoothl1.BFloat16, smoothl1.Float64}

// TestOperations checks that the table and the lists of names say the same, and what each operation must move.
func TestOperations(t *testing.T) {
	for i, name := range append(Ops, FurtherOps...) {
		assert.Equal(t, name, operations[i].name)
	}
	require.Len(t, operations, len(Ops)+len(FurtherOps))
	w := Workload{Shape: []int{1000, 4}, DType: smoothl1.BFloat16}
	for name, want := range map[string]int{
		ForwardNone: 3 * 8000, ForwardReduced: 2 * 8000, Backward: 3 * 8000, ForwardBackward: 3 * 8000,
		Weighted: 4 * 8000, Masked: 3*8000 + 2*4000, WeightedMasked: 3*8000 + 2*(8000+4000), Boxes: 3*8000 + 2000 + 2*1000,
		DQNStep: 2000 + 2000 + 8000 + 4000, Copy: 2 * 8000, Combine: 3 * 8000, "unknown": 0,
	} {
		assert.Equal(t, want, BytesOf(name, w), name)
	}
	assert.Equal(t, 1, Workload{}.rows())
}

// TestFurther checks which operations are measured for which types.
func TestFurther(t *testing.T) {
	all := Further([]int{1 << 14}, []int{32}, everyType)
	var names []string
	for _, w := range all {
		names = append(names, w.DType.String()+": "+strings.Join(w.Operations(), "; "))
	}
	const rich = "weighted; masked; weighted, masked; boxes"
	const plain = "forward none; forward; backward; forward+backward; "
	assert.Equal(t, []string{"float32: " + rich, "float32: DQN step", "float16: " + plain + rich, "float16: DQN step",
		"bfloat16: " + plain + rich, "bfloat16: DQN step", "float64: weighted"}, names)
	assert.Equal(t, layout{n: 1 << 14, dtype: smoothl1.BFloat16, weight: true, mask: true}, all[4].layout())
	assert.Equal(t, layout{n: 192, columns: 6}, all[1].layout())
	assert.Equal(t, 6+2+1, all[4].layout().element())
	assert.Equal(t, 12+4, all[1].layout().element())
	forms := all[4].forms()
	require.Len(t, forms, 5, "four operations have the same form")
	assert.True(t, forms[0].terms && forms[0].loss && forms[0].gradient)
}

// TestMainWorkloads checks the order of the workloads for a run of minutes, and that each has the operations of its goals.
func TestMainWorkloads(t *testing.T) {
	var names []string
	for _, w := range Main() {
		require.NoError(t, w.Loss.Validate(w.DType))
		names = append(names, fmt.Sprintf("%v of %v: %s", w.Shape, w.DType, strings.Join(w.Operations(), "; ")))
	}
	const plain = "forward none; forward; backward; forward+backward"
	assert.Equal(t, []string{"[268435456] of float32: " + plain, "[128 4096] of float32: " + plain, "[67108864 4] of float32: weighted, masked; boxes",
		"[32 1] of float32: " + plain, "[268435456] of float16: forward; forward+backward", "[268435456] of bfloat16: forward; forward+backward",
		"[32768 32768] of float32: " + plain}, names)
}

// TestRunFurther measures every operation of every type, with one set of arrays and with several, on the CPU and on a device.
func TestRunFurther(t *testing.T) {
	for _, k := range []struct {
		dev    *gpu.Device
		rotate uint64
	}{{open(t, gpu.CPU()), 1}, {open(t, gpu.CPU()), 50_000}, {open(t, gpu.On(sim.New(sim.Fast()))), 20_000}} {
		workloads := Further([]int{3000}, []int{33}, everyType)
		r, err := Run(t.Context(), Config{Device: k.dev, Workloads: workloads, Samples: 2, Rotate: k.rotate})
		require.NoError(t, err)
		require.Len(t, r.Groups, len(workloads))
		for i, g := range r.Groups {
			entries := len(workloads[i].Operations()) + 2
			if workloads[i].replayed(k.dev) {
				entries++
			}
			require.Len(t, g.Entries, entries)
			for _, name := range workloads[i].Operations() {
				e, ok := g.Find(name, Ours)
				require.True(t, ok, name)
				assert.Positive(t, e.DeviceNS.Median)
				assert.Equal(t, BytesOf(name, workloads[i]), e.Bytes)
			}
		}
		assert.Regexp(t, `^750×4 float32 smooth_l1\(beta=1, mean\): weighted .* of a copy$`, r.Groups[0].String())
	}
}

// TestExpectsWhatTheWholeGives compares the expectation, which is computed in pieces, with one call for the whole, and checks that the
// check sees an array that is not as it should be.
func TestExpectsWhatTheWholeGives(t *testing.T) {
	defer func(n int) { referencePiece = n }(referencePiece)
	referencePiece = 3 * op.Chunk
	dev := open(t, gpu.CPU())
	for _, w := range Further([]int{40_000}, []int{9000}, []smoothl1.DType{smoothl1.Float16}) {
		crit, err := gpu.NewSmoothL1[smoothl1.F16](dev, w.Loss)
		require.NoError(t, err)
		r, err := newRotation[smoothl1.F16](t.Context(), dev, w.layout(), 1)
		require.NoError(t, err)
		_, err = check(t.Context(), r, w, crit)
		require.NoError(t, err)
		fails := func(what string) {
			_, err = check(t.Context(), r, w, crit)
			assert.ErrorContains(t, err, "wrong answer: ", what)
		}
		if r.mask != nil {
			require.NoError(t, r.mask.Set(make([]uint8, r.mask.Len())))
			fails("mask")
			require.NoError(t, fill(t.Context(), r.mask, generateMask))
			require.NoError(t, r.weight.CopyFrom(r.whole[0]))
			fails("weight")
		} else {
			require.NoError(t, r.index.Set(make([]int32, r.index.Len())))
			fails("index")
		}
		require.NoError(t, r.close())
		require.NoError(t, crit.Close())
	}
}

// TestContent checks the weights, the mask and the index.
func TestContent(t *testing.T) {
	weights, mask, index := make([]smoothl1.BF16, 10_000), make([]uint8, 10_000), make([]int32, 10_000)
	generateWeights(weights, 5)
	generateMask(mask, 5)
	generateIndex(index, 5, 6)
	kept, chosen := 0, [6]int{}
	for i := range mask {
		x := wide(weights[i])
		require.True(t, x >= 0 && x <= 2 && !math.Signbit(x))
		require.LessOrEqual(t, mask[i], uint8(1))
		kept += int(mask[i])
		chosen[index[i]]++
	}
	assert.InDelta(t, 5000, kept, 250)
	for _, n := range chosen {
		assert.InDelta(t, 10_000.0/6, n, 200)
	}
	x := make([]smoothl1.F16, 3)
	generate(x, 1, 0)
	y := make([]float64, 3)
	generate(y, 1, 0)
	for i := range x {
		assert.Equal(t, smoothl1.ToF16(y[i]), x[i])
	}
}

func TestNear(t *testing.T) {
	assert.True(t, near[float32](1, 1.000009))
	assert.False(t, near[float32](1, 1.00002))
	assert.False(t, near[float32](math.NaN(), 1))
	assert.True(t, near[smoothl1.F16](1, 1+0x1p-10), "one ULP")
	assert.False(t, near[smoothl1.F16](1, 1+0x1p-9))
	assert.False(t, near[smoothl1.F16](math.NaN(), 1))
	assert.True(t, near[smoothl1.BF16](1, 1+0x1p-7))
	assert.False(t, near[smoothl1.BF16](1, 1.05))
}

// TestFurtherPeers has a stand-in for Python do the operations on the shared arrays; one that cannot do all of them does the others.
func TestFurtherPeers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("nothing is shared")
	}
	for how, want := range map[string][]string{
		"well":         append([]string{DQNStep}, Weighted, Masked, WeightedMasked, Boxes),
		"has no masks": append([]string{DQNStep}, Weighted, WeightedMasked, Boxes),
		"has little":   {Boxes},
	} {
		t.Setenv(asPython, how)
		r, err := Run(t.Context(), Config{Device: open(t, gpu.CPU()), Samples: 2, Rotate: 50_000, Python: os.Args[0],
			Workloads: Further([]int{3000}, []int{33}, []smoothl1.DType{smoothl1.Float32})})
		require.NoError(t, err)
		var got []string
		for _, name := range FurtherOps {
			for i := range r.Groups {
				if _, ok := r.Groups[i].Find(name, Eager); ok {
					got = append(got, name)
				}
			}
		}
		assert.ElementsMatch(t, want, got, how)
		if how == "has no masks" {
			require.Len(t, r.Left, 3, "once for each contender")
			assert.Equal(t, "pytorch, masked on 3000 elements of float32: RuntimeError: not implemented for 'Bool'", r.Left[0])
		} else {
			assert.Empty(t, r.Left, how)
		}
	}
}

// TestFurtherOfPyTorch has this machine's PyTorch compute every operation of every type, and compares.
func TestFurtherOfPyTorch(t *testing.T) {
	testkit.NeedsLong(t)
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	workloads := Further([]int{30_000}, []int{333}, everyType)
	for i := range workloads {
		workloads[i].Threads = 1
	}
	r, err := Run(ctx, Config{Device: open(t, gpu.CPU()), Samples: 2, Rotate: 1 << 20, Python: realPython(t, ctx), Workloads: workloads})
	require.NoError(t, err)
	require.NotNil(t, r.Peer(Eager), r.Absent(Eager))
	for i, g := range r.Groups {
		for _, name := range workloads[i].Operations() {
			_, ok := g.Find(name, Eager)
			assert.True(t, ok, "%s, %s: %v", g.Name(), name, r.Left)
		}
	}
	t.Log(strings.Join(r.Left, "\n"))
}

// TestLocalsMoveEveryType checks that loops that only move memory get all bytes of arrays of other types, and that others get float32 alone.
func TestLocalsMoveEveryType(t *testing.T) {
	lengths := map[smoothl1.DType]int{}
	computed := 0
	loops := func(w Workload) []Call {
		return []Call{
			{Op: Combine, Contender: "loop", Run: func(pred, target, out []float32) error {
				lengths[w.DType] = len(pred)
				assert.Len(t, target, len(pred))
				assert.Len(t, out, len(pred))
				return nil
			}},
			{Op: ForwardBackward, Contender: "other", Run: func(_, _, _ []float32) error { computed++; return nil }},
		}
	}
	var workloads []Workload
	for _, dtype := range everyType[1:] {
		workloads = append(workloads, Sizes([]int{1000}, []smoothl1.DType{dtype}, []float64{1})...)
	}
	r, err := Run(t.Context(), Config{Device: open(t, gpu.CPU()), Workloads: workloads, Samples: 1, Rotate: 1, Locals: []func(Workload) []Call{loops}})
	require.NoError(t, err)
	assert.Equal(t, map[smoothl1.DType]int{smoothl1.Float16: 500, smoothl1.BFloat16: 500, smoothl1.Float64: 2000}, lengths)
	assert.Zero(t, computed)
	e, ok := r.Groups[0].Find(Combine, "loop")
	assert.True(t, ok)
	assert.Equal(t, 6000, e.Bytes)
}
