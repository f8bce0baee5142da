//go:build cgo && linux

package dataparallel

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/mpi"
	"github.com/smoothl1/smoothl1/mpi/internal/ranks"
	"github.com/smoothl1/smoothl1/sim"
)

// A form is one combination of arguments.
type form struct {
	loss                         smoothl1.Loss
	divisor                      smoothl1.Divisor
	cols                         int // 0: no shape
	weight                       func(i int) float64
	mask                         func(i int) bool
	perRow                       bool // weight and mask
	byBeta, byIndex, second, acc bool
	upstream                     string // "", "number", "array"
	noGradient                   bool
}

func every(x float64) func(int) float64 { return func(int) float64 { return x } }

// forms are the arguments that ranks and one machine are compared with.
func forms() map[string]form {
	smooth, huber, sum := smoothl1.Loss{Beta: 0.7}, smoothl1.Loss{Kind: smoothl1.Huber, Beta: 1.3}, smoothl1.Loss{Reduction: smoothl1.Sum}
	weight := func(i int) float64 { return float64(1+i%13) / 8 }
	mask := func(i int) bool { return i%3 != 1 }
	kept, weights := smoothl1.DivideByKept(), smoothl1.DivideByWeights()
	return map[string]form{
		"mean":                       {loss: smooth},
		"forward":                    {loss: smooth, noGradient: true},
		"sum":                        {loss: sum},
		"number":                     {loss: huber, divisor: smoothl1.DivideBy(77)},
		"weight, beta and upstream":  {loss: smooth, weight: weight, byBeta: true, upstream: "number"},
		"upstream by element":        {loss: huber, upstream: "array", acc: true},
		"kept":                       {loss: huber, mask: mask, divisor: kept},
		"kept, forward":              {loss: huber, mask: mask, divisor: kept, noGradient: true},
		"weights":                    {loss: smooth, weight: weight, mask: mask, divisor: weights, upstream: "number"},
		"second derivative":          {loss: smooth, second: true, weight: weight, divisor: weights},
		"rows":                       {loss: smooth, cols: 4, weight: weight, mask: mask, perRow: true, divisor: weights},
		"rows of 3":                  {loss: smooth, cols: 3, mask: mask, perRow: true, divisor: kept},
		"index":                      {loss: smooth, cols: 6, byIndex: true, mask: mask, divisor: kept},
		"nothing kept":               {loss: smooth, mask: func(int) bool { return false }, divisor: kept},
		"nothing kept, 0":            {loss: smooth, mask: func(int) bool { return false }, divisor: kept.ZeroIfEmpty(), second: true},
		"no weight":                  {loss: huber, weight: every(0), divisor: weights},
		"no weight, 0":               {loss: huber, weight: every(0), divisor: weights.ZeroIfEmpty()},
		"no weight, forward":         {loss: huber, weight: every(0), divisor: weights, noGradient: true},
		"negative weights":           {loss: smooth, weight: every(-0.75), divisor: weights},
		"cancelling weights":         {loss: smooth, weight: func(i int) float64 { return float64(1 - i%2*2) }, divisor: weights},
		"NaN weight":                 {loss: smooth, weight: func(i int) float64 { return []float64{1, math.NaN()}[i/1000%2] }, divisor: weights},
		"norm beyond float32":        {loss: smooth, weight: every(1e-44), divisor: weights},
		"infinite weights":           {loss: huber, weight: every(math.Inf(1)), divisor: weights},
		"elements, 0 if there is no": {loss: smooth, divisor: smoothl1.Divisor{}.ZeroIfEmpty()},
	}
}

