package stage

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/op"
)

// arraysOf holds the arrays of a test, each between guard elements.
type arraysOf[T core.Float] struct {
	a, b, c, d, dst, neg []T
	mask                 []uint8
	halves, narrowed     []uint16
}

const guards = 64

// guarded returns n elements, shift elements after a multiple of 64 bytes, between guards.
func guarded[E any](n, shift int, guard E) []E {
	whole := make([]E, n+3*guards)
	for i := range whole {
		whole[i] = guard
	}
	from := guards
	for uintptr(unsafe.Pointer(&whole[from]))%64 != 0 {
		from++
	}
	return whole[from+shift:][:n:n]
}

func intact[E comparable](x []E, guard E) bool {
	first := unsafe.Pointer(unsafe.SliceData(x))
	size := unsafe.Sizeof(guard)
	for i := 1; i <= guards/2; i++ {
		before, after := unsafe.Add(first, -i*int(size)), unsafe.Add(first, (len(x)+i-1)*int(size))
		if *(*E)(before) != guard || *(*E)(after) != guard {
			return false
		}
	}
	return true
}

func newArrays[T core.Float](n, shift int) *arraysOf[T] {
	r := rand.New(rand.NewPCG(uint64(n), uint64(shift)))
	inf := T(math.Inf(1))
	corners := []T{0, T(math.Copysign(0, -1)), inf, -inf, T(math.NaN()), T(math.SmallestNonzeroFloat32), 1, -1, 65519.99, 65520, 3e38, -6e-8,
		2.98e-8, 6.1e-5, 1.00390625}
	numbers := func() []T {
		x := guarded[T](n, shift, 77)
		for i := range x {
			x[i] = T(r.NormFloat64() * math.Ldexp(1, r.IntN(40)-30))
			if r.IntN(6) == 0 {
				x[i] = corners[r.IntN(len(corners))]
			}
		}
		return x
	}
	t := &arraysOf[T]{numbers(), numbers(), numbers(), numbers(), numbers(), numbers(), guarded[uint8](n, shift, 3), guarded[uint16](n, shift, 9),
		guarded[uint16](n, shift, 9)}
	for i := range n {
		t.mask[i] = uint8(r.IntN(3) * r.IntN(128))
		t.halves[i] = uint16(r.Uint32())
		if t.dst[i] == 0 { // differences of zero and of exactly one
			t.b[i] = t.a[i]
		} else if t.dst[i] < -1 {
			t.b[i] = t.a[i] - 1
		}
	}
	return t
}

// stagesOf are calls of all stages on the arrays, whose results are in dst, neg, narrowed, or returned.
func stagesOf[T core.Float]() map[string]func(t *arraysOf[T], streaming bool) float64 {
	return map[string]func(t *arraysOf[T], streaming bool) float64{
		"Copy":       func(t *arraysOf[T], s bool) float64 { Copy(t.dst, t.a, s); return 0 },
		"Mul":        func(t *arraysOf[T], s bool) float64 { Mul(t.dst, t.a, t.b); return 0 },
		"Add":        func(t *arraysOf[T], s bool) float64 { Add(t.dst, t.a, t.b); return 0 },
		"Scale":      func(t *arraysOf[T], s bool) float64 { Scale(t.dst, t.a, 0.3); return 0 },
		"Negate":     func(t *arraysOf[T], s bool) float64 { Negate(t.dst, t.a); return 0 },
		"Distance":   func(t *arraysOf[T], s bool) float64 { Distance(t.dst, t.a, t.b); return 0 },
		"Choose":     func(t *arraysOf[T], s bool) float64 { Choose(t.dst, t.a, t.mask, s); return 0 },
		"ChooseBoth": func(t *arraysOf[T], s bool) float64 { ChooseBoth(t.dst, t.neg, t.a, t.mask, s); return 0 },
		"Second": func(t *arraysOf[T], s bool) float64 {
			Second(t.dst, t.a, t.b, t.c, t.d, 0.7, 1, 0.1)
			return 0
		},
		"TermsOfBetas, smooth L1": func(t *arraysOf[T], s bool) float64 { TermsOfBetas(t.dst, t.a, t.b, t.c, false); return 0 },
		"TermsOfBetas, Huber":     func(t *arraysOf[T], s bool) float64 { TermsOfBetas(t.dst, t.a, t.b, t.c, true); return 0 },
		"GradientOfBetas, smooth L1": func(t *arraysOf[T], s bool) float64 {
			GradientOfBetas(t.dst, t.a, t.b, t.c, t.d, 0.7, false)
			return 0
		},
		"GradientOfBetas, Huber": func(t *arraysOf[T], s bool) float64 { GradientOfBetas(t.dst, t.a, t.b, t.c, t.d, 0.7, true); return 0 },
		"SecondOfBetas, smooth L1": func(t *arraysOf[T], s bool) float64 {
			SecondOfBetas(t.dst, t.a, t.b, t.c, t.neg, t.d, 0.7, false)
			return 0
		},
		"SecondOfBetas, Huber": func(t *arraysOf[T], s bool) float64 {
			SecondOfBetas(t.dst, t.a, t.b, t.c, t.neg, t.d, 0.7, true)
			return 0
		},
		"Sum":              func(t *arraysOf[T], s bool) float64 { return Sum(t.a) },
		"SumWeighed":       func(t *arraysOf[T], s bool) float64 { return SumWeighed(t.dst, t.a, t.b) },
		"SumChosen":        func(t *arraysOf[T], s bool) float64 { return SumChosen(t.dst, t.a, t.mask) },
		"SumWeighedChosen": func(t *arraysOf[T], s bool) float64 { return SumWeighedChosen(t.dst, t.a, t.b, t.mask) },
		"Kept":             func(t *arraysOf[T], s bool) float64 { return float64(Kept(t.mask)) },
		"conversions": func(t *arraysOf[T], s bool) float64 {
			x, is := any(t.a).([]float32)
			if !is {
				return 0
			}
			NarrowF16(t.narrowed, x, s)
			h := make([]uint16, len(x))
			NarrowBF16(h, x, false)
			WidenF16(any(t.dst).([]float32), t.halves)
			WidenBF16(any(t.neg).([]float32), t.halves)
			sum := 0.0
			for i, y := range h {
				sum += float64(y) * float64(i+1)
			}
			return sum
		},
		"NarrowBF16": func(t *arraysOf[T], s bool) float64 {
			if x, is := any(t.a).([]float32); is {
				NarrowBF16(t.narrowed, x, s)
			}
			return 0
		},
	}
}

