package gpu_test

import (
	"math"
	"math/rand/v2"
	"reflect"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

// arenas are the arrays of a call and what surrounds them.
type arenas[T smoothl1.Float] struct {
	numbers []T
	masks   []uint8
	indices []int32
	losses  []float64
}

// fill returns arenas with arbitrary contents.
func fill[T smoothl1.Float](c *fuzzCall, r *rand.Rand) *arenas[T] {
	special := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1e-40, 1e30, -65504, 0.5}
	a := &arenas[T]{make([]T, c.size[kindNumber]), make([]uint8, c.size[kindMask]), make([]int32, c.size[kindIndex]), make([]float64, c.size[kindLoss])}
	x := make([]float64, len(a.numbers))
	for i := range x {
		x[i] = r.NormFloat64()
		if r.IntN(12) == 0 {
			x[i] = special[r.IntN(len(special))]
		}
	}
	_ = smoothl1.Convert(a.numbers, x)
	for i := range a.masks {
		a.masks[i] = uint8(r.IntN(3) * 127)
	}
	for i := range a.indices {
		a.indices[i] = int32(r.IntN(max(1, c.actions)))
		if c.stray && r.IntN(4) == 0 {
			a.indices[i] = []int32{-1, int32(c.actions), math.MaxInt32, math.MinInt32}[r.IntN(4)]
		}
	}
	for i := range a.losses {
		a.losses[i] = 42
	}
	return a
}

// hostArgs returns the arguments of the call for package cpu.
func hostArgs[T smoothl1.Float](c *fuzzCall, a *arenas[T], number float64) *cpu.Args[T] {
	x := &cpu.Args[T]{Shape: c.shape, ByRow: c.byRow, NoLoss: c.noLoss, AccumulatePred: c.accumulatePred, AccumulateTarget: c.accumulateTarget, Divisor: c.divisor}
	if c.number {
		x.Upstream = cpu.Number[T](number)
	}
	for _, p := range c.arrays {
		field := reflect.ValueOf(x).Elem().FieldByName(p.name)
		switch {
		case p.name == "Upstream":
			x.Upstream = cpu.Elements(a.numbers[p.from:p.to])
		case p.kind == kindNumber:
			field.Set(reflect.ValueOf(a.numbers[p.from:p.to]))
		case p.kind == kindMask:
			field.Set(reflect.ValueOf(a.masks[p.from:p.to]))
		case p.kind == kindIndex:
			field.Set(reflect.ValueOf(a.indices[p.from:p.to]))
		case p.kind == kindLoss:
			field.Set(reflect.ValueOf(a.losses[p.from:p.to]))
		}
	}
	return x
}