// sameAsOne compares the loss and gradients of shards with those of one op on the whole arrays.
func sameAsOne(t ranks.Check, world *mpi.Comm) {
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	names, rows := slices.Sorted(maps.Keys(forms())), []int{0, 1, 2048, 5*2048 + 77, 12_000}
	compare[float32](t, world, dev, dev, names, rows)
	compare[float64](t, world, dev, dev, names, rows)
	compare[smoothl1.F16](t, world, dev, dev, names, rows)
	compare[smoothl1.BF16](t, world, dev, dev, names, rows)

	own := dev // ranks with different devices; the simulated one takes long
	if world.Rank() == 1 {
		own, err = gpu.Open(gpu.On(sim.New()))
		require.NoError(t, err)
	}
	compare[float32](t, world, dev, own, []string{"weights", "nothing kept, 0", "no weight", "negative weights", "index"}, []int{3000})
	require.NoError(t, own.Close())
	require.NoError(t, dev.Close())
}

// compare computes the named forms on one device, whole, and on each rank's own.
func compare[T smoothl1.Float](t ranks.Check, world *mpi.Comm, dev, own *gpu.Device, names []string, lengths []int) {
	for _, name := range names {
		f := forms()[name]
		s, err := NewSmoothL1[T](world, own, f.loss)
		require.NoError(t, err)
		one, err := gpu.NewSmoothL1[T](dev, f.loss)
		require.NoError(t, err)
		for _, rows := range lengths {
			x := generate[T](f, rows)
			args, whole := x.part(t, dev, 0, rows)
			require.NoError(t, one.Run(args))
			want, err := one.Value()
			require.NoError(t, err)
			for _, uneven := range []bool{false, true} {
				from, to := x.shard(t, world, uneven)
				what := fmt.Sprintf("%T, %s, %d rows, [%d, %d)", *new(T), name, rows, from, to)
				args, parts := x.part(t, own, from, to)
				got, err := s.Run(args)
				require.NoError(t, err, what)
				require.True(t, equal(got, want), "%s: %v, not %v", what, got, want)
				for k, out := range parts {
					require.NoError(t, out.b.Download(out.x))
					for i, y := range out.x {
						if w := whole[k].x[from*out.width+i]; !equal(float(y), float(w)) {
							require.Equal(t, w, y, "%s: output %d, element %d", what, k, i)
						}
					}
				}
			}
		}
		require.NoError(t, s.Close())
		require.NoError(t, one.Close())
	}
}

// equal reports whether two numbers have the same bits, or are NaN both.
func equal(x, y float64) bool {
	return math.Float64bits(x) == math.Float64bits(y) || x != x && y != y
}

func float[T smoothl1.Float](x T) float64 {
	var y [1]float64
	_ = smoothl1.Convert(y[:], []T{x})
	return y[0]
}

// arrays are those of a form, whole.
type arrays[T smoothl1.Float] struct {
	form
	rows, wide                               int // columns of pred
	pred, target, weight, beta, up, dir, old []T
	mask                                     []uint8
	index                                    []int32
}

func generate[T smoothl1.Float](f form, rows int) *arrays[T] {
	x := &arrays[T]{form: f, rows: rows, wide: max(1, f.cols)}
	r := rand.New(rand.NewPCG(14, uint64(rows)))
	fill := func(n int, f func(i int) float64) []T {
		y, z := make([]float64, n), make([]T, n)
		for i := range y {
			y[i] = f(i)
		}
		_ = smoothl1.Convert(z, y)
		return z
	}
	normal := func(int) float64 { return r.NormFloat64() * 2 }
	n, wide := rows*x.terms(), rows*x.wide
	x.pred, x.target, x.old = fill(wide, normal), fill(n, normal), fill(wide, normal)
	x.up, x.dir = fill(n, normal), fill(n, normal)
	x.beta = fill(n, func(i int) float64 { return float64(i%5) / 4 })
	each := n
	if f.perRow {
		each = rows
	}
	if f.weight != nil {
		x.weight = fill(each, f.weight)
	}
	if f.mask != nil {
		x.mask = make([]uint8, each)
		for i := range x.mask {
			if f.mask(i) {
				x.mask[i] = 1
			} else if !f.byIndex && !f.perRow {
				_ = smoothl1.Convert(x.pred[i:i+1], []float64{math.NaN()}) // a mask leaves it out
			}
		}
	}
	x.index = make([]int32, rows)
	for i := range x.index {
		x.index[i] = r.Int32N(int32(x.wide))
	}
	return x
}

