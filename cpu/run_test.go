package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/cpu/internal/tune"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Streaming stores may be used unless an output is misaligned or is also an input. The arrays are not accessed here.
func TestStreamable(t *testing.T) {
	memory := make([]float32, 64)
	i := 0
	for uintptr(unsafe.Pointer(&memory[i]))%64 != 0 {
		i++
	}
	in, out, off := &memory[i+4], &memory[i], &memory[i+1]
	for _, c := range []struct {
		name   string
		params core.Params[float32]
		want   bool
	}{
		{"aligned", core.Params[float32]{Kernel: core.Backward, Out: out}, true},
		{"a fourth array", core.Params[float32]{Kernel: core.BackwardElementwise, Out: out, Upstream: in}, true},
		{"a second gradient", core.Params[float32]{Kernel: core.Backward, Out: out, Negated: out}, true},
		{"out of place", core.Params[float32]{Kernel: core.Backward, Out: off}, false},
		{"second gradient out of place", core.Params[float32]{Kernel: core.Backward, Out: out, Negated: off}, false},
		{"in place of pred", core.Params[float32]{Kernel: core.Terms, Out: out, Pred: out}, false},
		{"in place of target", core.Params[float32]{Kernel: core.ForwardBackward, Out: out, Pred: in, Target: out}, false},
		{"in place of upstream", core.Params[float32]{Kernel: core.BackwardElementwise, Out: out, Upstream: out}, false},
		{"nothing to store", core.Params[float32]{Kernel: core.Forward}, false},
	} {
		p := pass[float32]{Params: c.params}
		assert.Equal(t, c.want && isa.Current().Streams(), p.streamable(), c.name)
	}
}

// A streaming store to a misaligned output would fault. Each output is placed at every offset that is a multiple of its element size.
func TestStreamingStoresAtEveryOffset(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		t.Run("float32", testOffsets[float32])
		t.Run("float64", testOffsets[float64])
	})
}

// behind returns n elements that begin offset elements after a multiple of core.Line bytes.
func behind[T smoothl1.Float](offset, n int) []T {
	line := core.Line / int(unsafe.Sizeof(T(0)))
	whole := make([]T, n+2*line)
	from := 0
	for uintptr(unsafe.Pointer(&whole[from]))%core.Line != 0 {
		from++
	}
	return whole[from+offset:][:n]
}

func testOffsets[T core.Float](t *testing.T) {
	const n = 2*Chunk + 77
	line := core.Line / int(unsafe.Sizeof(T(0)))
	l := smoothl1.Loss{Beta: 0.7}
	want := randomArgs[T](n)
	upstream := Elements(want.Pred)
	terms := want
	terms.Terms = make([]T, n)
	require.NoError(t, RefForwardTerms(l, &terms))
	require.NoError(t, RefBackward(l, &want))
	each := want
	each.GradPred, each.GradTarget, each.Upstream = make([]T, n), make([]T, n), upstream
	require.NoError(t, RefBackward(l, &each))

	check := func(kind op.Pass, a, want Args[T], streams bool) {
		var p pass[T]
		setPass(&p, kind, l, &a)
		require.Equal(t, streams && isa.Current().Streams(), p.streamable())
		if p.streamable() {
			p.Stores |= core.StoreStreaming
		}
		p.Sums = unsafe.SliceData(make([]float64, Chunks(n)))
		p.compute()
		for _, x := range []struct{ got, want []T }{{a.Terms, want.Terms}, {a.GradPred, want.GradPred}, {a.GradTarget, want.GradTarget}} {
			if x.got != nil && !equal(x.got, x.want) {
				t.Fatalf("%v: outputs at %p, %p and %p differ from the reference", kind, a.Terms, a.GradPred, a.GradTarget)
			}
		}
	}
	for i := range line {
		check(op.Terms, Args[T]{Pred: want.Pred, Target: want.Target, Terms: behind[T](i, n)}, terms, i == 0)
		for _, kind := range []op.Pass{op.Backward, op.ForwardBackward} {
			for _, w := range []Args[T]{want, each} {
				a := Args[T]{Pred: w.Pred, Target: w.Target, Upstream: w.Upstream, GradPred: behind[T](i, n)}
				check(kind, a, w, i == 0)
				a.GradPred, a.GradTarget = nil, behind[T](i, n)
				check(kind, a, w, i == 0)
				for j := range line {
					a.GradPred = behind[T](j, n)
					check(kind, a, w, i == 0 && j == 0)
				}
			}
		}
	}
}

