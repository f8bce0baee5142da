package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/bundle"
	"github.com/smoothl1/smoothl1/internal/measure"
)

// TestHardwarePage generates docs/hardware.md from the committed runs and compares.
func TestHardwarePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/hardware.md")
	require.NoError(t, err)
	runs, err := loadRuns("../..")
	require.NoError(t, err)
	again, err := replace(page, runsSection(runs), beginRuns, endRuns)
	require.NoError(t, err)
	assert.Equal(t, string(again), string(page), "run make report")
	if len(runs) == 0 {
		assert.Contains(t, string(page), "No GPU has run this code yet.\n")
	}
}

func runSample() *bundle.Run {
	return &bundle.Run{Commit: "abc123", Date: "2026-12-01T10:00:00Z", State: bundle.Done, Exit: 1, Budget: 480, Seconds: 431.4,
		Machine: bundle.Machine{GPU: "NVIDIA H100 80GB", Architecture: "sm_90", CUDA: "13.0", Driver: "580.1"},
		Steps: []bundle.Step{
			{Name: bundle.Differential, Outcome: bundle.Passed, Cases: 9000, Seconds: 40, Note: "9000 cases"},
			{Name: bundle.Bits, Outcome: bundle.Differs, Cases: 12, Found: []string{"terms | differ"}},
			{Name: bundle.Main, Outcome: bundle.Stopped, Cases: 1},
			{Name: bundle.Sanitizers + "memcheck", Outcome: bundle.Passed},
			{Name: bundle.Sanitizers + "racecheck", Outcome: bundle.CutOff},
			{Name: bundle.Sanitizers + "initcheck", Outcome: bundle.Skipped, Note: "of the time 1 s would be left"},
			{Name: bundle.Verify, Outcome: bundle.Skipped, Note: "no time"},
		}}
}

// leave writes the files that run.sh leaves.
func leave(t *testing.T, dir string, r *bundle.Run, figures *measure.Result) {
	for name, v := range map[string]any{bundle.RunFile: r, bundle.FiguresFile: figures} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
}

// TestAdd adds runs, from a folder and from an archive, and looks for them in the page.
func TestAdd(t *testing.T) {
	root, left := t.TempDir(), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "bench", "results"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(root, "docs"), 0o755))
	page := filepath.Join(root, "docs", "hardware.md")
	require.NoError(t, os.WriteFile(page, append(beginRuns[:len(beginRuns):len(beginRuns)], endRuns...), 0o644))
	require.NoError(t, hardware(root))
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(text), "No GPU has run this code yet.\n")

	figures := gpuSample("2026-12-01T10:00:00Z")
	figures.Sweeps = []measure.Sweep{{Op: measure.ForwardReduced, N: 1 << 20, At: []measure.Placed{{DeviceNS: measure.Times{Median: 3000}}}}}
	leave(t, left, runSample(), figures)
	for range 2 { // adding the same run twice has no effect
		require.NoError(t, add(root, left))
	}
	later := runSample()
	later.Date = "2026-12-01T11:00:00Z"
	leave(t, left, later, &measure.Result{Left: []string{"all: nothing was measured"}})
	archive := filepath.Join(t.TempDir(), bundle.ArchiveFile)
	pack(t, archive, left)
	require.NoError(t, add(root, archive))
	names, err := filepath.Glob(filepath.Join(root, "bench", "results", "*"))
	require.NoError(t, err)
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	assert.Equal(t, []string{"gpu-nvidia-h100-80gb-2026-12-01.json", "run-nvidia-h100-80gb-2026-12-01-2.json", "run-nvidia-h100-80gb-2026-12-01.json"}, names)

	require.NoError(t, hardware(root))
	text, err = os.ReadFile(page)
	require.NoError(t, err)
	for _, want := range []string{
		"| 2026-12-01 | NVIDIA H100 80GB (sm_90), driver 580.1 for CUDA 13.0 | abc123 | passed, 9000 cases | **differs**, 12 arrays | stopped, 1 groups | memcheck passed, racecheck **cut off** | – | skipped |\n",
		"| forward+backward of 2^24: 12 GB/s, 0.90 of a copy; PyTorch 4.0 ×, compiled – × |",
		"\n### NVIDIA H100 80GB, 2026-12-01\n\n[run-nvidia-h100-80gb-2026-12-01.json](../bench/results/run-nvidia-h100-80gb-2026-12-01.json): done after 431 s, exit 1, with a budget of 480 s; figures in",
		"- PyTorch's bits: differs (0.0 s)\n  - terms | differ\n",
		"- verify: skipped: no time\n",
		"\nOf 13 goals 0 are met, 0 missed, 13 not measured.\n",
		"\nforward mean of 2^20 elements of float32, µs on the device by geometry; 3.00 as package gpu launches it:\n",
	} {
		assert.Contains(t, string(text), want)
	}
	assert.NotContains(t, string(text), "No GPU has run")
}

func TestAddRefuses(t *testing.T) {
	left := t.TempDir()
	require.ErrorContains(t, add(t.TempDir(), left), "run.json")
	r := runSample()
	r.Machine.GPU, r.Machine.NoGPU = "", "no driver"
	leave(t, left, r, &measure.Result{})
	require.ErrorContains(t, add(t.TempDir(), left), "the run had no GPU: no driver")
	r.Machine.GPU = "Simulated GPU"
	leave(t, left, r, &measure.Result{})
	require.ErrorContains(t, add(t.TempDir(), left), `the device is a stand-in, "Simulated GPU"`)
	leave(t, left, &bundle.Run{}, &measure.Result{})
	require.ErrorContains(t, add(t.TempDir(), left), "is no run of the bundle")
	require.ErrorContains(t, add(t.TempDir(), filepath.Join(left, bundle.RunFile)), "run.json: gzip: invalid header")
}

// pack makes an archive like run.sh's.
func pack(t *testing.T, path, dir string) {
	f, err := os.Create(path)
	require.NoError(t, err)
	zip := gzip.NewWriter(f)
	w := tar.NewWriter(zip)
	for _, name := range []string{bundle.RunFile, bundle.FiguresFile} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: "results/" + name, Mode: 0o644, Size: int64(len(text))}))
		_, err = w.Write(text)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, zip.Close())
	require.NoError(t, f.Close())
}
