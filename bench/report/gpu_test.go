package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/measure"
)

func gpuSample(date string) *measure.Result {
	entry := func(op, name string, bytes int, ns float64) measure.Entry {
		t := measure.Times{P10: ns - 1, Median: ns, P90: ns + 1}
		return measure.Entry{Op: op, Contender: name, Bytes: bytes, DeviceNS: t, NS: measure.Times{Median: 2 * ns}}
	}
	group := func(n int) measure.Group {
		return measure.Group{Shape: []int{n}, N: n, Beta: 1, Entries: []measure.Entry{
			entry(measure.ForwardBackward, measure.Ours, 12*n, float64(n)),
			entry(measure.ForwardBackward, measure.Eager, 12*n, 4*float64(n)),
			entry(measure.ForwardNone, measure.Ours, 12*n, float64(n)),
			entry(measure.Copy, "as 3 arrays", 12*n, 0.9*float64(n)),
		}}
	}
	return &measure.Result{
		Device: measure.Device{Backend: "cuda", Name: "A GPU", Architecture: "sm_90", Multiprocessors: 132, CacheBytes: 50 << 20, Driver: "CUDA 12.4"},
		Date:   date, Commit: "abc", Go: "go1.26", Samples: 25, Rotating: 201 << 20, Groups: []measure.Group{group(1 << 20), group(1 << 24)},
		Peers: []measure.Peer{{Contender: measure.Eager, Version: "2.5.0", CUDA: "12.4"}, {Contender: measure.Graphed, Absent: "no graphs"}}, Left: []string{"2^30 elements: no memory"},
		Bits: []measure.BitsRow{{Contender: measure.Eager, Beta: 1, What: "grad_pred", Elements: 100, Different: 3, ZeroSigns: 1}},
	}
}

func TestGPUSection(t *testing.T) {
	root := t.TempDir()
	results, docs := filepath.Join(root, "bench", "results"), filepath.Join(root, "docs")
	require.NoError(t, os.MkdirAll(results, 0o755))
	require.NoError(t, os.Mkdir(docs, 0o755))
	got, err := gpuSection(root)
	require.NoError(t, err)
	assert.Contains(t, string(got), "**No GPU has run these benchmarks yet.** `make bench-gpu` runs them on a CUDA host, and the bundle (`make bundle`) on one without Go.\n")
	assert.Contains(t, string(got), "| forward+backward, × eager | ≥ 2.6 | – | not measured |\n")

	save := func(name string, r *measure.Result) {
		text, err := json.Marshal(r)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(results, name), text, 0o666))
	}
	save("gpu-a-gpu-2026-01-02.json", gpuSample("2026-01-02T03:04:05Z"))
	newer := gpuSample("2026-02-03T03:04:05Z")
	newer.Peers = []measure.Peer{{Contender: measure.Eager, Absent: "python3 has no PyTorch"}}
	save("gpu-a-gpu-2026-02-03.json", newer)
	got, err = gpuSection(root)
	require.NoError(t, err)
	text := string(got)
	for _, want := range []string{
		"### A GPU, 2026-01-02\n\nsm_90, 132 multiprocessors, 50 MiB of L2, driver for CUDA 12.4; commit abc, go1.26; medians of 25 samples; buffers rotate through more than 201 MiB. PyTorch 2.5.0 with CUDA 12.4 in the same run, interleaved; without CUDA graph: no graphs. ",
		"[bench/results/gpu-a-gpu-2026-01-02.json](../bench/results/gpu-a-gpu-2026-01-02.json)",
		"![Share of a copy over the number of elements](gpu-a-gpu-2026-01-02.svg)",
		"| 1048576 float32 smooth_l1(beta=1, mean) | forward+backward | 1049 | 1049 | 1049 | 12 | 0.90 | – | 4.0 | – | – | – | 2097 |\n",
		"- pytorch's gradients: 0 of 1 arrays equal to ours bit for bit but for signs of zero, 2 of 100 elements differ\n",
		"Left out: 2^30 elements: no memory.\n",
		"PyTorch was not measured: python3 has no PyTorch. Raw",
	} {
		assert.Contains(t, text, want)
	}
	assert.Less(t, strings.Index(text, "2026-02-03"), strings.Index(text, "2026-01-02"), "the newest first")
	picture, err := os.ReadFile(filepath.Join(docs, "gpu-a-gpu-2026-01-02.svg"))
	require.NoError(t, err)
	assert.Contains(t, string(picture), "A GPU: share of the speed of a copy")
	assert.Contains(t, string(picture), "2^24")

	other := gpuSample("2026-01-02T03:04:05Z")
	other.Device.Backend = "sim"
	save("gpu-sim.json", other)
	_, err = gpuSection(root)
	require.ErrorContains(t, err, "only runs on a GPU")
}

// TestPageSaysWhatTheResultsSay generates the section on GPUs from the committed results and compares it with the page.
func TestPageSaysWhatTheResultsSay(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "docs"), 0o755)) // for pictures
	results, err := filepath.Abs("../results")
	require.NoError(t, err)
	if _, err := os.Stat(results); err == nil {
		require.NoError(t, os.CopyFS(filepath.Join(root, "bench", "results"), os.DirFS(results)))
	}
	want, err := gpuSection(root)
	require.NoError(t, err)
	page, err := os.ReadFile("../../docs/performance.md")
	require.NoError(t, err)
	again, err := replace(page, want, beginGPU, endGPU)
	require.NoError(t, err)
	assert.Equal(t, string(again), string(page), "make report")
}
