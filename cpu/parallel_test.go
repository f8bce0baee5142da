package cpu

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// randomArgs returns arguments with random inputs of n elements, and both gradients.
func randomArgs[T smoothl1.Float](n int) Args[T] {
	r := rand.New(rand.NewPCG(uint64(n), 2))
	a := Args[T]{Pred: make([]T, n), Target: make([]T, n), GradPred: make([]T, n), GradTarget: make([]T, n)}
	for i := range a.Pred {
		a.Pred[i], a.Target[i] = T(r.NormFloat64()), T(r.NormFloat64())
	}
	return a
}

// withProcessors sets GOMAXPROCS for a test.
func withProcessors(t testing.TB, n int) {
	old := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
}

// severalBatches is a number of elements that makes several batches, of which the last is short.
const severalBatches = 8*maxBatch*Chunk + 3*Chunk + 77

func TestResultsDoNotDependOnProcessors(t *testing.T) {
	l := smoothl1.Loss{Beta: 0.7}
	a := randomArgs[float32](severalBatches)
	want := randomArgs[float32](severalBatches)
	want.ChunkSums = make([]float64, Chunks(severalBatches))
	wantValue, err := RefForwardBackward(l, &want)
	require.NoError(t, err)
	for _, processors := range []int{1, 2, 3, 8} {
		withProcessors(t, processors)
		clear(a.GradPred)
		a.ChunkSums = make([]float64, Chunks(severalBatches))
		value, err := ForwardBackward(l, &a)
		require.NoError(t, err)
		assert.Equal(t, wantValue, value, processors)
		assert.Equal(t, want.GradPred, a.GradPred, processors)
		assert.Equal(t, want.GradTarget, a.GradTarget, processors)
		assert.Equal(t, want.ChunkSums, a.ChunkSums, processors)
		a.ChunkSums = nil
		value, err = ForwardBackward(l, &a)
		require.NoError(t, err)
		assert.Equal(t, wantValue, value, processors)
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	l := smoothl1.Loss{Beta: 0.7}
	withProcessors(t, 4)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			n := severalBatches - i*1000
			a := randomArgs[float32](n)
			want, err := RefForward(l, &a)
			assert.NoError(t, err)
			for range 5 {
				got, err := ForwardBackward(l, &a)
				assert.NoError(t, err)
				assert.Equal(t, want, got, n)
			}
		})
	}
	group.Wait()
}

// A panic of a goroutine must reach the caller, and must not affect later calls.
func TestPanicOfAGoroutineReachesTheCaller(t *testing.T) {
	l := smoothl1.Loss{Beta: 1}
	withProcessors(t, 4)
	a := randomArgs[float32](severalBatches)
	want, err := RefForward(l, &a)
	require.NoError(t, err)
	for range 3 {
		var p pass[float32]
		setPass(&p, op.Forward, l, &a)
		p.Target = nil
		var failed any
		func() {
			defer func() { failed = recover() }()
			run(&p, nil)
		}()
		err, ok := failed.(error)
		require.Truef(t, ok, "%v", failed)
		var cause runtime.Error
		assert.True(t, errors.As(err, &cause), err)
		assert.ErrorContains(t, err, "in a goroutine of package cpu")
		assert.ErrorContains(t, err, "batches") // the stack of the goroutine

		got, err := Forward(l, &a)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestIdleJobsHoldNoArrays(t *testing.T) {
	withProcessors(t, 2)
	a := randomArgs[float32](severalBatches)
	_, err := ForwardBackward(smoothl1.Loss{Beta: 1}, &a)
	require.NoError(t, err)
	require.NotEmpty(t, jobs32.idle)
	for _, j := range jobs32.idle {
		assert.Zero(t, j.pass)
	}
}

// A job created in a synctest bubble must be usable outside, where a channel of the bubble, for example, would panic.
func TestJobFromABubble(t *testing.T) {
	withProcessors(t, 2)
	l := smoothl1.Loss{Beta: 1}
	a := randomArgs[float32](severalBatches)
	want, err := Forward(l, &a)
	require.NoError(t, err)
	for range 2 {
		jobs32.idle = nil
		synctest.Test(t, func(t *testing.T) {
			got, err := Forward(l, &a)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
		got, err := Forward(l, &a)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	withProcessors(t, 2)
	for _, l := range []smoothl1.Loss{{Beta: 1}, {Beta: 0.3, Reduction: smoothl1.Sum}} {
		for _, n := range []int{1, 100, Chunk, Chunk + 1, 16 * Chunk, 17 * Chunk, serialChunks * Chunk, 64 * Chunk, severalBatches} {
			a := randomArgs[float32](n)
			d := randomArgs[float64](n)
			each := a
			each.Upstream = Elements(a.Pred)
			terms := Args[float32]{Pred: a.Pred, Target: a.Target, Terms: a.GradPred}
			rich := a
			rich.Weight, rich.Mask, rich.Divisor = a.Pred, make([]uint8, n), smoothl1.DivideByKept()
			allocations := testing.AllocsPerRun(10, func() {
				_, err := ForwardBackward(l, &a)
				require.NoError(t, err)
				_, err = ForwardBackward(l, &d)
				require.NoError(t, err)
				_, err = Forward(l, &a)
				require.NoError(t, err)
				require.NoError(t, Backward(l, &a))
				require.NoError(t, ForwardTerms(l, &terms))
				_, err = ForwardBackward(l, &each)
				require.NoError(t, err)
				if l.Reduction == smoothl1.Mean {
					_, err = ForwardBackward(l, &rich)
					require.NoError(t, err)
				}
			})
			assert.Zero(t, allocations, "%v n=%d", l, n)
		}
	}
}

// With one processor a pass starts no goroutine, so that a panic reaches the caller as it is.
func TestOneProcessorNeedsNoGoroutine(t *testing.T) {
	withProcessors(t, 1)
	a := randomArgs[float32](severalBatches)
	var p pass[float32]
	setPass(&p, op.Forward, smoothl1.Loss{Beta: 1}, &a)
	p.Target = nil
	var failed any
	func() {
		defer func() { failed = recover() }()
		run(&p, nil)
	}()
	assert.Implements(t, (*runtime.Error)(nil), failed)
}
