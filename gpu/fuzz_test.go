package gpu_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
	"github.com/smoothl1/smoothl1/sim"
)

// fuzzDevices are the devices for all fuzzed calls: opening one takes longer than many calls.
var fuzzDevices = sync.OnceValues(func() ([]*gpu.Device, error) {
	here, err1 := gpu.Open(gpu.CPU())
	there, err2 := gpu.Open(gpu.On(sim.New(sim.Seed(1), sim.Serial())))
	return []*gpu.Device{here, there}, errors.Join(err1, err2)
})

// FuzzArgs makes several calls with arbitrary arguments on one op. A valid call must write what the reference writes, and nothing else, on
// the CPU and on the simulated device; an invalid one must fail with an *ArgError and write nothing.
func FuzzArgs(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		decisions := make([]byte, 300)
		for i := range decisions {
			decisions[i] = byte(r.Uint32())
		}
		f.Add(decisions, uint8(r.IntN(9)), []float64{0, 0.5, 1, 0.3, 1e-60}[r.IntN(5)], []float64{1, -2, 0.1, 1e300}[r.IntN(4)])
	}
	f.Fuzz(func(t *testing.T, decisions []byte, kind uint8, beta, number float64) {
		devices, err := fuzzDevices()
		require.NoError(t, err)
		l := smoothl1.Loss{Kind: smoothl1.Kind(kind / 3), Beta: beta, Reduction: smoothl1.Reduction(kind % 3)}
		for i, d := range devices {
			fuzzOp[float32](t, d, devices[1-i], l, decisions, number)
			fuzzOp[float64](t, d, devices[1-i], l, decisions, number)
			fuzzOp[smoothl1.F16](t, d, devices[1-i], l, decisions, number)
			fuzzOp[smoothl1.BF16](t, d, devices[1-i], l, decisions, number)
		}
	})
}

// fuzzOp makes calls on a new op.
func fuzzOp[T smoothl1.Float](t *testing.T, d, other *gpu.Device, l smoothl1.Loss, decisions []byte, number float64) {
	s, err := gpu.NewSmoothL1[T](d, l)
	if invalid := l.Validate(smoothl1.DTypeOf[T]()); invalid != nil {
		require.Equal(t, invalid, err)
		return
	}
	require.NoError(t, err)
	defer s.Close()
	p := &plan{bytes: decisions}
	for range 3 {
		c := readCall(p, l.Reduction)
		run := fuzzRun[T]{T: t, call: c, dev: d, other: other, op: s, loss: l, number: number}
		run.contents = fill[T](c, rand.New(rand.NewPCG(uint64(len(c.arrays)), uint64(number))))
		run.check()
	}
}

// A fuzzRun is a call on a device.
type fuzzRun[T smoothl1.Float] struct {
	*testing.T
	call       *fuzzCall
	dev, other *gpu.Device
	op         *gpu.SmoothL1[T]
	loss       smoothl1.Loss
	number     float64
	contents   *arenas[T]
	all        []interface{ Close() error }
}

// String describes the call for failures.
func (f *fuzzRun[T]) String() string {
	return fmt.Sprintf("%v, %v of %v: %+v %+v", f.dev.Backend(), f.loss, smoothl1.DTypeOf[T](), *f.call, f.call.shape)
}

// upload copies an arena to a device.
func upload[T smoothl1.Float, E smoothl1.Element](f *fuzzRun[T], d *gpu.Device, x []E) *gpu.Buffer[E] {
	b, err := gpu.Upload(d, x)
	require.NoError(f, err)
	f.all = append(f.all, b)
	return b
}

// buffer returns an array as a slice of its arena, with the fault that the call has there.
func buffer[T smoothl1.Float, E smoothl1.Element](f *fuzzRun[T], p fuzzArray, arena *gpu.Buffer[E]) *gpu.Buffer[E] {
	b, err := arena.Slice(p.from, p.to)
	require.NoError(f, err)
	if p.name != f.call.faulty {
		return b
	}
	switch f.call.fault {
	case nilBuffer:
		return nil
	case zeroBuffer:
		return &gpu.Buffer[E]{}
	case closedBuffer:
		require.NoError(f, b.Close())
	case otherDevice:
		return upload(f, f.other, make([]E, b.Len()))
	}
	return b
}

