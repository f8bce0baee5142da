package cpu

import (
	"github.com/smoothl1/smoothl1"
	"math/rand/v2"
	"testing"
)

func BenchmarkX(b *testing.B) {
	for _, beta := range []float64{1, 0.1} {
		b.Run("", func(b *testing.B) {
			n := 1 << 16
			p := make([]float32, n)
			t := make([]float32, n)
			g := make([]float32, n)
			for i := range p {
				p[i] = rand.Float32() * 4
				t[i] = rand.Float32() * 4
			}
			b.SetBytes(int64(n) * 12)
			b.ReportAllocs()
			for b.Loop() {
				ForwardBackward(smoothl1.Loss{Beta: beta}, Args[float32]{Pred: p, Target: t, GradPred: g})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/elem")
		})
	}
}
