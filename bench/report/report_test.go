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
		Device: measure.Device{Name: "a core", Threads: 2}, Commit: "abc", Samples: 9,
		One:    &measure.One{NS: measure.Times{Median: 101}},
		Groups: []measure.Group{group(32, 1), group(32, 2), group(1<<24, 1), group(1<<24, 2)},
	}
}

func TestTargets(t *testing.T) {
	r := sample()
	r.Device.GHz = 4
	other := sample()
	other.Device.Name, other.Device.Threads = "another core", 1
	other.Groups = slices.DeleteFunc(other.Groups, func(g measure.Group) bool { return g.Threads > 1 })
	slow, ok := r.Groups[3].Find(measure.ForwardBackward, measure.Ours)
	require.True(t, ok)
	r.Groups[3].Entries[0].DeviceNS.Median = 1.03 * slow.DeviceNS.Median
	var b bytes.Buffer
	targets(&b, distinct([]machine{{Result: r}, {Result: other}}))
	for _, line := range []string{
		"| | elements | threads | targets | a core, 2 threads | another core, 1 thread |\n|---|---:|---|---|---|---|\n",
		"| forward+backward | 32 | one | – · ≥ 1 · ≥ 50 | – · 1.50 · **6.00** | – · 1.50 · **6.00** |\n",
		"| forward+backward | 32 | all | – · ≥ 1 · ≥ 50 · ≥ 0.98 | – · 1.50 · **6.00** · 1.00 | – |\n",
		"| forward+backward | 2^24 | one | ≥ 0.95 · ≥ 1 · ≥ 5 | 0.96 · 1.50 · 6.00 | 0.96 · 1.50 · 6.00 |\n",
		"| forward+backward | 2^24 | all | ≥ 0.95 · ≥ 1 · ≥ 5 · ≥ 0.98 | **0.93** · 1.46 · 5.83 · **0.97** | – |\n",
		"| forward+backward | 2^20 | one | ≥ 0.9 · ≥ 1 · – | not measured | not measured |\n",
		"| forward none | 2^24 | one | ≥ 0.95 · ≥ 1 · – | not measured | not measured |\n",
		"| forward+backward | 32 | warm | the op | 366 | 32 ns · 128 · 192 ns | 32 ns · – · 192 ns |\n",
		"| forward+backward | 32 | warm | package cpu | – | 3.2 ns · 13 · 192 ns | 3.2 ns · – · 192 ns |\n",
		"| forward+backward | 32 | cold | the op | – | not measured | not measured |\n",
	} {
		assert.Contains(t, b.String(), line)
	}
	// Of one thread 24 rows: 16 have a goal for the ceiling, all for PyTorch preallocated, 4 for PyTorch. As many and 24 of all threads. And
	// 12 calls.
	assert.Contains(t, b.String(), "\n- a core, 2 threads: of 124 targets 9 are met, 4 missed, 111 not measured.\n- another core, 1 thread: of 56 targets 4 are met, 1 missed, ")
}

func TestSmallCallsThatMiss(t *testing.T) {
	r := sample()
	r.Device.GHz = 4
	for i := range r.Groups[0].Entries {
		e := &r.Groups[0].Entries[i]
		e.DeviceNS.Median *= 4 // 128 ns
		cold := *e
		cold.Contender, cold.DeviceNS.Median = measure.Cold(e.Contender), 20_000
		r.Groups[0].Entries = append(r.Groups[0].Entries, cold)
	}
	tallies := make([]tally, 1)
	var b bytes.Buffer
	smallCalls(&b, distinct([]machine{{Result: r}}), tallies)
	assert.Contains(t, b.String(), "| forward+backward | 32 | warm | the op | 366 | 128 ns · **512** · 768 ns |\n")
	assert.Contains(t, b.String(), "| forward+backward | 32 | cold | the op | – | 20.0 µs · 80000 · 20.0 µs |\n")
	assert.Contains(t, b.String(), "through the op, on a core, 2 threads: 101 ns, 0 allocations.")
	assert.Equal(t, tally{missed: 1, unknown: 11}, tallies[0])
}

func TestGoals(t *testing.T) {
	assert.Equal(t, goals{0, 1, 50, 0}, goalsOf(measure.ForwardBackward, 1024, false))
	assert.Equal(t, goals{0, 1, 0, 0}, goalsOf(measure.ForwardNone, 1024, false))
	assert.Equal(t, goals{0, 1, 0, 0}, goalsOf(measure.ForwardNone, 1<<19-1, false))
	assert.Equal(t, goals{0.9, 1, 0, 1 / 1.02}, goalsOf(measure.ForwardBackward, 1<<19, true))
	assert.Equal(t, goals{0.95, 1, 5, 0}, goalsOf(measure.ForwardBackward, 1<<24, false))
	var c tally
	assert.Equal(t, "**0.948**", c.at(0.948, 0.95), "0.95 would read as met")
	assert.Equal(t, "**49.996**", c.at(49.996, 50))
	assert.Equal(t, "**0.90**", c.at(0.9, 0.95))
	assert.Equal(t, "0.95", c.at(0.95, 0.95))
	assert.Equal(t, "12.3", c.at(12.34, 0))
	assert.Equal(t, "123", c.at(123.4, 5))
	assert.Equal(t, "–", c.at(0, 5))
	assert.Equal(t, "–", c.at(0, 0))
	assert.Equal(t, tally{met: 2, missed: 3, unknown: 1}, c)
}

