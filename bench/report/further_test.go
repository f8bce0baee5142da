package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/measure"
)

// furtherSample returns sample with further operations and types, in cache and in memory.
func furtherSample() *measure.Result {
	r := sample()
	entry := func(op, name string, bytes int, ns float64) measure.Entry {
		return measure.Entry{Op: op, Contender: name, Bytes: bytes, DeviceNS: measure.Times{P10: ns, Median: ns, P90: ns}}
	}
	for _, n := range []int{1 << 14, 1 << 24} {
		for _, t := range []smoothl1.DType{smoothl1.Float32, smoothl1.BFloat16} {
			size, ns := t.Size(), float64(n*t.Size())
			g := measure.Group{Shape: []int{n / 4, 4}, N: n, DType: t, Threads: 2, Entries: []measure.Entry{
				entry(measure.Weighted, measure.Ours, 4*n*size, ns),
				entry(measure.Weighted, measure.Eager, 4*n*size, 4*ns),
				entry(measure.Combine, "combine", 3*n*size, 3/4.0*0.85*ns),
			}}
			r.Groups = append(r.Groups, g)
			if t == smoothl1.BFloat16 {
				g.Entries = []measure.Entry{entry(measure.ForwardBackward, measure.Ours, 3*n*size, ns), g.Entries[2]}
				r.Groups = append(r.Groups, g)
			}
		}
	}
	r.Groups = append(r.Groups, measure.Group{Workload: "DQN", Shape: []int{32, 6}, N: 192, Threads: 2, Entries: []measure.Entry{
		entry(measure.DQNStep, measure.Ours, 36*32, 500), entry(measure.DQNStep, measure.Eager, 36*32, 1000)}})
	return r
}

func TestFurtherTable(t *testing.T) {
	var b, plain, with bytes.Buffer
	furtherTable(&b, sample())
	assert.Empty(t, b.String(), "there are no further operations")
	furtherTable(&b, furtherSample())
	for _, line := range []string{
		"| weighted | float32 | 16384 | 16 | 65.5 | 65.5 | 65.5 | 4.0 | – | 4.0 (≥ 3) | – |\n",
		"| weighted | float32 | 2^24 | 16 | 67109 | 67109 | 67109 | 4.0 | **0.85 (≥ 0.9)** | **4.0 (≥ 5)** | 5 GB/s, combine |\n",
		"| weighted | bfloat16 | 2^24 | 8 | 33554 | 33554 | 33554 | 4.0 | 0.85 (≥ 0.8) | **4.0 (≥ 5)** | 5 GB/s, combine |\n",
		"| forward+backward | bfloat16 | 2^24 | 6 | 33554 | 33554 | 33554 | 3.0 | **0.64 (≥ 0.8)** | – | 5 GB/s, combine |\n",
		"| DQN step | float32 | 32×6 | 6 | 0.500 | 0.500 | 0.500 | 2.3 | – | **2.0 (≥ 3)** | – |\n",
	} {
		assert.Contains(t, b.String(), line)
	}
	for _, write := range []func(*bytes.Buffer, *measure.Result){
		func(b *bytes.Buffer, r *measure.Result) { table(b, r) }, func(b *bytes.Buffer, r *measure.Result) { targets(b, distinct([]machine{{Result: r}})) },
	} {
		plain.Reset()
		with.Reset()
		write(&plain, sample())
		write(&with, furtherSample())
		assert.Equal(t, plain.String(), with.String(), "the tables of float32 on pred and target alone have nothing of it")
	}
}

func TestBars(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, paint(distinct([]machine{{Result: sample()}}), dir))
	assert.NoFileExists(t, filepath.Join(dir, "cpu-operations.svg"))
	require.NoError(t, paint(distinct([]machine{{Result: furtherSample()}}), dir))
	picture, err := os.ReadFile(filepath.Join(dir, "cpu-operations.svg"))
	require.NoError(t, err)
	for _, text := range []string{"weighted", "forward+<", ">backward<", "bfloat16", "2^24 elements"} {
		assert.Contains(t, string(picture), text)
	}
	assert.NotContains(t, string(picture), "float64", "it was not measured")
}