// choices returns all ways to make a pass, as values of SMOOTHL1_TUNE.
func choices() []string {
	if testing.Short() { // under an emulator or the race detector
		return []string{"threads=1,stores=ordinary,ahead=0", "threads=3,stores=streaming,ahead=1024", "off", ""}
	}
	var all []string
	for _, threads := range []int{1, 2, 3} {
		for _, stores := range []string{"ordinary", "streaming"} {
			for _, ahead := range []int{0, 1024, 8192} {
				all = append(all, fmt.Sprintf("threads=%d,stores=%s,ahead=%d", threads, stores, ahead))
			}
		}
	}
	return append(all, "off", "")
}

// fix fixes choices for a test, as SMOOTHL1_TUNE does, but for passes of any size.
func fix(t testing.TB, setting string) {
	fixed, err := tune.Parse(setting)
	require.NoError(t, err)
	fixed.Always = true
	old := tuner.Swap(tune.New(fixed))
	t.Cleanup(func() { tuner.Store(old) })
}

// A pass with weights and a mask, whose divisor takes a pass of its own, must give the bits of the reference with every choice.
func TestEveryChoiceOfAFurtherPass(t *testing.T) {
	withProcessors(t, 3)
	eachType(t, testFurtherChoices[float32], testFurtherChoices[float64], testFurtherChoices[smoothl1.F16], testFurtherChoices[smoothl1.BF16])
}

func testFurtherChoices[T smoothl1.Float](t *testing.T, from func(float64) T) {
	const n = 21*Chunk + 5
	a := Args[T]{Pred: make([]T, n), Target: make([]T, n), Weight: make([]T, n), Mask: make([]uint8, n), GradPred: behind[T](0, n),
		Divisor: smoothl1.DivideByWeights()}
	r := rand.New(rand.NewPCG(5, 6))
	for i := range n {
		a.Pred[i], a.Target[i], a.Weight[i], a.Mask[i] = from(r.NormFloat64()), from(r.NormFloat64()), from(r.Float64()), uint8(r.IntN(3))
	}
	l := smoothl1.Loss{Beta: 0.3}
	want := a
	want.GradPred = make([]T, n)
	value, err := RefRun(l, &want)
	require.NoError(t, err)
	for _, setting := range choices() {
		fix(t, setting)
		for range 2 {
			clear(a.GradPred)
			got, err := Run(l, &a)
			require.NoError(t, err)
			require.Equal(t, value, got, setting)
			require.NoError(t, sameNumbers(a.GradPred, want.GradPred), setting)
		}
	}
}

// Every choice must give the bits of the reference, whether the outputs are aligned for streaming stores, misaligned, off by half an
// AVX-512 vector, or in place.
func TestEveryChoiceIsTheReference(t *testing.T) {
	withProcessors(t, 3)
	eachSet(t, func(t *testing.T) {
		t.Run("float32", testChoices[float32])
		t.Run("float64", testChoices[float64])
	})
}

