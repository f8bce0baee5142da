package gpu

import (
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/sim"
)

// TestNothingIsLeftOfAnotherCall makes calls of all forms, each after each other one, on the same op. Every call must give the bits that it
// gives on a new op.
func TestNothingIsLeftOfAnotherCall(t *testing.T) {
	const rows, cols = 3, 5
	const n = rows * cols
	there, err := Open(On(sim.New(sim.Seed(1))))
	require.NoError(t, err)
	defer there.Close()
	for _, d := range []*Device{openCPUFor(t), there} {
		numbers := func(n, seed int) *Buffer[float32] {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32((i*7+seed*5)%23)*0.25 - 2.75
			}
			b, err := Upload(d, x)
			require.NoError(t, err)
			return b
		}
		pred, target, weight, beta, up, v := numbers(n, 1), numbers(n, 2), numbers(n, 3), numbers(rows, 4), numbers(n, 5), numbers(n, 6)
		mask, err := Upload(d, []uint8{1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1})
		require.NoError(t, err)
		index, err := Upload(d, []int32{4, 0, 2})
		require.NoError(t, err)
		short, long := numbers(rows, 7), numbers(cpu.Chunk*2+9, 8)
		a, b, c := numbers(n, 9), numbers(n, 9), numbers(n, 9)
		losses, err := Alloc[float64](d, rows)
		require.NoError(t, err)
		shape := smoothl1.Shape{Rows: rows, Cols: cols}
		perRow, transposed := shape, smoothl1.Shape{Rows: cols, Cols: rows}
		perRow.Beta = smoothl1.PerRow()
		transposed.Pred, transposed.GradPred = smoothl1.Strided(0, 1, cols), smoothl1.Strided(0, 1, cols)
		calls := map[string]Args[float32]{
			"lean":           {Pred: pred, Target: target, GradPred: a, GradTarget: b},
			"lean, divisor":  {Pred: pred, Target: target, GradPred: a, Upstream: Number[float32](3), Divisor: smoothl1.DivideBy(7)},
			"lean, upstream": {Pred: pred, Target: target, GradPred: a, Upstream: Elements(up), NoLoss: true},
			"lean, terms":    {Pred: pred, Target: target, Terms: c, NoLoss: true},
			"lean, shape":    {Pred: pred, Target: target, GradTarget: a, Shape: &shape},
			"forward":        {Pred: long, Target: long},
			"views":          {Pred: pred, Target: target, GradPred: a, Shape: &transposed},
			"weight":         {Pred: pred, Target: target, Weight: weight, GradPred: a, Terms: c},
			"kept":           {Pred: pred, Target: target, Mask: mask, GradPred: a, Divisor: smoothl1.DivideByKept()},
			"kept, forward":  {Pred: pred, Target: target, Mask: mask, Divisor: smoothl1.DivideByKept()},
			"weights":        {Pred: pred, Target: target, Mask: mask, Weight: weight, GradTarget: a, Divisor: smoothl1.DivideByWeights().ZeroIfEmpty()},
			"rows":           {Pred: pred, Target: target, Beta: beta, GradPred: a, ByRow: true, Losses: losses, Shape: &perRow},
			"rows, kept":     {Pred: pred, Target: target, Mask: mask, GradPred: a, ByRow: true, Losses: losses, Shape: &shape, Divisor: smoothl1.DivideByKept()},
			"rows, gradient": {Pred: pred, Target: target, GradPred: a, ByRow: true, Shape: &shape, NoLoss: true},
			"index":          {Pred: pred, Target: short, Index: index, GradPred: a, Shape: &shape},
			"accumulate":     {Pred: pred, Target: target, GradPred: a, AccumulatePred: true, GradTarget: b, AccumulateTarget: true},
			"second":         {Pred: pred, Target: target, Direction: v, Second: a, NoLoss: true},
			"everything": {Pred: pred, Target: target, Weight: weight, Mask: mask, Beta: beta, Upstream: Elements(up), Direction: v, Second: c, GradPred: a, GradTarget: b,
				Terms: numbers(n, 0), Abs: numbers(n, 0), ByRow: true, Losses: losses, Shape: &perRow, Divisor: smoothl1.DivideByWeights()},
		}
		outputs := func(op *SmoothL1[float32], call Args[float32]) string {
			for _, x := range []*Buffer[float32]{a, b, c} {
				require.NoError(t, x.CopyFrom(weight))
			}
			require.NoError(t, losses.Set([]float64{7, 8, 9}))
			require.NoError(t, op.Run(&call))
			s := ""
			for _, x := range []*Buffer[float32]{a, b, c, call.Terms, call.Abs} {
				if x != nil {
					got := make([]float32, n)
					require.NoError(t, x.Download(got))
					for _, y := range got {
						s += fmt.Sprintf("%08x ", math.Float32bits(y)|canonical(y))
					}
				}
			}
			each := make([]float64, rows)
			require.NoError(t, losses.Download(each))
			if call.NoLoss {
				return s
			}
			sums, err := op.ChunkSums(nil)
			require.NoError(t, err)
			value := 0.0
			if !call.ByRow {
				value, err = op.Value()
				require.NoError(t, err)
			}
			return s + fmt.Sprint(each, sums, value)
		}
		for _, l := range []smoothl1.Loss{{Beta: 0.75, Reduction: smoothl1.Mean}, {Kind: smoothl1.Huber, Beta: 2, Reduction: smoothl1.Mean}} {
			want := map[string]string{}
			for name, call := range calls {
				want[name] = outputs(newOp[float32](t, d, l), call)
			}
			op := newOp[float32](t, d, l)
			for before, first := range calls {
				for name, call := range calls {
					require.NoError(t, op.Run(&first), before)
					require.Equal(t, want[name], outputs(op, call), "%s: %s after %s", d.Backend(), name, before)
				}
			}
		}
	}
}

