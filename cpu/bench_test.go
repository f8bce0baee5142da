package cpu

import (
	"fmt"
	"testing"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/op"
)

// benchmark runs f on arrays of n elements. arrays is the number of arrays that f reads and writes.
func benchmark(b *testing.B, name string, n, arrays int, f func(a Args[float32]) error) {
	b.Run(fmt.Sprintf("isa=%v/dtype=f32/n=%d/%s", isa.Current(), n, name), func(b *testing.B) {
		a := randomArgs[float32](n)
		a.GradTarget = nil
		a.ChunkSums = make([]float64, Chunks(n))
		b.SetBytes(int64(4 * arrays * n))
		b.ReportAllocs()
		for b.Loop() {
			if err := f(a); err != nil {
				b.Fatal(err)
			}
		}
	})
}

var benchmarkCounts = []int{1, 32, 1024, 128 * 4096, 1 << 20, 1 << 24}

func BenchmarkForwardBackward(b *testing.B) {
	for _, n := range benchmarkCounts {
		for _, beta := range []float64{1, 0.5, 0.1} {
			benchmark(b, fmt.Sprintf("beta=%v", beta), n, 3, func(a Args[float32]) error {
				_, err := ForwardBackward(smoothl1.Loss{Beta: beta}, a)
				return err
			})
		}
	}
}

func BenchmarkForward(b *testing.B) {
	for _, n := range benchmarkCounts {
		benchmark(b, "beta=1", n, 2, func(a Args[float32]) error {
			_, err := Forward(smoothl1.Loss{Beta: 1}, a)
			return err
		})
	}
}

func BenchmarkBackward(b *testing.B) {
	for _, n := range benchmarkCounts {
		benchmark(b, "beta=1", n, 3, func(a Args[float32]) error { return Backward(smoothl1.Loss{Beta: 1}, a) })
	}
}

func BenchmarkForwardTerms(b *testing.B) {
	for _, n := range benchmarkCounts {
		benchmark(b, "beta=1", n, 3, func(a Args[float32]) error { return ForwardTerms(smoothl1.Loss{Beta: 1}, a) })
	}
}

// BenchmarkStages compares a pass in stages with the core kernels of its stages, each over the whole arrays.
func BenchmarkStages(b *testing.B) {
	for _, n := range benchmarkCounts {
		upstream := Elements(randomArgs[float32](n).Pred)
		benchmark(b, "stages", n, 4, func(a Args[float32]) error {
			a.Upstream = upstream
			_, err := ForwardBackward(smoothl1.Loss{Beta: 1}, a)
			return err
		})
		benchmark(b, "kernels", n, 4, func(a Args[float32]) error {
			if _, err := Forward(smoothl1.Loss{Beta: 1}, a); err != nil {
				return err
			}
			a.Upstream = upstream
			return Backward(smoothl1.Loss{Beta: 1}, a)
		})
	}
}

// BenchmarkSerialLimit shows from which size two goroutines pay off, to choose serialLimit.
func BenchmarkSerialLimit(b *testing.B) {
	for _, chunks := range []int{4, 8, 16, 128, 192, 256, 384, 512} {
		for _, workers := range []int{1, 2} {
			benchmark(b, fmt.Sprintf("chunks=%d/goroutines=%d", chunks, workers), chunks*Chunk, 3, func(a Args[float32]) error {
				var p pass[float32]
				p.set(op.ForwardBackward, smoothl1.Loss{Beta: 1}, &a)
				if workers == 1 {
					runSerial(&p, a.ChunkSums)
				} else {
					runParallel(&p, a.ChunkSums, chunks, workers)
				}
				return nil
			})
		}
	}
}

// BenchmarkPrefetch shows for which sizes software prefetching pays off, to choose the limit in prefetch.
func BenchmarkPrefetch(b *testing.B) {
	for _, k := range []struct {
		name   string
		pass   op.Pass
		arrays int
	}{{"forward", op.Forward, 2}, {"backward", op.Backward, 3}, {"forwardBackward", op.ForwardBackward, 3}} {
		for _, n := range []int{1 << 16, 1 << 18, 1 << 19, 3 << 18, 1 << 20, 1 << 21} {
			for _, ahead := range []uint64{0, 1024} {
				benchmark(b, fmt.Sprintf("%s/ahead=%d", k.name, ahead), n, k.arrays, func(a Args[float32]) error {
					var p pass[float32]
					p.set(k.pass, smoothl1.Loss{Beta: 1}, &a)
					p.Ahead = ahead
					sums := a.ChunkSums
					if !k.pass.Reduces() {
						sums = nil
					}
					runSerial(&p, sums)
					return nil
				})
			}
		}
	}
}