// terms returns the number of loss terms of a row.
func (x *arrays[T]) terms() int {
	if x.byIndex {
		return 1
	}
	return x.wide
}

// shard returns the rows of this rank: as evenly divided as they can be, or one chunk or none for all ranks but the last.
func (x *arrays[T]) shard(t ranks.Check, world *mpi.Comm, uneven bool) (from, to int) {
	rank, size := world.Rank(), world.Size()
	from, to, err := ShardRows(x.rows, x.terms(), rank, size)
	require.NoError(t, err)
	if !uneven {
		return from, to
	}
	unit := 2048
	for x.terms() == 4 && unit == 2048 {
		unit = 512
	}
	from, to = min(x.rows, unit*(rank/2)), min(x.rows, unit*((rank+1)/2)) // even ranks have none
	if rank == size-1 {
		to = x.rows
	}
	return from, to
}

// An output has some elements for each row.
type output[T smoothl1.Float] struct {
	x     []T
	b     *gpu.Buffer[T]
	width int
}

// part returns the arguments for some rows, and their outputs.
func (x *arrays[T]) part(t ranks.Check, dev *gpu.Device, from, to int) (*gpu.Args[T], []output[T]) {
	n := x.terms()
	a := &gpu.Args[T]{Pred: wrap(t, dev, x.pred[from*x.wide:to*x.wide]), Target: wrap(t, dev, x.target[from*n:to*n]), Divisor: x.divisor}
	var outputs []output[T]
	out := func(width int, old []T) *gpu.Buffer[T] {
		y := make([]T, (to-from)*width)
		if old != nil {
			copy(y, old[from*width:])
		}
		b := wrap(t, dev, y)
		outputs = append(outputs, output[T]{y, b, width})
		return b
	}
	if !x.noGradient {
		if a.AccumulatePred = x.acc; x.acc {
			a.GradPred = out(x.wide, x.old)
		} else {
			a.GradPred = out(x.wide, nil)
		}
		if !x.byIndex {
			a.GradTarget = out(x.wide, nil)
		}
	}
	if x.second {
		a.Direction, a.Second = wrap(t, dev, x.dir[from*n:to*n]), out(n, nil)
	}
	if x.cols > 0 {
		a.Shape = &smoothl1.Shape{Rows: to - from, Cols: x.cols}
	}
	each := n
	if x.perRow {
		each, a.Shape.Mask = 1, smoothl1.PerRow()
	}
	if x.weight != nil {
		a.Weight = wrap(t, dev, x.weight[from*each:to*each])
		if x.perRow {
			a.Shape.Weight = smoothl1.PerRow()
		}
	}
	if x.mask != nil {
		a.Mask = wrap(t, dev, x.mask[from*each:to*each])
	}
	if x.byBeta {
		a.Beta = wrap(t, dev, x.beta[from*n:to*n])
	}
	if x.byIndex {
		a.Index = wrap(t, dev, x.index[from:to])
	}
	switch x.upstream {
	case "number":
		a.Upstream = gpu.Number[T](-3)
	case "array":
		a.Upstream = gpu.Elements(wrap(t, dev, x.up[from*n:to*n]))
	}
	return a, outputs
}

// wrap returns a buffer of x, which shares its memory on the CPU.
func wrap[E smoothl1.Element](t ranks.Check, dev *gpu.Device, x []E) *gpu.Buffer[E] {
	if dev.Backend() != "cpu" {
		b, err := gpu.Upload(dev, x)
		require.NoError(t, err)
		return b
	}
	b, err := gpu.WrapHost(dev, x)
	require.NoError(t, err)
	return b
}
