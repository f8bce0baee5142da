package gpu_test

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
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

// FuzzOpArguments calls an operation with arbitrary arguments. Valid calls must produce the result of the reference, on the CPU and on the
// simulated device; invalid ones must fail with an *ArgError and write nothing.
func FuzzOpArguments(f *testing.F) {
	for op := range uint8(4) {
		f.Add(op, uint8(0), uint8(0), 1.0, 1.0, uint16(0), int64(0), []byte("0123456789abcdef01234567"))
		f.Add(op, uint8(1), uint8(1), 0.3, -2.0, uint16(gradTarget|unaligned), int64(99), []byte("fedcba9876543210fedcba9876543210fedcba98"))
	}
	for bit := range 12 {
		f.Add(uint8(2), uint8(0), uint8(0), 0.5, 1.0, uint16(1)<<bit, int64(0), []byte("0123456789abcdef01234567"))
	}
	f.Fuzz(func(t *testing.T, op, kind, reduction uint8, beta, upstream float64, wrong uint16, count int64, values []byte) {
		devices, err := fuzzDevices()
		require.NoError(t, err)
		l := smoothl1.Loss{Kind: smoothl1.Kind(kind), Beta: beta, Reduction: smoothl1.Reduction(reduction)}
		for i, d := range devices {
			c := fuzzedCall{dev: d, other: devices[1-i], op: op % 4, upstream: upstream, flags: wrong, count: int(count)}
			fuzzOp[float32](t, c, l, values[:min(len(values), 1<<14)])
			fuzzOp[float64](t, c, l, values[:min(len(values), 1<<14)])
		}
	})
}

// Faults and variations of a fuzzed call.
const (
	shortTarget = 1 << iota
	nilTarget
	closedPred
	otherDevice
	overlap
	inPlace
	gradTarget
	elementwise
	upstreamAnyway
	unaligned
	optionTwice
	nilOutput
)

type fuzzedCall struct {
	dev, other *gpu.Device
	op         uint8
	upstream   float64
	flags      uint16
	count      int
}

func (c *fuzzedCall) has(flag uint16) bool { return c.flags&flag != 0 }

// refused reports whether the call must fail according to the documentation.
func (c *fuzzedCall) refused(r smoothl1.Reduction, n int) bool {
	differentiates := c.op >= 2
	loss := r != smoothl1.None && (c.op == 1 || c.op == 3)
	terms := c.op == 0 && !c.has(nilOutput)
	gradients := differentiates && !c.has(nilOutput) || c.has(gradTarget)
	switch {
	case !loss && !terms && !gradients, // no output
		terms && (loss || gradients),
		c.has(nilTarget), c.has(otherDevice), c.has(closedPred),
		c.has(shortTarget) && n > 0,
		c.has(overlap) && !c.has(nilOutput) && !reducesOnly(c.op) && n > 1,
		c.has(elementwise) && (!gradients || loss),
		(differentiates || c.has(upstreamAnyway)) && !gradients,
		c.count != 0 && (terms || c.count < 0 || r != smoothl1.Mean),
		c.has(optionTwice):
		return true
	}
	return false
}

func reducesOnly(op uint8) bool { return op == 1 }

