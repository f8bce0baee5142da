package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// TestEvalManyDimensions evaluates arrays, on the CPU or a simulated device, of several dimensions, with operands that are repeated along any of them, in pieces of a
// chunk, and compares with one call of the reference on arrays that hold every element.
func TestEvalManyDimensions(t *testing.T) {
	old, oldSim := piece, simPiece
	t.Cleanup(func() { piece, simPiece = old, oldSim })
	piece, simPiece = cpu.Chunk, cpu.Chunk
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			evalMany[float32](t, seed)
			evalMany[float64](t, seed)
			evalMany[smoothl1.F16](t, seed)
			evalMany[smoothl1.BF16](t, seed)
		})
	}
}

// many is a random call of eval, and the same call of the reference.
type many[T smoothl1.Float] struct {
	t         *testing.T
	rng       *rand.Rand
	dir       string
	shape     []int
	arguments []string
}

func (m *many[T]) flag(name, value string) { m.arguments = append(m.arguments, "--"+name+"="+value) }

// some returns a random operand: its elements, repeated, and its file. make returns an element.
func some[T smoothl1.Float, E npy.Element](m *many[T], name string, dtype npy.DType, make func() E) ([]E, string) {
	have := append([]int{}, m.shape...)
	for k := range have {
		if m.rng.IntN(3) == 0 {
			have[k] = 1
		}
	}
	for len(have) > 0 && have[0] == 1 && m.rng.IntN(2) == 0 {
		have = have[1:]
	}
	return someOf(m, name, dtype, make, have, m.shape)
}

// someOf is some for an operand of the shape have.
func someOf[T smoothl1.Float, E npy.Element](m *many[T], name string, dtype npy.DType, make func() E, have, want []int) ([]E, string) {
	x := []E{}
	for range product(have) {
		x = append(x, make())
	}
	path := saveAs(m.t, m.dir, name, dtype, x, have...)
	v, ok := viewOf(have, want)
	require.True(m.t, ok)
	all := []E{}
	for i := range product(want) {
		at := 0
		for k, rest := len(want)-1, i; k >= 0; k-- {
			at += rest % want[k] * v.strides[k]
			rest /= want[k]
		}
		all = append(all, x[at])
	}
	return all, path
}

