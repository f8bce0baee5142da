package core

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/op"
)

// eachSet runs a test with each instruction set that this machine supports.
func eachSet(t *testing.T, test func(t *testing.T)) {
	for _, set := range isa.Available() {
		t.Run(set.String(), func(t *testing.T) {
			defer isa.Use(set)()
			test(t)
		})
	}
}

// available returns the number of kernels that the instruction set in use has.
func available() Kernel {
	if HasKernels() {
		return Kernels
	}
	return ForwardBackward + 1
}

// kernelCase is a kernel and the shape of its arrays, which may be misaligned.
type kernelCase struct {
	kernel    Kernel
	constants constants
	n         int
	shift     int  // misalignment, in elements
	negated   bool // compute both gradients
	target    bool // compute only the gradient of target
	streaming bool
	upstream  float64
}

// constants are the constants of a loss, and the way to compute its quotients.
type constants struct {
	name                      string
	threshold, outer, divisor float64
	quotient                  Quotient
}

var losses = []constants{{"smooth L1 1", 1, 1, 1, One}, {"smooth L1 0.25", 0.25, 1, 0.25, Mul}, {"smooth L1 0.1", 0.1, 1, 0.1, Div},
	{"L1", 0, 1, 1, Mul}, {"Huber 0.3", 0.3, 0.3, 1, One}}

// arraysOf returns inputs that take every branch of the formula. They lie between guard elements, shift elements after a multiple of 64
// bytes.
func arraysOf[T Float](c kernelCase, seed uint64) (in [3][]T) {
	r := rand.New(rand.NewPCG(seed, uint64(c.n)))
	beta := T(c.constants.threshold)
	inf := T(math.Inf(1))
	corners := []T{0, beta, -beta, inf, -inf, T(math.NaN()), T(math.SmallestNonzeroFloat32), beta / 3, 2 * beta, -beta / 7}
	for k := range in {
		in[k] = aligned[T](c.n, c.shift)
		for i := range in[k] {
			switch r.IntN(4) {
			case 0:
				in[k][i] = corners[r.IntN(len(corners))]
			case 1:
				in[k][i] = T(r.NormFloat64()) * beta
			default:
				in[k][i] = T(r.NormFloat64())
			}
		}
	}
	return in
}

const guardElements = 64

// aligned returns n elements that begin shift elements after a multiple of 64 bytes, between guard elements.
func aligned[T Float](n, shift int) []T {
	whole := make([]T, n+3*guardElements)
	for i := range whole {
		whole[i] = guardValue[T]()
	}
	from := guardElements
	for uintptr(unsafe.Pointer(&whole[from]))%64 != 0 {
		from++
	}
	from += shift
	return whole[from : from+n : from+n]
}

func guardValue[T Float]() T { return T(math.Float32frombits(0x42a5a5a5)) }

// untouched reports whether the guard elements on both sides of x are unchanged. For an empty slice it returns true.
func untouched[T Float](x []T) bool {
	if len(x) == 0 {
		return true
	}
	first := unsafe.SliceData(x)
	for i := 1; i <= guardElements; i++ {
		if *at(first, -i) != guardValue[T]() || *at(first, len(x)+i-1) != guardValue[T]() {
			return false
		}
	}
	return true
}

// outcome holds the outputs of a kernel.
type outcome[T Float] struct {
	out, negated []T
	sums         []float64
}

// paramsOf returns the parameters of a case, and the outputs that they point to.
func paramsOf[T Float](c kernelCase, in [3][]T) (p Params[T], o outcome[T]) {
	l := c.constants
	p = Params[T]{Pred: unsafe.SliceData(in[0]), Target: unsafe.SliceData(in[1]), N: c.n, Kernel: c.kernel, Quotient: l.quotient,
		Threshold: T(l.threshold), Half: T(T(0.5) * T(l.threshold)), Outer: T(l.outer), Divisor: T(l.divisor), Inverse: 1}
	if l.quotient == Mul {
		p.Inverse = 1 / p.Divisor
	}
	if c.kernel != Forward {
		o.out = aligned[T](c.n, c.shift)
		p.Out = unsafe.SliceData(o.out)
	}
	if c.kernel.Reduces() {
		o.sums = aligned[float64](op.Chunks(c.n), 0)
		p.Sums = unsafe.SliceData(o.sums)
	}
	if c.kernel.Differentiates() {
		p.Norm = 1 / T(3*c.n+1)
		if l.threshold == 0 {
			p.L1 = AllOnes[T]()
		}
		switch {
		case c.negated:
			o.negated = aligned[T](c.n, c.shift)
			p.Negated, p.Stores = unsafe.SliceData(o.negated), StoreNegated
		case c.target:
			p.Norm, p.Flip = -p.Norm, SignBit[T]()
		}
	}
	switch c.kernel {
	case BackwardElementwise:
		p.Upstream = unsafe.SliceData(in[2])
	case Weighed, WeighedMasked:
		p.Upstream = unsafe.SliceData(in[2])
		p.G = p.Norm * T(c.upstream)
	default:
		p.G = T(c.upstream)
		p.Side = T(T(p.Norm*p.G) * p.Outer)
	}
	if c.kernel == Masked || c.kernel == WeighedMasked {
		mask := make([]uint8, c.n)
		for i := range mask {
			mask[i] = uint8(i * 7 % 5 * 51 / 2)
		}
		p.Mask = unsafe.SliceData(mask)
	}
	unit := c.kernel == Forward || c.kernel == ForwardBackward && c.upstream == 1
	if unit && l.quotient == One && l.outer == 1 {
		p.Quotient = Unit
	}
	if c.streaming {
		p.Stores |= StoreStreaming
	}
	return p, o
}

