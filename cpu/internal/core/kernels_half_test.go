package core

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// halfType is a storage type of 16 bits.
type halfType struct {
	storage Storage
	narrow  func(float64) uint16
	widen   func(uint16) float32
}

var halfTypes = map[string]halfType{
	"float16":  {F16, func(x float64) uint16 { return uint16(smoothl1.ToF16(x)) }, func(x uint16) float32 { return smoothl1.F16(x).Float32() }},
	"bfloat16": {BF16, func(x float64) uint16 { return uint16(smoothl1.ToBF16(x)) }, func(x uint16) float32 { return smoothl1.BF16(x).Float32() }},
}

const halfGuard = 0x1234

// alignedHalves returns n numbers, shift numbers after a multiple of 64 bytes, between 64 guards.
func alignedHalves(n, shift int) []uint16 {
	whole := make([]uint16, n+256)
	for i := range whole {
		whole[i] = halfGuard
	}
	from := 64
	for uintptr(unsafe.Pointer(&whole[from]))%64 != 0 {
		from++
	}
	return whole[from+shift:][:n:n]
}

func intact(x []uint16) bool {
	first := unsafe.Pointer(unsafe.SliceData(x))
	for i := 1; i <= 64; i++ {
		if *(*uint16)(unsafe.Add(first, -2*i)) != halfGuard || *(*uint16)(unsafe.Add(first, 2*(len(x)+i-1))) != halfGuard {
			return false
		}
	}
	return true
}

// Kernels for numbers of 16 bits compute what those for float32 do, rounded, and write nothing else.
func TestKernelsForHalves(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		if !HasKernels() {
			t.Skip("this instruction set has no kernels for them")
		}
		for name, half := range halfTypes {
			t.Run(name, half.test)
		}
	})
}

func (half halfType) test(t *testing.T) {
	for i, n := range []int{0, 1, 2, 15, 16, 17, 31, 33, 64, 127, 128, 129, 200, 256, 2040, 2048, 2049, 2177, 4096, 4500} {
		for _, l := range losses {
			for k := range Kernel(Kernels) {
				if k == BackwardElementwise {
					continue
				}
				for form := range 6 {
					if testing.Short() && (form+i)%2 == 1 {
						continue
					}
					c := kernelCase{kernel: k, constants: l, n: n, shift: i % 3, upstream: []float64{1, 0.7, -2e4}[form%3],
						negated: k.Differentiates() && form%2 == 1, target: form%4 == 2, streaming: form > 3}
					if c.streaming {
						c.shift = 0
					}
					half.check(t, c, uint64(i))
				}
			}
		}
	}
}

func (half halfType) check(t *testing.T, c kernelCase, seed uint64) {
	wide := arraysOf[float32](c, seed)
	var in [3][]uint16
	for k := range in {
		in[k] = alignedHalves(c.n, c.shift)
		for i := range in[k] {
			in[k][i] = half.narrow(float64(wide[k][i]))
			wide[k][i] = half.widen(in[k][i])
		}
	}
	want := runKernel(t, c, wide, plainLoop[float32])
	p, got := paramsOf(c, wide)
	p.Storage = half.storage
	out, negated := alignedHalves(len(want.out), c.shift), alignedHalves(len(want.negated), c.shift)
	for _, x := range []struct {
		at   **float32
		from []uint16
	}{{&p.Pred, in[0]}, {&p.Target, in[1]}, {&p.Upstream, in[2]}, {&p.Out, out}, {&p.Negated, negated}} {
		if *x.at != nil {
			first := unsafe.SliceData(x.from)
			*x.at = *(**float32)(unsafe.Pointer(&first))
		}
	}
	Call(&p)
	sameBits(t, c, "sums", got.sums, want.sums)
	same := func(name string, got []uint16, want []float32) {
		require.True(t, intact(got), "%+v: wrote outside of %s", c, name)
		for i := range want {
			x, y := half.widen(got[i]), half.widen(half.narrow(float64(want[i])))
			if bits(x) != bits(y) && (x == x || y == y) {
				t.Fatalf("%+v: %s[%d]: got %v, want %v", c, name, i, x, y)
			}
		}
	}
	same("out", out, want.out)
	same("negated", negated, want.negated)
	require.True(t, intact(in[0]) && intact(in[1]) && intact(in[2]), "%+v: wrote outside of an input", c)
	// A part begins at its own elements.
	if c.n > op.Chunk {
		q := p.Part(op.Chunk, c.n-op.Chunk)
		require.Equal(t, uintptr(2*op.Chunk), uintptr(unsafe.Pointer(q.Pred))-uintptr(unsafe.Pointer(p.Pred)))
		if p.Upstream != nil {
			require.Equal(t, uintptr(2*op.Chunk), uintptr(unsafe.Pointer(q.Upstream))-uintptr(unsafe.Pointer(p.Upstream)))
		}
		if p.Mask != nil {
			require.Equal(t, uintptr(op.Chunk), uintptr(unsafe.Pointer(q.Mask))-uintptr(unsafe.Pointer(p.Mask)))
		}
	}
}
