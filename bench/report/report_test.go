package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/measure"
)

func sample() *measure.Result {
	entry := func(op, name string, bytes int, ns float64) measure.Entry {
		return measure.Entry{Op: op, Contender: name, Bytes: bytes, DeviceNS: measure.Times{P10: ns - 1, Median: ns, P90: ns + 1}}
	}
	group := func(n, threads int) measure.Group {
		return measure.Group{N: n, Threads: threads, Entries: []measure.Entry{
			entry(measure.ForwardBackward, measure.Ours, 12*n, float64(n)),
			entry(measure.ForwardBackward, measure.Direct, 12*n, 0.1*float64(n)),
			entry(measure.ForwardBackward, measure.Eager, 12*n, 6*float64(n)),
			entry(measure.ForwardBackward, measure.Preallocated, 12*n, 1.5*float64(n)),
			entry("combine", "combine, streaming", 12*n, 0.96*float64(n)),
			entry("read", "read", 8*n, float64(n)),
		}}
	}
	return &measure.Result{
		Device: measure.Device{Name: "a CPU", Threads: 2}, Commit: "abc", Samples: 9,
		One:    &measure.One{NS: measure.Times{Median: 101}},
		Groups: []measure.Group{group(32, 1), group(32, 2), group(1<<24, 1), group(1<<24, 2)},
	}
}

func TestTargets(t *testing.T) {
	var b bytes.Buffer
	targets(&b, sample())
	assert.Contains(t, b.String(), "| forward+backward | 32 | 1 | **6.0 (≥ 50)** | – | – |\n")
	assert.Contains(t, b.String(), "| forward+backward | 2^24 | 2 | 6.0 (≥ 5) | **1.5 (≥ 2)** | 0.96 (≥ 0.95) |\n")
	assert.Contains(t, b.String(), "| forward+backward, package cpu | 32 | 1 | 60.0 (≥ 50) | – | – |\n")
	assert.NotContains(t, b.String(), "package cpu | 2^24")
	assert.NotContains(t, b.String(), "| forward+backward | 2^24 | 1 |")
	assert.Contains(t, b.String(), "101 ns (at most 100), 0 allocations (none): **missed**.")
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	table(&b, sample())
	assert.Contains(t, b.String(), "| forward+backward | 32 | 1 | 0.032 | 0.031 | 0.033 | 12.0 | – | 6.0 | 1.5 | – |\n")
	assert.Contains(t, b.String(), "| forward+backward | 2^24 | 2 | 16777 | 16777 | 16777 | 12.0 | 0.96 | 6.0 | 1.5 | 12 GB/s, combine, streaming |\n")
}

func TestSize(t *testing.T) {
	for n, want := range map[int]string{32: "32", 1024: "1024", 128 * 4096: "128×4096", 1 << 20: "2^20", 1 << 26: "2^26", 3 << 20: "3145728"} {
		assert.Equal(t, want, size(n))
	}
}

func TestReplace(t *testing.T) {
	page := []byte("a\n<!-- begin: make report -->\nold\n<!-- end: make report -->\nz\n")
	got, err := replace(page, []byte("new\n"), begin, end)
	require.NoError(t, err)
	assert.Equal(t, "a\n<!-- begin: make report -->\nnew\n<!-- end: make report -->\nz\n", string(got))
	_, err = replace([]byte("a\n<!-- begin: make report -->\n"), nil, begin, end)
	require.Error(t, err)
}

func TestRun(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "bench", "results"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(root, "docs"), 0o755))
	require.ErrorContains(t, run(root, ""), "make bench-cpu-peers")
	require.NoError(t, os.WriteFile(filepath.Join(root, "docs", "performance.md"), slices.Concat(begin, end, beginGPU, endGPU), 0o644))
	for _, date := range []string{"2026-01-02", "2026-01-10"} { // the last is taken
		r := sample()
		r.Date = date
		require.NoError(t, r.Save(filepath.Join(root, "bench", "results", "cpu-"+date+".json")))
	}
	require.NoError(t, run(root, ""))
	page, err := os.ReadFile(filepath.Join(root, "docs", "performance.md"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "results/cpu-2026-01-10.json")
	assert.Contains(t, string(page), "No GPU has run these benchmarks yet")
	picture, err := os.ReadFile(filepath.Join(root, "docs", "cpu-ceiling.svg"))
	require.NoError(t, err)
	assert.Contains(t, string(picture), "<svg")
	assert.Contains(t, string(picture), "2^24")
}