// check makes the call and compares it with the reference.
func (f *fuzzRun[T]) check() {
	defer func() {
		for _, b := range f.all {
			require.NoError(f, b.Close())
		}
	}()
	c, x := f.call, f.contents
	numbers, masks, indices, losses := upload(f, f.dev, x.numbers), upload(f, f.dev, x.masks), upload(f, f.dev, x.indices), upload(f, f.dev, x.losses)
	a := &gpu.Args[T]{Shape: c.shape, ByRow: c.byRow, NoLoss: c.noLoss, AccumulatePred: c.accumulatePred, AccumulateTarget: c.accumulateTarget, Divisor: c.divisor}
	if c.number {
		a.Upstream = gpu.Number[T](f.number)
	}
	for _, p := range c.arrays {
		field := reflect.ValueOf(a).Elem().FieldByName(p.name)
		switch {
		case p.name == "Upstream":
			a.Upstream = gpu.Elements(buffer(f, p, numbers))
		case p.kind == kindNumber:
			field.Set(reflect.ValueOf(buffer(f, p, numbers)))
		case p.kind == kindMask:
			field.Set(reflect.ValueOf(buffer(f, p, masks)))
		case p.kind == kindIndex:
			field.Set(reflect.ValueOf(buffer(f, p, indices)))
		case p.kind == kindLoss:
			field.Set(reflect.ValueOf(buffer(f, p, losses)))
		}
	}
	before, errBefore := f.op.Value()
	err := f.op.Run(a, c.options()...)
	var argument *smoothl1.ArgError
	if err != nil {
		require.ErrorAs(f, err, &argument, "%v", f)
	}

	want := &arenas[T]{slices.Clone(x.numbers), slices.Clone(x.masks), slices.Clone(x.indices), slices.Clone(x.losses)}
	value, errWant := cpu.RefRun(f.loss, hostArgs(c, want, f.number))
	stray := false
	var outputs []fuzzArray // those that may have been written although an index is out of range
	switch {
	case c.fault != noFault:
		require.Error(f, err, "%v", f)
		want = x
	case errors.Is(errWant, smoothl1.ErrIndex) && f.dev.Backend() != "cpu":
		stray = true
		require.NoError(f, err, "%v", f)
		require.EqualError(f, f.dev.Wait(), strings.Replace(errWant.Error(), "RefRun", "Run", 1), "%v", f)
		for _, p := range c.arrays {
			if p.output {
				outputs = append(outputs, p)
			}
		}
	case errWant != nil:
		require.EqualError(f, err, strings.Replace(errWant.Error(), "RefRun", "Run", 1), "%v", f)
	default:
		require.NoError(f, err, "%v", f)
	}
	if err != nil { // an earlier loss stays as it was
		again, errAgain := f.op.Value()
		if errors.Is(errBefore, smoothl1.ErrIndex) { // reported once
			require.ErrorIs(f, errAgain, smoothl1.ErrNoValue, "%v", f)
		} else {
			require.Equal(f, errBefore, errAgain, "%v", f)
		}
		sameElements(f, "value", []float64{before}, []float64{again}, kindLoss, nil)
	}
	sameElements(f, "numbers", want.numbers, elementsOf(f, numbers), kindNumber, outputs)
	sameElements(f, "losses", want.losses, elementsOf(f, losses), kindLoss, outputs)
	require.Equal(f, want.masks, elementsOf(f, masks), "%v", f)
	require.Equal(f, want.indices, elementsOf(f, indices), "%v", f)
	if err != nil || stray || f.loss.Reduction == smoothl1.None || c.noLoss {
		return
	}
	sums, err := f.op.ChunkSums(nil)
	require.NoError(f, err)
	again := hostArgs(c, x, f.number)
	again.ChunkSums = make([]float64, len(sums))
	_, err = cpu.RefRun(f.loss, again)
	require.NoError(f, err, "%v", f)
	sameElements(f, "chunk sums", again.ChunkSums, sums, kindLoss, nil)
	got, err := f.op.Value()
	if c.byRow {
		require.ErrorIs(f, err, smoothl1.ErrNoValue)
		return
	}
	require.NoError(f, err)
	sameElements(f, "value", []float64{value}, []float64{got}, kindLoss, nil)
}

// sameElements compares an arena, but for the places of the outputs.
func sameElements[T, E smoothl1.Float](f *fuzzRun[T], what string, want, got []E, kind int, outputs []fuzzArray) {
	require.Len(f, got, len(want))
	for i := range want {
		if difftest.SameBits(got[i], want[i]) || slices.ContainsFunc(outputs, func(p fuzzArray) bool { return p.kind == kind && p.from <= i && i < p.to }) {
			continue
		}
		require.Failf(f, "other bits", "%s, element %d: got %v, want %v; %v", what, i, got[i], want[i], f)
	}
}

func elementsOf[T smoothl1.Float, E smoothl1.Element](f *fuzzRun[T], b *gpu.Buffer[E]) []E {
	x := make([]E, b.Len())
	require.NoError(f, b.Download(x))
	return x
}
