package sim_test

import (
	"fmt"
	"testing"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/sim"
)

// BenchmarkForwardBackward measures the speed of the simulation: a million float32 elements through the kernel in which a training
// loop spends its time.
func BenchmarkForwardBackward(b *testing.B) {
	b.Run("strict", func(b *testing.B) { forwardBackward(b, device(b, sim.Seed(1))) })
	b.Run("fast", func(b *testing.B) { forwardBackward(b, device(b, sim.Seed(1), sim.Fast())) })
	b.Run("fast/serial", func(b *testing.B) { forwardBackward(b, device(b, sim.Seed(1), sim.Fast(), sim.Serial())) })
}

func forwardBackward(b *testing.B, d *sim.Device) {
	const n = 1_000_000
	f := kernel(b, d, shipped(b, smoothl1.Float32), "smoothl1_forward_backward_f32_mul")
	pred, target := make([]float32, n), make([]float32, n)
	for i := range n {
		pred[i], target[i] = float32(int32(mix(uint32(i))))/(1<<30), float32(int32(mix(uint32(i+n))))/(1<<30)
	}
	grad, sums := room[float32](b, d, n), room[float64](b, d, 1024)
	value, ticket := room[float64](b, d, 1), upload(b, d, uint32(0))
	one := op.NumberOf(float32(1))
	p := op.Params{N: n, Threshold: one, Inverse: one, Outer: op.NumberOf(float32(0.5)), Norm: op.NumberOf(float32(1. / n)), G: one,
		Divisor: n, Sums: sums, Value: value, Tickets: ticket, Pred: upload(b, d, pred), Target: upload(b, d, target), GradPred: grad}
	for b.Loop() {
		launch(b, d, f, sim.Linear(16, 256), p.Words()...)
		if err := d.Wait(0); err != nil {
			b.Fatal(err)
		}
	}
	if v := download[float64](b, d, value, 1)[0]; !(v > 0.1 && v < 10) {
		b.Fatalf("the loss is %v", v)
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "elements/s")
}

// BenchmarkOneAddress measures the cost of all threads of a block reading the same address, compared with an address for each.
func BenchmarkOneAddress(b *testing.B) {
	for _, blocks := range []uint32{1, 64} {
		for _, c := range []struct{ name, address string }{{"each", "%rd1"}, {"one", "%rd0"}} {
			b.Run(fmt.Sprintf("blocks=%d/%s", blocks, c.name), func(b *testing.B) {
				d := device(b, sim.Seed(1))
				f := kernel(b, d, body(prologue+"mov.u32 %r4, 0;\nL: ld.global.u32 %r5, ["+c.address+"]; add.u32 %r4, %r4, 1; setp.lt.u32 %p0, %r4, 1000; @%p0 bra L;"), "k")
				mem := upload(b, d, make([]uint32, 256*blocks))
				for b.Loop() {
					launch(b, d, f, sim.Linear(blocks, 256), mem, 0)
					if err := d.Wait(0); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(blocks)/8000, "ns/load")
			})
		}
	}
}