func testChoices[T core.Float](t *testing.T) {
	const n = 33*Chunk + 3
	l := smoothl1.Loss{Beta: 0.1}
	for _, shift := range []int{0, 1, core.Line / 2 / int(unsafe.Sizeof(T(0)))} {
		a := randomArgs[T](n)
		a.GradPred, a.GradTarget = behind[T](shift, n), behind[T](shift, n)
		want := Args[T]{Pred: a.Pred, Target: a.Target, GradPred: make([]T, n), GradTarget: make([]T, n), Terms: make([]T, n)}
		wantValue, err := RefRun(l, &want)
		require.NoError(t, err)
		for _, setting := range choices() {
			fix(t, setting)
			for range 2 { // the second with another choice, if they are measured
				clear(a.GradPred)
				clear(a.GradTarget)
				value, err := ForwardBackward(l, &a)
				require.NoError(t, err)
				require.Equal(t, wantValue, value, setting)
				require.True(t, equal(want.GradPred, a.GradPred), setting)
				require.True(t, equal(want.GradTarget, a.GradTarget), setting)
			}
			value, err := Forward(l, &a)
			require.NoError(t, err)
			require.Equal(t, wantValue, value, setting)
			b := Args[T]{Pred: a.Pred, Target: a.Target, Terms: a.GradPred}
			require.NoError(t, ForwardTerms(l, &b))
			require.True(t, equal(want.Terms, b.Terms), setting)
			b = Args[T]{Pred: slices.Clone(a.Pred), Target: a.Target}
			b.GradPred = b.Pred // in place
			_, err = ForwardBackward(l, &b)
			require.NoError(t, err)
			require.True(t, equal(want.GradPred, b.Pred), setting)
		}
	}
}

// equal reports whether two slices have the same bits. It is fast enough for millions of elements.
func equal[T smoothl1.Float](a, b []T) bool {
	return slices.EqualFunc(a, b, func(x, y T) bool { return math.Float64bits(float64(x)) == math.Float64bits(float64(y)) })
}

func TestTuning(t *testing.T) {
	old := tuner.Load()
	defer tuner.Store(old)
	withProcessors(t, 2)
	require.NoError(t, SetTuning("stores=ordinary,ahead=64"))
	a := randomArgs[float32](1 << 16)
	d := randomArgs[float64](1 << 16)
	for range 400 {
		_, err := ForwardBackward(smoothl1.Loss{Beta: 1}, &a)
		require.NoError(t, err)
		d.Weight = d.Pred
		_, err = Run(smoothl1.Loss{Beta: 1}, &d)
		require.NoError(t, err)
	}
	r, err := Tuning()
	assert.Equal(t, tuneComplaint, err)
	assert.Equal(t, "stores=ordinary,ahead=64", r.Setting)
	require.Len(t, r.Tuned, 2)
	for i, want := range []Tuned{{Pass: "forward_backward", DType: smoothl1.Float32, Form: "both gradients", Bytes: 1 << 20, Processors: 2},
		{Pass: "forward_backward", DType: smoothl1.Float64, Form: "both gradients, weight", Bytes: 5 << 19, Processors: 2}} {
		got := r.Tuned[i]
		assert.True(t, got.Measured, "%+v", got)
		assert.Contains(t, []int{1, 2}, got.Threads)
		assert.Positive(t, got.Speedup)
		want.Threads, want.Ahead, want.Measured, want.Before, want.Speedup = got.Threads, 64, true, got.Before, got.Speedup
		assert.Equal(t, want, got)
	}
	assert.Regexp(t, `(?m)^caches reported: .*; SMOOTHL1_TUNE=stores=ordinary,ahead=64
forward_backward float32 \(both gradients\), 1 to 1.125 MiB on 2 processors: [12] threads, ordinary stores, prefetching 64 bytes ahead; measured, `, r.String())

	err = SetTuning("threads=none")
	assert.EqualError(t, err, `smoothl1: SetTuning: setting = threads=none: "threads=none": want a positive number of goroutines`)
	r, _ = Tuning()
	assert.NotEmpty(t, r.Tuned, "nothing has changed")
	require.NoError(t, SetTuning(""))
	r, _ = Tuning()
	assert.Empty(t, r.Tuned)
	assert.NotContains(t, r.String(), "SMOOTHL1_TUNE")
}
