package gpu

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

// TestComputeOverlaps checks the order of the calls: the copies of a piece are queued, on the other stream, before the piece before it is
// waited for.
func TestComputeOverlaps(t *testing.T) {
	d, s := openStub(t)
	d.pieceBytes = 8 * cpu.Chunk
	x := make([]float64, 5*cpu.Chunk)
	log := s.logged(func() {
		_, err := Compute(d, smoothl1.Loss{Beta: 1}, x, x, make([]float64, len(x)))
		require.NoError(t, err)
	})
	names := map[string]string{} // of streams, and of the events of the slots, in order of appearance
	var got []string
	for _, line := range log {
		call, on, _ := strings.Cut(line, " on ")
		if on == "0x0" || call == "Record" { // of the scratch, and of the event that is waited for
			continue
		}
		kind := "stream "
		if call == "Await" {
			kind = "piece "
		}
		if _, ok := names[kind+on]; !ok {
			count := 0
			for name := range names {
				if strings.HasPrefix(name, kind) {
					count++
				}
			}
			names[kind+on] = kind + fmt.Sprint(count)
		}
		got = append(got, call+" "+names[kind+on])
	}
	var want []string
	queue := func(stream int) {
		for _, call := range []string{"CopyInAsync", "CopyInAsync", "Launch", "CopyOutAsync", "CopyOutAsync"} {
			want = append(want, fmt.Sprintf("%s stream %d", call, stream))
		}
	}
	queue(0)
	queue(1)
	queue(0)
	want = append(want, "Await piece 0")
	queue(1)
	want = append(want, "Await piece 1")
	queue(0)
	want = append(want, "Await piece 2", "Await piece 0", "Await piece 1") // a slot is used again for the fourth
	assert.Equal(t, want, got)
}

func TestCopyBytes(t *testing.T) {
	for _, n := range []int{0, 1, copyShare, 2*copyShare - 1, 2 * copyShare, 5*copyShare + 77} {
		src, dst := make([]byte, n+3), make([]byte, n)
		for i := range src {
			src[i] = byte(i % 251)
		}
		copyBytes(dst, src)
		require.Equal(t, src[:n], dst)
		clear(src)
		copyBytes(src, dst)
		require.Equal(t, dst, src[:n])
		require.Equal(t, make([]byte, 3), src[n:])
	}
}

func BenchmarkCopyBytes(b *testing.B) {
	for _, n := range []int{1 << 16, pieceBytes} {
		for _, way := range []string{"one core", "several"} {
			b.Run(fmt.Sprintf("n=%d/%s", n, way), func(b *testing.B) {
				const far = 64 // arrays, so that the source is not in a cache
				src, dst := make([]byte, far*n), make([]byte, n)
				for i := range src {
					src[i] = byte(i)
				}
				b.SetBytes(int64(n))
				for i := 0; b.Loop(); i++ {
					from := src[i%far*n:][:n]
					if way == "one core" {
						copy(dst, from)
					} else {
						copyBytes(dst, from)
					}
				}
			})
		}
	}
}

// BenchmarkCompute measures what Compute costs the host: on a device that does nothing.
func BenchmarkCompute(b *testing.B) {
	for _, n := range []int{32, 1 << 16, 1 << 24} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			d, s := openStub(b)
			x, y, grad := make([]float32, n), make([]float32, n), make([]float32, n)
			s.record = false
			compute := func() {
				if _, err := Compute(d, smoothl1.Loss{Beta: 1}, x, y, grad); err != nil {
					b.Fatal(err)
				}
			}
			for i := range n { // touch the pages
				x[i], y[i] = 1, 2
			}
			compute()
			b.SetBytes(int64(12 * n))
			b.ReportAllocs()
			for b.Loop() {
				compute()
			}
		})
	}
}