func evalMany[T smoothl1.Float](t *testing.T, seed uint64) {
	m := &many[T]{t: t, rng: rand.New(rand.NewPCG(seed, 9)), dir: inMemory(t)}
	rng := m.rng
	dtype := npyType(smoothl1.DTypeOf[T]())
	shapes := [][]int{{3, 41, 50}, {2, 3, 2100}, {5, 13, 100}, {2, 2, 3, 500}, {6, 1, 4100}, {4099}}
	m.shape = shapes[rng.IntN(len(shapes))]
	counted := seed%3 == 0 // long rows, each with a divisor that depends on the mask
	if counted {
		m.shape = [][]int{{2, 3, 2100}, {6, 1, 4100}}[rng.IntN(2)]
	}
	full := m.shape
	rows, cols := 1, product(full)
	byRow := counted || rng.IntN(2) == 0
	if byRow {
		cols = full[len(full)-1]
		rows = product(full) / cols
		m.flag("rows", "true")
	}
	n := rows * cols
	number := func() T { return rounded[T](rng.NormFloat64()) }
	positive := func() T { return rounded[T](math.Abs(rng.NormFloat64())) }
	a := cpu.Args[T]{ByRow: byRow, Shape: &smoothl1.Shape{Rows: rows, Cols: cols}, Losses: make([]float64, rows)}
	if !byRow {
		a.Losses = nil
	}
	l := smoothl1.Loss{Kind: smoothl1.Kind(rng.IntN(2)), Beta: 0.3, Reduction: smoothl1.Reduction(rng.IntN(2))}
	if counted {
		l.Reduction = smoothl1.Mean
	}
	m.flag("loss", l.Kind.String())
	m.flag("reduction", l.Reduction.String())
	m.flag("dtype", smoothl1.DTypeOf[T]().String())
	var pred, target string
	a.Pred, pred = someOf(m, "pred.npy", dtype, number, full, full)
	targetShape := full
	if rng.IntN(4) == 0 {
		targetShape = append([]int{1}, full[1:]...)
		m.flag("broadcast", "true")
	}
	a.Target, target = someOf(m, "target.npy", dtype, number, targetShape, full)
	if counted || rng.IntN(2) == 0 {
		mask, path := some(m, "mask.npy", npy.Int16, func() int16 { return int16(rng.IntN(3)) << 8 })
		a.Mask = make([]uint8, n)
		for i, x := range mask {
			a.Mask[i] = uint8(x >> 8)
		}
		m.flag("mask", path)
	}
	operand := func(to *[]T, flag string, element func() T) {
		x, path := some(m, flag+".npy", dtype, element)
		*to = x
		m.flag(flag, path)
	}
	if rng.IntN(2) == 0 {
		operand(&a.Weight, "weight", positive)
	}
	if l.Beta = 0.3; rng.IntN(3) == 0 {
		l.Beta = 1
		operand(&a.Beta, "beta-file", positive)
	} else {
		m.flag("beta", "0.3")
	}
	switch k := rng.IntN(3); {
	case k == 0:
		m.flag("scale", "-2.5")
		a.Upstream = cpu.Number[T](-2.5)
	case k == 1 && byRow: // of the shape of the losses
		x, path := someOf(m, "upstream.npy", dtype, number, full[:len(full)-1], full[:len(full)-1])
		all := make([]T, n)
		for i := range all {
			all[i] = x[i/cols]
		}
		a.Upstream = cpu.Elements(all)
		m.flag("upstream", path)
	case k == 1:
		x, path := some(m, "upstream.npy", dtype, number)
		a.Upstream = cpu.Elements(x)
		m.flag("upstream", path)
	}
	if l.Reduction == smoothl1.Mean {
		divisors := []string{"elements", "17"}
		if a.Mask != nil {
			divisors = append(divisors, "kept", "kept")
		}
		if a.Weight != nil {
			divisors = append(divisors, "weights", "weights")
		}
		name := divisors[rng.IntN(len(divisors))]
		if counted {
			name = "kept"
		}
		a.Divisor = map[string]smoothl1.Divisor{"17": smoothl1.DivideBy(17), "kept": smoothl1.DivideByKept(), "weights": smoothl1.DivideByWeights()}[name]
		m.flag("divisor", name)
	}
	if rng.IntN(2) == 0 {
		operand(&a.Direction, "direction", number)
	}
	m.compare(l, a, pred, target, targetShape)
}

// compare runs eval and the reference, and compares all outputs.
func (m *many[T]) compare(l smoothl1.Loss, a cpu.Args[T], pred, target string, targetShape []int) {
	t, n := m.t, len(a.Pred)
	outs := map[string]*[]T{"abs": &a.Abs, "grad-pred": &a.GradPred}
	if n == product(targetShape) {
		outs["grad-target"] = &a.GradTarget
	}
	if m.rng.IntN(2) == 0 {
		outs["terms"] = &a.Terms
	}
	if a.Direction != nil {
		outs["second"] = &a.Second
	}
	for name, x := range outs {
		m.flag(name, filepath.Join(m.dir, "result "+name))
		*x = make([]T, n)
	}
	if m.rng.IntN(2) == 0 {
		old, path := some(m, "old.npy", npyType(smoothl1.DTypeOf[T]()), func() T { return rounded[T](m.rng.NormFloat64()) })
		a.GradPred, a.AccumulatePred = old, true
		m.flag("accumulate-pred", path)
	}
	device := []string{"cpu", "sim"}[m.rng.IntN(2)]
	arguments := append([]string{"eval", pred, target, "--device=" + device, "--json"}, m.arguments...)
	stdout, stderr, code := call(arguments...)
	require.Zero(t, code, "%v: %s", arguments, stderr)
	require.Empty(t, stderr)
	value, err := cpu.RefRun(l, &a)
	require.NoError(t, err, arguments)
	for name, want := range outs {
		require.NoError(t, same(*want, load[T](t, filepath.Join(m.dir, "result "+name), m.shape...)), "%s: %v", name, arguments)
	}
	want := []float64{value}
	if a.ByRow {
		want = a.Losses
	}
	got, list := printedLosses(t, stdout)
	require.Equal(t, a.ByRow, list)
	require.NoError(t, same(want, got), arguments)
}