// A call that is refused, at whatever argument, leaves none of its arrays and no shape to the op.
func TestNothingIsLeftOfARefusedCall(t *testing.T) {
	there, err := Open(On(sim.New(sim.Seed(1))))
	require.NoError(t, err)
	defer there.Close()
	for _, d := range []*Device{openCPUFor(t), there} {
		up := func(x ...float32) *Buffer[float32] {
			b, err := Upload(d, x)
			require.NoError(t, err)
			return b
		}
		pred, target, grad, other := up(1, 2, 3), up(0, 0, 0), up(7, 7, 7), up(8, 8, 8)
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		for name, change := range map[string]func(a *Args[float32]){
			"nil upstream": func(a *Args[float32]) { a.Upstream = Elements[float32](nil) },
			"length":       func(a *Args[float32]) { a.Weight = up(1) },
			"shape":        func(a *Args[float32]) { a.Shape = &smoothl1.Shape{Rows: -1} },
			"view":         func(a *Args[float32]) { a.Shape = &smoothl1.Shape{Rows: 1, Cols: 3, GradTarget: smoothl1.Single()} },
			"divisor":      func(a *Args[float32]) { a.Divisor = smoothl1.DivideByKept() },
			"overlap":      func(a *Args[float32]) { a.GradTarget = a.GradPred },
			"unused":       func(a *Args[float32]) { a.Direction = other },
		} {
			a := &Args[float32]{Pred: pred, Target: target, Weight: up(0, 0, 0), GradPred: grad, GradTarget: other}
			change(a)
			require.Error(t, op.Run(a), name)
			require.Equal(t, operands{}.arrays, op.operands.arrays, name)
			require.NoError(t, op.Run(&Args[float32]{Pred: pred, Target: target, GradPred: grad}), name)
			value, err := op.Value()
			require.NoError(t, err)
			require.Equal(t, 1.5, value, name)
			got := make([]float32, 3)
			require.NoError(t, other.Download(got))
			require.Equal(t, []float32{8, 8, 8}, got, "%s: an array of the refused call", name)
		}
	}
}

// An op does not keep the shape of its last call reachable.
func TestShapeIsForgotten(t *testing.T) {
	d := openCPUFor(t)
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	x, err := Upload(d, make([]float32, 6))
	require.NoError(t, err)
	shape := func() func() bool {
		s := &smoothl1.Shape{Rows: 2, Cols: 3}
		require.NoError(t, op.Run(&Args[float32]{Pred: x, Target: x, Shape: s}))
		return weakly(s)
	}()
	runtime.GC()
	require.False(t, shape())
	runtime.KeepAlive(op)
}
