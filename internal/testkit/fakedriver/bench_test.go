//go:build cuda && linux && amd64 && cgo

package fakedriver_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/testkit/fakedriver"
)

// BenchmarkCall measures what a call costs on the host outside the driver: in packages gpu, cuda and cu, and in cgo. BenchmarkCall of package
// gpu has the share of that package.
//
//	CGO_CPPFLAGS=-I$PWD/internal/cuda/cuda13 go test -tags cuda -run '^$' -bench Call ./internal/testkit/fakedriver
func BenchmarkCall(b *testing.B) {
	fakedriver.Reset()
	dev, err := gpu.Open(gpu.CUDA(0))
	require.NoError(b, err)
	defer dev.Close()
	defer fakedriver.Reset() // first, so that Close has a driver
	const n = 128 * 4096
	crit, err := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean})
	require.NoError(b, err)
	pred, err := gpu.Alloc[float32](dev, n)
	require.NoError(b, err)
	target, err := gpu.Alloc[float32](dev, n)
	require.NoError(b, err)
	grad, err := gpu.Alloc[float32](dev, n)
	require.NoError(b, err)
	s, err := dev.NewStream()
	require.NoError(b, err)
	on := gpu.OnStream(s)
	require.NoError(b, crit.ForwardBackward(pred, target, grad, on))
	g, err := s.Capture(func() error { return crit.ForwardBackward(pred, target, grad, on) })
	require.NoError(b, err)
	fakedriver.Idle()
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"Backward", func() error { return crit.Backward(pred, target, grad, on) }},
		{"ForwardBackward", func() error { return crit.ForwardBackward(pred, target, grad, on) }},
		{"Graph.Launch", func() error { return g.Launch(on) }},
	} {
		b.Run("device=idle/call="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
