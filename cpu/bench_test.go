package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/smoothl1/smoothl1"
)

func benchArgs(n int) Args[float32] {
	a := Args[float32]{Pred: make([]float32, n), Target: make([]float32, n), Terms: make([]float32, n), GradPred: make([]float32, n),
		ChunkSums: make([]float64, Chunks(n))}
	for i := range a.Pred {
		a.Pred[i] = float32(rand.NormFloat64())
		a.Target[i] = float32(rand.NormFloat64())
	}
	return a
}

func BenchmarkForwardBackward(b *testing.B) {
	for _, beta := range []float64{1, 0.1} {
		for _, n := range []int{1, 8, 32, 1024, 1 << 16, 1 << 19, 1 << 20, 1 << 24} {
			a := benchArgs(n)
			b.Run(fmt.Sprintf("dtype=f32/beta=%v/n=%d", beta, n), func(b *testing.B) {
				b.SetBytes(int64(n) * 12)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := ForwardBackward(smoothl1.Loss{Beta: beta}, a); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
