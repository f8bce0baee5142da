package difftest

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

// faulty returns the fallback with a fault injected into its results after each call.
func faulty(fault func(a cpu.Args[float32])) Column {
	wrap := func(f func(smoothl1.Loss, cpu.Args[float32]) error) func(smoothl1.Loss, cpu.Args[float32]) error {
		return func(l smoothl1.Loss, a cpu.Args[float32]) error {
			err := f(l, a)
			fault(a)
			return err
		}
	}
	return Column{Name: "faulty", f32: onCPU(wrap(cpu.ForwardTerms[float32]), cpu.Forward[float32], wrap(cpu.Backward[float32]), cpu.ForwardBackward[float32])}
}

// TestFaultsAreSeen breaks an implementation in each way that the comparison must detect.
func TestFaultsAreSeen(t *testing.T) {
	beyond := func(x []float32, i int) *float32 {
		return (*float32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(x)), i*4))
	}
	for _, c := range []struct {
		name  string
		fault func(a cpu.Args[float32])
		text  string
	}{
		{"one ULP", func(a cpu.Args[float32]) { a.Terms[7] = math.Nextafter32(a.Terms[7], 9) }, "terms[7]: got "},
		{"the sign of zero", func(a cpu.Args[float32]) { a.Terms[3] = float32(math.Copysign(0, -1)) }, "terms[3]: got -0 (80000000), want 0 (0), 0 ULP apart; 1 of 20"},
		{"NaN for a number", func(a cpu.Args[float32]) { a.Terms[19] = float32(math.NaN()) }, "terms[19]: got NaN"},
		{"a write behind the end", func(a cpu.Args[float32]) { *beyond(a.Terms, 20) = 1 }, "array 2: element 20 of 20, outside of it, was overwritten with 1"},
		{"a write before the start", func(a cpu.Args[float32]) { *beyond(a.Terms, -1) = 1 }, "array 2: element -1 of 20"},
		{"another NaN behind the end", func(a cpu.Args[float32]) { *beyond(a.Terms, 21) = float32(math.NaN()) }, "array 2: element 21 of 20"},
		{"a write to an input", func(a cpu.Args[float32]) { a.Target[2]++ }, "input 1 after the call[2]"},
	} {
		k := Case{Op: ForwardTerms, Loss: smoothl1.Loss{Beta: 1}, N: 20, Seed: 3, Shift: 1}
		plain := faulty(func(a cpu.Args[float32]) { a.Terms[3] = 0 })
		plain.f32 = func(k Case, in Inputs[float32]) (Result[float32], error) {
			in.Pred[3], in.Target[3] = 1, 1 // a term of exactly +0
			return Reference().f32(k, in)
		}
		broken := faulty(c.fault)
		inner := broken.f32
		broken.f32 = func(k Case, in Inputs[float32]) (Result[float32], error) {
			in.Pred[3], in.Target[3] = 1, 1
			return inner(k, in)
		}
		err := Run(k, broken, plain)
		require.ErrorContains(t, err, c.text, c.name)
		assert.ErrorContains(t, err, "again: go test ./internal/testkit/difftest -run TestReplay -column faulty -case '"+k.String()+"'")
	}
}

func TestULPs(t *testing.T) {
	zero := 0.0
	inf := float32(math.Inf(1))
	nan := math.NaN()
	assert.Zero(t, ULPs(-zero, zero))
	assert.EqualValues(t, 2, ULPs(math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64))
	assert.EqualValues(t, 1, ULPs(float32(1), math.Nextafter32(1, 2)))
	assert.EqualValues(t, 1, ULPs(float32(-1), math.Nextafter32(-1, -2)))
	assert.EqualValues(t, 1, ULPs(inf, float32(math.MaxFloat32)))
	assert.EqualValues(t, uint64(math.MaxUint64), ULPs(nan, 1))
	assert.EqualValues(t, uint64(math.MaxUint64), ULPs(1, nan))
	assert.Zero(t, ULPs(nan, math.Float64frombits(0xfff8000000000001)))
	assert.EqualValues(t, uint64(0xffe0000000000000), ULPs(math.Inf(1), math.Inf(-1)))
}

func TestSameBits(t *testing.T) {
	zero := 0.0
	assert.True(t, SameBits(math.NaN(), math.Float64frombits(0xfff8000000000001)))
	assert.False(t, SameBits(math.Copysign(0, -1), zero))
	assert.False(t, SameBits(math.NaN(), 1))
	assert.False(t, SameBits(1, math.NaN()))
	assert.True(t, SameBits(float32(0.1), float32(0.1)))
}

// TestRandomCasesReachEverything checks that random cases have the distribution that Random documents.
func TestRandomCasesReachEverything(t *testing.T) {
	small, large := 0, 0
	data, betas := map[Data]int{}, map[float64]int{}
	for i := range 2000 {
		c := Random(5, i, 1<<20)
		require.NoError(t, c.Loss.Validate(c.DType))
		data[c.Data]++
		betas[c.Loss.Beta]++
		if c.N < 300 {
			small++
		}
		if c.N > 100_000 {
			large++
		}
	}
	assert.Len(t, data, int(dataCount))
	assert.Len(t, betas, 16)
	assert.Greater(t, small, 500)
	assert.Greater(t, large, 20)
}