func runKernel[T Float](t *testing.T, c kernelCase, in [3][]T, kernel func(*Params[T])) outcome[T] {
	p, o := paramsOf(c, in)
	kernel(&p)
	require.True(t, untouched(o.out), "%+v: wrote outside of out", c)
	require.True(t, untouched(o.negated), "%+v: wrote outside of negated", c)
	require.True(t, untouched(o.sums), "%+v: wrote outside of sums", c)
	for i := range in {
		require.True(t, untouched(in[i]), "%+v: wrote outside of an input", c)
	}
	return o
}

func sameBits[T Float](t *testing.T, c kernelCase, name string, got, want []T) {
	require.Equal(t, len(want), len(got))
	for i := range want {
		if bits(got[i]) != bits(want[i]) && (got[i] == got[i] || want[i] == want[i]) {
			t.Fatalf("%+v: %s[%d]: got %v (%x), want %v (%x)", c, name, i, got[i], bits(got[i]), want[i], bits(want[i]))
		}
	}
}

func testKernels[T Float](t *testing.T) {
	counts := []int{2040, 2048, 2049, 2175, 2176, 2177, 4096, 4100, 6300}
	for n := range 300 {
		if n < 40 || n%4 == 0 || !testing.Short() {
			counts = append(counts, n)
		}
	}
	checked := 0
	for i, n := range counts {
		for _, l := range losses {
			for k := range available() {
				checked++
				c := kernelCase{kernel: k, constants: l, n: n, shift: checked % 5 % 4, negated: checked%3 == 0, target: checked%3 == 1,
					upstream: []float64{-0.7, 1}[checked/4%2]}
				if checked%7 == 0 {
					c.shift, c.streaming = 0, k != Forward
				}
				in := arraysOf[T](c, uint64(i))
				want := runKernel(t, c, in, plainLoop[T])
				got := runKernel(t, c, in, Call[T])
				sameBits(t, c, "out", got.out, want.out)
				sameBits(t, c, "negated", got.negated, want.negated)
				sameBits(t, c, "sums", got.sums, want.sums)
			}
		}
	}
}

// The assembly kernels must produce the results of the Go ones, and write nothing outside of the arrays: for all numbers of elements up to
// a few rows and around multiples of a chunk, for aligned and misaligned arrays, and for each kind of store.
func TestKernelsAreTheirTwins(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		t.Run("float32", testKernels[float32])
		t.Run("float64", testKernels[float64])
	})
}

// The text of the assembly is searched for faults that no run would reveal: fused products, changes of the rounding mode, and a missing
// VZEROUPPER, which would slow down the caller.
func TestRulesOfTheAssembly(t *testing.T) {
	files, err := filepath.Glob("kernels_*_amd64.s")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	function := regexp.MustCompile(`(?ms)^TEXT ·(\w+).*?^\tRET$`)
	functions := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, f := range function.FindAllStringSubmatch(string(text), -1) {
			functions++
			assert.Truef(t, strings.HasSuffix(f[0], "\tVZEROUPPER\n\tRET"), "%s: RET without VZEROUPPER", f[1])
		}
		for _, forbidden := range []string{"VFMADD", "VFMSUB", "VFNMADD", "VFNMSUB", "LDMXCSR", "VRCP", "VRSQRT"} {
			assert.NotContainsf(t, string(text), forbidden, "%s", name)
		}
	}
	const lean = ForwardBackward + 1
	assert.EqualValues(t, 2*(3*lean+2)+2*(3*Kernels+2)+2*(3*(Kernels-1)+2), functions, "types, quotients, kernels; not all with AVX2, elementwise ones not for 16 bits")
}

// The same for arm64, where estimates and fused products are words whose comments name them.
func TestRulesOfTheAssemblyForARM64(t *testing.T) {
	files, err := filepath.Glob("kernels_*_arm64.s")
	require.NoError(t, err)
	require.Len(t, files, 4, "types")
	functions := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		functions += strings.Count(string(text), "\nTEXT ")
		for _, forbidden := range []string{"fmla", "fmls", "fmadd", "fmsub", "fnmadd", "fnmsub", "FMADD", "FMSUB", "FNMADD", "FNMSUB", "VFML", "FPCR", "frecp", "frsqrt"} {
			assert.Falsef(t, strings.Contains(string(text), forbidden), "%s has %s", name, forbidden)
		}
	}
	assert.EqualValues(t, 2*(3*Kernels+2)+2*(3*(Kernels-1)+2), functions, "types, quotients, kernels; elementwise ones not for 16 bits")
}

// A kernel that accesses unmapped memory must panic like Go code, even while the garbage collector scans its frame.
func TestFaultInAKernel(t *testing.T) {
	fault := func(p *Params[float32]) (failed any) {
		defer func() {
			runtime.GC()
			failed = recover()
		}()
		Call(p)
		return nil
	}
	eachSet(t, func(t *testing.T) {
		for _, l := range losses {
			for k := range available() {
				c := kernelCase{kernel: k, constants: l, n: 1000}
				p, _ := paramsOf(c, arraysOf[float32](c, 1))
				p.Target = nil
				_, ok := fault(&p).(runtime.Error)
				require.Truef(t, ok, "%+v", c)
			}
		}
	})
}