// TestNewest checks which runs are shown, and that machines of one name can be told apart.
func TestNewest(t *testing.T) {
	at := func(name, date, set string, threads int, cache uint64) machine {
		r := sample()
		r.Date, r.Device = date, measure.Device{Backend: "cpu", Name: name, Threads: threads, InstructionSet: set, CacheBytes: cache << 20}
		return machine{Result: r, file: name + date}
	}
	all := distinct([]machine{at("b", "2026-01-02", "avx2", 2, 8), at("b", "2026-01-03T10:00:00Z", "avx2", 2, 8), at("a", "2026-01-01", "avx2", 1, 8),
		at("b", "2026-01-01", "avx2", 2, 32), at("b", "2026-01-01", "avx512", 2, 8), at("b", "2026-01-03", "avx2", 2, 8)})
	var labels, dates []string
	for _, m := range all {
		labels, dates = append(labels, m.label), append(dates, m.Date)
	}
	assert.ElementsMatch(t, []string{"a, 1 thread", "b, 2 threads, avx2, 8 MiB", "b, 2 threads, avx512", "b, 2 threads, avx2, 32 MiB"}, labels)
	assert.Equal(t, "a, 1 thread", labels[0])
	assert.NotContains(t, dates, "2026-01-02")
	assert.NotContains(t, dates, "2026-01-03")
}

func TestDescribe(t *testing.T) {
	m := distinct([]machine{{Result: sample(), file: "f.json"}})[0]
	m.Device.CacheBytes = 3 << 20
	var b bytes.Buffer
	m.describe(&b)
	assert.Contains(t, b.String(), "### a core, 2 threads\n\n2 threads; caches: 3 MiB of last-level cache; the frequency of its cores was not measured; ")
	assert.Contains(t, b.String(), "(../bench/results/f.json)")
	m.Device.Caches = []measure.Cache{{Level: 1, Kind: "data", Bytes: 48 << 10, Threads: 1}, {Level: 1, Kind: "instruction", Bytes: 1, Threads: 1}, {Level: 3, Kind: "unified", Bytes: 32 << 20, Threads: 16}}
	m.Walked = 64 << 20
	m.Device.GHz, m.Device.Tuning = 4.125, "streams from 2 MiB on"
	b.Reset()
	m.describe(&b)
	assert.Contains(t, b.String(), "caches: L1 48 KiB for 1 thread, L3 32 MiB for 16 threads; cores at 4.12 GHz; ")
	assert.Contains(t, b.String(), "Tuning: streams from 2 MiB on. The ceiling is the fastest of 2 loops. Cold calls come after 64 MiB of other memory. Commit abc")
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
	require.ErrorContains(t, run(root), "make bench-cpu-peers")
	require.NoError(t, os.WriteFile(filepath.Join(root, "docs", "performance.md"), slices.Concat(begin, end, beginGPU, endGPU), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(root, "README.md"), slices.Concat(begin, end), 0o644))
	for name, date := range map[string]string{"cpu-2026-01-02.json": "2026-01-02", "cpu-2026-01-10-word.json": "2026-01-10T00:00:00Z"} { // the last is taken
		r := sample()
		r.Date = date
		require.NoError(t, r.Save(filepath.Join(root, "bench", "results", name)))
	}
	other := sample()
	other.Device.Name = "another <core> CPU @ 2.1GHz"
	require.NoError(t, other.Save(filepath.Join(root, "bench", "results", "cpu-2026-01-01-other.json")))
	require.NoError(t, run(root))
	read := func(path ...string) string {
		text, err := os.ReadFile(filepath.Join(root, filepath.Join(path...)))
		require.NoError(t, err)
		return string(text)
	}
	page := read("docs", "performance.md")
	assert.Contains(t, page, "results/cpu-2026-01-10-word.json")
	assert.Contains(t, page, "results/cpu-2026-01-01-other.json")
	assert.NotContains(t, page, "results/cpu-2026-01-02.json")
	assert.Contains(t, page, "No GPU has run these benchmarks yet")
	assert.Contains(t, read("README.md"), "on:\n\n- 0.96 to 0.96, with a median of 0.96, on a core, 2 threads\n- 0.96 to")
	picture := read("docs", "cpu-ceiling.svg")
	for _, text := range []string{"<svg", "2^24", "a core, 2 threads", "another &lt;core&gt;, 2 threads"} {
		assert.Contains(t, picture, text)
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "README.md"), nil, 0o644))
	require.ErrorContains(t, run(root), "README.md: has no line")
}

// TestPagesAreGenerated checks that the committed pages are those of the committed results.
func TestPagesAreGenerated(t *testing.T) {
	const root = "../.."
	all, err := loadMachines(root)
	require.NoError(t, err)
	for page, part := range map[string]generated{"docs/performance.md": {cpuSection(all), begin, end}, "README.md": {reached(all), begin, end}} {
		committed, err := os.ReadFile(filepath.Join(root, page))
		require.NoError(t, err)
		copied := filepath.Join(t.TempDir(), "page.md")
		require.NoError(t, os.WriteFile(copied, committed, 0o644))
		require.NoError(t, generate(copied, part))
		again, err := os.ReadFile(copied)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(committed, again), "%s: run make report", page)
	}
}
