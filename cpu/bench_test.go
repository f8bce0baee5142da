package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/isa"
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
				_, err := ForwardBackward(smoothl1.Loss{Beta: beta}, &a)
				return err
			})
		}
	}
}

func BenchmarkForward(b *testing.B) {
	for _, n := range benchmarkCounts {
		benchmark(b, "beta=1", n, 2, func(a Args[float32]) error {
			_, err := Forward(smoothl1.Loss{Beta: 1}, &a)
			return err
		})
	}
}

func BenchmarkBackward(b *testing.B) {
	for _, n := range benchmarkCounts {
		benchmark(b, "beta=1", n, 3, func(a Args[float32]) error { return Backward(smoothl1.Loss{Beta: 1}, &a) })
	}
}

func BenchmarkForwardTerms(b *testing.B) {
	for _, n := range benchmarkCounts {
		benchmark(b, "beta=1", n, 3, func(a Args[float32]) error {
			a.Terms = a.GradPred
			return ForwardTerms(smoothl1.Loss{Beta: 1}, &a)
		})
	}
}

// BenchmarkStages compares a pass in stages with the core kernels of its stages, each over the whole arrays.
func BenchmarkStages(b *testing.B) {
	for _, n := range benchmarkCounts {
		upstream := Elements(randomArgs[float32](n).Pred)
		benchmark(b, "stages", n, 4, func(a Args[float32]) error {
			a.Upstream = upstream
			_, err := ForwardBackward(smoothl1.Loss{Beta: 1}, &a)
			return err
		})
		benchmark(b, "kernels", n, 4, func(a Args[float32]) error {
			if _, err := Forward(smoothl1.Loss{Beta: 1}, &a); err != nil {
				return err
			}
			a.Upstream = upstream
			return Backward(smoothl1.Loss{Beta: 1}, &a)
		})
	}
}

// BenchmarkChoices shows what each choice of the tuner takes.
func BenchmarkChoices(b *testing.B) {
	for _, n := range []int{1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 22, 1 << 24} {
		for _, setting := range choices() {
			fix(b, setting)
			for _, k := range []struct {
				name   string
				arrays int
				call   func(smoothl1.Loss, *Args[float32]) (float64, error)
			}{{"forward", 2, Forward[float32]}, {"forward_backward", 3, ForwardBackward[float32]}} {
				benchmark(b, k.name+"/"+setting, n, k.arrays, func(a Args[float32]) error {
					_, err := k.call(smoothl1.Loss{Beta: 1}, &a)
					return err
				})
			}
		}
	}
}

// benchmarkRich runs forward and backward passes of all forms that weights, a mask and the storage type make. The bytes are those that
// must be moved.
func benchmarkRich[T smoothl1.Float](b *testing.B, from func(float64) T) {
	for _, n := range benchmarkCounts {
		r := rand.New(rand.NewPCG(uint64(n), 1))
		a := Args[T]{Pred: make([]T, n), Target: make([]T, n), GradPred: make([]T, n)}
		weight, mask, index := make([]T, n), make([]uint8, n), make([]int32, n)
		for i := range n {
			a.Pred[i], a.Target[i] = from(r.NormFloat64()), from(r.NormFloat64())
			weight[i], mask[i] = from(r.Float64()), uint8(r.IntN(2))
			index[i] = int32(r.IntN(4))
		}
		size := smoothl1.DTypeOf[T]().Size()
		for _, form := range []struct {
			name  string
			bytes int // of an element
			set   func(*Args[T])
		}{
			{"plain", 3 * size, func(*Args[T]) {}},
			{"weight", 4 * size, func(a *Args[T]) { a.Weight = weight }},
			{"mask", 3*size + 1, func(a *Args[T]) { a.Mask = mask }},
			{"weight+mask", 4*size + 1, func(a *Args[T]) { a.Weight, a.Mask = weight, mask }},
			{"kept", 3*size + 2, func(a *Args[T]) { a.Mask, a.Divisor = mask, smoothl1.DivideByKept() }},
			{"accumulate", 4 * size, func(a *Args[T]) { a.AccumulatePred = true }},
			{"beta", 4 * size, func(a *Args[T]) { a.Beta = weight }},
			{"terms", 4 * size, func(a *Args[T]) { a.Terms = weight }},
			{"boxes", 3*size + size/4, func(a *Args[T]) { // a weight for each four elements
				a.Weight, a.Shape = weight[:n/4], &smoothl1.Shape{Rows: n / 4, Cols: 4, Weight: smoothl1.PerRow()}
			}},
			{"columns of 4", 3 * size, func(a *Args[T]) { // a weight for each column
				a.Weight, a.Shape = weight[:4], &smoothl1.Shape{Rows: n / 4, Cols: 4, Weight: smoothl1.PerColumn()}
			}},
			{"index of 4", size * 3 / 2, func(a *Args[T]) {
				a.Target, a.Index, a.Shape = a.Target[:n/4], index[:n/4], &smoothl1.Shape{Rows: n / 4, Cols: 4}
			}},
			{"rows of 4", 3*size + 2, func(a *Args[T]) {
				a.ByRow, a.Losses, a.Shape = true, make([]float64, n/4), &smoothl1.Shape{Rows: n / 4, Cols: 4}
			}},
		} {
			b.Run(fmt.Sprintf("isa=%v/dtype=%v/n=%d/%s", isa.Current(), smoothl1.DTypeOf[T](), n, form.name), func(b *testing.B) {
				a := a
				form.set(&a)
				if a.Shape != nil && n%4 != 0 {
					b.Skip("not a multiple of 4")
				}
				b.SetBytes(int64(form.bytes * n))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Run(smoothl1.Loss{Beta: 1}, &a); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkRich(b *testing.B) {
	benchmarkRich(b, func(x float64) float32 { return float32(x) })
	benchmarkRich(b, func(x float64) float64 { return x })
	benchmarkRich(b, smoothl1.ToF16)
	benchmarkRich(b, smoothl1.ToBF16)
}