func fuzzOp[T smoothl1.Float](t *testing.T, c fuzzedCall, l smoothl1.Loss, values []byte) {
	s, err := gpu.NewSmoothL1[T](c.dev, l)
	var argument *smoothl1.ArgError
	if invalid := l.Validate(smoothl1.DTypeOf[T]()); invalid != nil {
		require.ErrorAs(t, err, &argument)
		require.Equal(t, invalid, err)
		return
	}
	require.NoError(t, err)
	defer s.Close()

	x := numbers[T](values)
	n := len(x) / 3
	pred, target, up := x[:n], x[n:2*n], x[2*n:3*n]
	k := fuzzBuffers[T]{t: t, shift: 0}
	if c.has(unaligned) {
		k.shift = 1
	}
	defer k.close()
	p, q, u := k.add(c.dev, pred), k.add(c.dev, target), k.add(c.dev, up)
	marks := slices.Repeat(numbers[T]([]byte("12345678"))[:1], n)
	out, outTarget := k.add(c.dev, marks), k.add(c.dev, marks)
	switch {
	case c.has(shortTarget) && n > 0:
		q = k.slice(q, 0, n-1)
	case c.has(otherDevice):
		q = k.add(c.other, target)
	}
	if c.has(nilTarget) {
		q = nil
	}
	switch {
	case c.has(nilOutput):
		out = nil
	case c.has(overlap) && n > 1: // overlaps in all but one element
		whole := k.add(c.dev, slices.Concat(pred, make([]T, 1)))
		p, out = k.slice(whole, 0, n), k.slice(whole, 1, n+1)
	case c.has(inPlace):
		out = p
	}
	a := gpu.Args[T]{Pred: p, Target: q, NoLoss: c.op == 0 || c.op == 2}
	if c.op == 0 {
		a.Terms = out
	} else if c.op >= 2 {
		a.GradPred = out
	}
	if c.has(gradTarget) {
		a.GradTarget = outTarget
	}
	if c.has(elementwise) {
		a.Upstream = gpu.Elements(u)
	} else if c.op >= 2 || c.has(upstreamAnyway) {
		a.Upstream = gpu.Number[T](c.upstream)
	}
	if c.count != 0 {
		a.Divisor = smoothl1.DivideBy(float64(c.count))
	}
	var options []gpu.Option
	if c.has(optionTwice) {
		options = append(options, gpu.MaxBlocks(1), gpu.MaxBlocks(2))
	}
	if c.has(closedPred) {
		require.NoError(t, p.Close())
	}

	err = s.Run(&a, options...)
	if c.refused(l.Reduction, n) {
		require.ErrorAs(t, err, &argument, "%+v, n=%d", c, n)
		if out != nil && out != p && !c.has(overlap) {
			requireBits(t, marks, elementsOf(t, out))
		}
		requireBits(t, marks, elementsOf(t, outTarget))
		return
	}
	require.NoError(t, err, "%+v, n=%d", c, n)

	r := cpu.Args[T]{Pred: pred, Target: target, Divisor: a.Divisor}
	if c.op >= 2 || c.has(upstreamAnyway) {
		r.Upstream = cpu.Number[T](c.upstream)
	}
	if c.has(elementwise) {
		r.Upstream = cpu.Elements(up)
	}
	want, wantTarget := make([]T, n), make([]T, n)
	if c.op == 0 && out != nil {
		r.Terms = want
		require.NoError(t, cpu.RefForwardTerms(l, r))
	}
	if c.op >= 2 || c.has(gradTarget) {
		r.GradPred, r.GradTarget = want, wantTarget
		require.NoError(t, cpu.RefBackward(l, r))
	}
	if c.op != 1 && out != nil {
		requireBits(t, want, elementsOf(t, out))
	}
	if c.has(gradTarget) {
		requireBits(t, wantTarget, elementsOf(t, outTarget))
	}
	if (c.op == 1 || c.op == 3) && l.Reduction != smoothl1.None {
		value, err := cpu.RefForward(l, r)
		require.NoError(t, err)
		got, err := s.Value()
		require.NoError(t, err)
		requireBits(t, []float64{value}, []float64{got})
	}
}

// numbers returns bytes as numbers, with arbitrary bit patterns.
func numbers[T smoothl1.Element](values []byte) []T {
	size := smoothl1.DTypeOf[T]().Size()
	x := make([]T, len(values)/size)
	for i := range x {
		b := values[i*size:]
		switch p := any(&x[i]).(type) {
		case *float32:
			*p = math.Float32frombits(binary.LittleEndian.Uint32(b))
		case *float64:
			*p = math.Float64frombits(binary.LittleEndian.Uint64(b))
		case *smoothl1.F16:
			*p = smoothl1.F16(binary.LittleEndian.Uint16(b))
		case *smoothl1.BF16:
			*p = smoothl1.BF16(binary.LittleEndian.Uint16(b))
		case *int32:
			*p = int32(binary.LittleEndian.Uint32(b))
		case *uint8:
			*p = b[0]
		}
	}
	return x
}

func requireBits[T smoothl1.Float](t *testing.T, want, got []T) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if !difftest.SameBits(got[i], want[i]) {
			require.Failf(t, "other bits", "element %d: got %v, want %v", i, got[i], want[i])
		}
	}
}

func elementsOf[T smoothl1.Float](t *testing.T, b *gpu.Buffer[T]) []T {
	x := make([]T, b.Len())
	require.NoError(t, b.Download(x))
	return x
}

// fuzzBuffers are the buffers of a call.
type fuzzBuffers[T smoothl1.Float] struct {
	t     *testing.T
	shift int // misalignment, in elements
	all   []*gpu.Buffer[T]
}

func (k *fuzzBuffers[T]) add(d *gpu.Device, x []T) *gpu.Buffer[T] {
	whole, err := gpu.Upload(d, append(make([]T, k.shift), x...))
	require.NoError(k.t, err)
	k.all = append(k.all, whole)
	return k.slice(whole, k.shift, k.shift+len(x))
}

func (k *fuzzBuffers[T]) slice(b *gpu.Buffer[T], i, j int) *gpu.Buffer[T] {
	part, err := b.Slice(i, j)
	require.NoError(k.t, err)
	return part
}

func (k *fuzzBuffers[T]) close() {
	for _, b := range k.all {
		require.NoError(k.t, b.Close())
	}
}