func same[T core.Float](x, y T) bool {
	return x == y && math.Signbit(float64(x)) == math.Signbit(float64(y)) || x != x && y != y
}

// sameHalves reports whether two binary16 numbers, or bfloat16 numbers, are the same or both NaN.
func sameHalves(x, y uint16) bool {
	return x == y || x&0x7fff > 0x7c00 && y&0x7fff > 0x7c00 && (x&0x7fff > 0x7f80) == (y&0x7fff > 0x7f80)
}

func testTwins[T core.Float](t *testing.T) {
	counts := []int{0, 127, 1023, 2047, 2048}
	for n := 1; n < 300; n++ {
		if n < 70 || n%16 < 2 {
			counts = append(counts, n)
		}
	}
	for name, stage := range stagesOf[T]() {
		for k, n := range counts {
			for _, streaming := range []bool{false, true} {
				shift := k % 3
				if streaming {
					shift = 0
				}
				call := func(set isa.Set) (*arraysOf[T], float64) {
					defer isa.Use(set)()
					a := newArrays[T](n, shift)
					return a, stage(a, streaming)
				}
				want, sum := call(isa.Generic)
				for _, set := range isa.Available()[1:] {
					got, gotSum := call(set)
					at := fmt.Sprintf("%s, %v, n=%d, streaming=%v", name, set, n, streaming)
					require.True(t, same(sum, gotSum), "%s: sum %v, want %v", at, gotSum, sum)
					for i := range n {
						if !same(want.dst[i], got.dst[i]) {
							t.Fatalf("%s: dst[%d] = %v, want %v", at, i, got.dst[i], want.dst[i])
						}
						if !same(want.neg[i], got.neg[i]) {
							t.Fatalf("%s: neg[%d] = %v, want %v", at, i, got.neg[i], want.neg[i])
						}
						if !sameHalves(want.narrowed[i], got.narrowed[i]) {
							t.Fatalf("%s: [%d] = %x, want %x", at, i, got.narrowed[i], want.narrowed[i])
						}
					}
					for _, x := range [][]T{got.a, got.b, got.c, got.d, got.dst, got.neg} {
						require.True(t, intact(x, 77), "%s: wrote outside of an array", at)
					}
					require.True(t, intact(got.mask, 3) && intact(got.halves, 9) && intact(got.narrowed, 9), "%s: wrote outside of an array", at)
				}
			}
		}
	}
}

// The stages in assembly must produce the results of the Go ones, for every number of elements, and write nothing else.
func TestStagesAreTheirTwins(t *testing.T) {
	t.Run("float32", testTwins[float32])
	t.Run("float64", testTwins[float64])
}

// Destinations may be sources.
func TestInPlace(t *testing.T) {
	for _, set := range isa.Available() {
		defer isa.Use(set)()
		for _, n := range []int{5, 64, 300, op.Chunk} {
			x, y := newArrays[float32](n, 0), newArrays[float32](n, 0)
			want := SumWeighedChosen(x.dst, x.a, x.b, x.mask)
			require.True(t, same(want, SumWeighedChosen(y.a, y.a, y.b, y.mask)))
			ChooseBoth(y.b, y.c, y.a, y.mask, false)
			ChooseBoth(y.a, y.c, y.a, y.mask, false)
			for i := range n {
				require.True(t, same(x.dst[i], y.a[i]))
				require.True(t, same(y.a[i], y.b[i]))
			}
		}
	}
}

// The text of the assembly is searched for faults that no run would reveal: fused products, changes of the rounding mode, and a missing
// VZEROUPPER, which would slow down the caller.
func TestRulesOfTheAssembly(t *testing.T) {
	files, err := filepath.Glob("*_amd64.s")
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		returns := strings.Count(string(text), "\tRET\n")
		require.Positive(t, returns)
		require.Equal(t, returns, strings.Count(string(text), "\tVZEROUPPER\n\tRET\n"), name)
		for _, forbidden := range []string{"VFMADD", "VFMSUB", "VFNMADD", "VFNMSUB", "LDMXCSR", "VRCP", "VRSQRT", "VCVTNE"} {
			require.NotContains(t, string(text), forbidden, name)
		}
	}
}

// The same for arm64, where estimates and fused products are words whose comments name them.
func TestRulesOfTheAssemblyForARM64(t *testing.T) {
	text, err := os.ReadFile("stages_neon_arm64.s")
	require.NoError(t, err)
	for _, forbidden := range []string{"fmla", "fmls", "fmadd", "fmsub", "fnmadd", "fnmsub", "FMADD", "FMSUB", "FNMADD", "FNMSUB", "VFML", "FPCR", "frecp", "frsqrt"} {
		require.False(t, strings.Contains(string(text), forbidden), forbidden)
	}
}
