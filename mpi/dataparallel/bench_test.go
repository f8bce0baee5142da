//go:build cgo && linux

package dataparallel

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/mpi"
	"github.com/smoothl1/smoothl1/mpi/internal/ranks"
)

const benchElements = 1 << 20

// BenchmarkStep reports the median time of parts of a step of 2^20 float32 elements, divided among ranks on this machine, each with one thread:
// agree is one exchange of headers, loss is Run, gradient is Reduce for 10 parameters. What go test itself reports is the time of mpirun: use
// -benchtime 1x.
func BenchmarkStep(b *testing.B) {
	for np := 1; np <= 4; np++ {
		b.Run(fmt.Sprintf("n=%d/np=%d", benchElements, np), func(b *testing.B) {
			for range b.N {
				out, err := ranks.Run(b, np, "time", "GOMAXPROCS=1")
				require.NoError(b, err, out)
				for line := range strings.Lines(out) {
					var part string
					var ns float64
					if n, _ := fmt.Sscanf(line, "median %s %g", &part, &ns); n == 2 {
						b.ReportMetric(ns, part+"-ns")
					}
				}
			}
		})
	}
}

// timed prints the medians.
func timed(t ranks.Check, world *mpi.Comm) {
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	s, err := NewSmoothL1[float32](world, dev, smoothl1.Loss{Beta: 1})
	require.NoError(t, err)
	g, err := NewGradient(world, 10)
	require.NoError(t, err)
	from, to, err := Shard(benchElements, world.Rank(), world.Size())
	require.NoError(t, err)
	buffer := func() *gpu.Buffer[float32] {
		x, err := gpu.Upload(dev, make([]float32, to-from))
		require.NoError(t, err)
		return x
	}
	a := &gpu.Args[float32]{Pred: buffer(), Target: buffer(), GradPred: buffer()}
	partials, grad := make([]float64, 10*cpu.Chunks(to-from)), make([]float64, 10)
	for _, part := range []struct {
		name string
		f    func() error
	}{
		{"agree", func() error { return s.group.agree(callAgree, nil) }},
		{"loss", func() error { _, err := s.Run(a); return err }},
		{"gradient", func() error { return g.Reduce(to-from, partials, grad) }},
	} {
		var times []time.Duration
		for range 2000 {
			start := time.Now()
			require.NoError(t, part.f())
			times = append(times, time.Since(start))
		}
		slices.Sort(times)
		if world.Rank() == 0 {
			fmt.Println("median", part.name, float64(times[len(times)/2].Nanoseconds()))
		}
	}
}
