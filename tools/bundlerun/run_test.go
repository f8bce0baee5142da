//go:build linux

package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/bundle"
	"github.com/smoothl1/smoothl1/internal/measure"
)

// Scripts that stand in for the programs of the bundle. $out is the file given by -results or -o.
const (
	devicesOK    = `[ "$1" = devices ] && echo '{"cuda": {"version": "13.0", "devices": [{"name": "A GPU", "architecture": "sm_90", "memory_bytes": 5}]}}'`
	devicesNone  = `[ "$1" = devices ] && echo '{"cuda": {"reason": "no driver"}}'`
	devicesBad   = `[ "$1" = devices ] && echo '{"cuda": {"devices": [{"error": "illegal"}]}}'`
	verifyOK     = `[ "$1" = devices ] || echo '{"cases": 7, "asked": 70, "mismatches": 0}'`
	verifyWrong  = `[ "$1" = devices ] || { echo '{"cases": 7, "asked": 70, "mismatches": 2, "failures": ["a", "b"]}'; exit 1; }`
	testOK       = `echo '{"passed": true, "columns": {"CUDA": {"cases": 9, "kernels": 20}, "cpu": {"cases": 3}}}' >"$out"; echo "========= ERROR SUMMARY: 0 errors"`
	testWrong    = `echo '{"columns": {"CUDA": {"cases": 9, "kernels": 20, "failed": ["op=forward"]}}}' >"$out"; exit 1`
	testPanics   = `echo 'panic: oh'; exit 2`
	testHangs    = testOK + `; trap "" TERM; sleep 100 & sleep 100`
	figuresOK    = `echo '{"device": {"backend": "cuda"}, "groups": [{"n": 32, "shape": [32]}], "sweeps": [{"op": "forward", "n": 64}], "peers": [{"contender": "pytorch", "version": "2.11"}], "bits": [{"what": "terms", "contender": "pytorch", "elements": 4}]}' >"$out"`
	figuresWrong = `echo '{"bits": [{"what": "terms", "contender": "pytorch", "elements": 4, "different": 2, "zero_signs": 1, "max_ulps": 3}], "peers": [{"contender": "pytorch", "version": "2.11"}]}' >"$out"; echo "wrong answer: forward"; [ "$2" = bits ]`
	noPyTorch    = `echo '{"no_peers": "none here"}' >"$out"`
	vectorsOK    = `echo "  cuda_test.go:1: 12 of 13 instructions"`
	vectorsWrong = vectorsOK + `; echo "    --- FAIL: TestCUDADevice/bits.txt"; exit 1`
)

// stage makes a bundle of scripts.
func stage(t *testing.T, smoothl1, gpubench, difftest, vectors string) *runner {
	root := t.TempDir()
	for path, text := range map[string]string{"smoothl1": smoothl1, "gpubench": gpubench, difftestDir + "/difftest.test": difftest, vectorsDir + "/vectors.test": vectors} {
		path = filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		find := "for a; do case $last in -o | -results) out=$a ;; esac; last=$a; done\n"
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+find+text+"\n"), 0o755))
	}
	sanitizer := filepath.Join(root, "sanitizer")
	require.NoError(t, os.WriteFile(sanitizer, []byte("#!/bin/sh\nshift 4\nexec \"$@\"\n"), 0o755))
	k, err := openKeeper(filepath.Join(t.TempDir(), "results"), "abc", 0)
	require.NoError(t, err)
	return &runner{keeper: k, root: root, python: "python3", sanitizer: sanitizer, begin: time.Now()}
}

// outcomes returns the outcomes of the steps, except nvidia-smi, which depends on this machine.
func outcomes(r *bundle.Run) string {
	var all []string
	for _, s := range r.Steps[1:] {
		all = append(all, string(s.Outcome))
	}
	return strings.Join(all, ", ")
}

func TestOutcomes(t *testing.T) {
	const good = "passed, passed, passed, passed, passed, passed, passed, passed, passed, passed, passed, passed"
	for name, c := range map[string]struct {
		smoothl1, gpubench, difftest, vectors string
		exit                                  int
		outcomes                              string
	}{
		"good":       {devicesOK + "\n" + verifyOK, figuresOK, testOK, vectorsOK, 0, good},
		"wrong":      {devicesOK + "\n" + verifyWrong, figuresWrong, testWrong, vectorsWrong, 1, "passed, " + strings.TrimSuffix(strings.Repeat("differs, ", 11), ", ")},
		"no GPU":     {devicesNone, "", testOK, "", 3, "passed, passed" + strings.Repeat(", skipped", 10)},
		"bad GPU":    {devicesBad, "", testOK, "", 1, "failed, passed" + strings.Repeat(", skipped", 10)},
		"no PyTorch": {devicesOK + "\n" + verifyOK, noPyTorch, testOK, vectorsOK, 0, "passed, passed, skipped" + strings.Repeat(", passed", 7) + ", skipped, passed"},
		"panics":     {devicesOK + "\n" + verifyOK, figuresOK, testPanics, vectorsOK, 1, "passed, failed, passed, passed, failed, failed, failed, failed, passed, passed, passed, passed"},
		"silent":     {devicesOK + "\n" + verifyOK, "exit 0", "exit 0", "exit 0", 1, "passed, passed, passed, passed, failed, failed, failed, failed, failed, passed, passed, passed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := stage(t, c.smoothl1, c.gpubench, c.difftest, c.vectors)
			assert.Equal(t, c.exit, r.all(plan()))
			run, err := bundle.Load(filepath.Join(r.keeper.folder, bundle.RunFile))
			require.NoError(t, err)
			assert.Equal(t, c.outcomes, outcomes(run), "%+v", run.Steps)
			assert.Equal(t, bundle.Done, run.State)
			assert.Equal(t, c.exit, run.Exit)
			if name == "good" {
				assert.Equal(t, "A GPU", run.Machine.GPU)
				assert.Equal(t, "2.11", run.Machine.PyTorch)
				s, _ := run.Step(bundle.Differential)
				assert.Equal(t, 9, s.Cases)
				figures, err := measure.Load(filepath.Join(r.keeper.folder, bundle.FiguresFile))
				require.NoError(t, err)
				assert.Len(t, figures.Groups, 1)
				require.Len(t, figures.Sweeps, 4, "of each step that measures")
				s, _ = run.Step(bundle.Geometry)
				assert.Equal(t, 1, s.Cases)
				assert.Contains(t, s.Note, "forward of 64 elements: ")
				assert.Subset(t, members(t, r.keeper.folder), []string{"run.json", "figures.json", "devices.log", "difftest.json", "racecheck.json", "PyTorchs-bits.log"})
			}
			names, err := os.ReadDir(r.keeper.folder)
			require.NoError(t, err)
			assert.Len(t, names, 3)
		})
	}
}

func members(t *testing.T, folder string) (names []string) {
	f, err := os.Open(filepath.Join(folder, bundle.ArchiveFile))
	require.NoError(t, err)
	defer f.Close()
	zip, err := gzip.NewReader(f)
	require.NoError(t, err)
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		require.NoError(t, err)
		names = append(names, filepath.Base(h.Name))
	}
}

// TestHang cuts off a step that ignores signals, kills its child processes too, keeps its results, and goes on.
func TestHang(t *testing.T) {
	r := stage(t, devicesOK, figuresOK, `echo $$ >"$out.pid"; `+testHangs, vectorsOK)
	steps := plan()[1:4]
	steps[1].most = 500 * time.Millisecond
	begin := time.Now()
	assert.Equal(t, exitFailed, r.all(append(steps, &step{name: "last", share: 1, most: time.Minute, command: vectors, read: readVectors})))
	assert.Less(t, time.Since(begin), 25*time.Second)
	run := r.keeper.run
	assert.Equal(t, []bundle.Outcome{bundle.Passed, bundle.CutOff, bundle.Passed, bundle.Passed},
		[]bundle.Outcome{run.Steps[0].Outcome, run.Steps[1].Outcome, run.Steps[2].Outcome, run.Steps[3].Outcome})
	assert.Equal(t, 9, run.Steps[1].Cases, "it has left these")
}

// TestSignal ends a run in the middle of a step, and checks that the results until then have been written.
func TestSignal(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	r := stage(t, devicesOK, figuresOK, "echo $$ >"+pid+"; sleep 100", vectorsOK)
	signals := make(chan os.Signal, 1)
	r.signals = signals
	during := make(chan *bundle.Run, 1)
	go func() {
		for {
			if text, _ := os.ReadFile(pid); len(text) > 1 {
				run, err := bundle.Load(filepath.Join(r.keeper.folder, bundle.RunFile))
				assert.NoError(t, err)
				during <- run
				signals <- syscall.SIGTERM
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	assert.Equal(t, 128+15, r.all(plan()[1:]))
	run := <-during
	require.Len(t, run.Steps, 2)
	assert.Equal(t, bundle.Running, run.State)
	assert.Equal(t, bundle.Broken, run.Steps[1].Outcome)
	run, err := bundle.Load(filepath.Join(r.keeper.folder, bundle.RunFile))
	require.NoError(t, err)
	assert.Equal(t, bundle.Interrupted, run.State)
	require.Len(t, run.Steps, 2)
	text, err := os.ReadFile(pid)
	require.NoError(t, err)
	number, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	assert.ErrorIs(t, syscall.Kill(number, 0), syscall.ESRCH)
}

// TestPlan checks the order of the steps, that of their value to a short run.
func TestPlan(t *testing.T) {
	var names []string
	for _, s := range plan() {
		names = append(names, s.name)
		assert.Positive(t, s.share, s.name)
		assert.Less(t, s.least, s.most, s.name)
	}
	assert.Equal(t, []string{bundle.NvidiaSMI, bundle.Devices, bundle.Differential, bundle.Bits, bundle.Main}, names[:5])
	assert.Equal(t, []string{bundle.Verify, bundle.Geometry, bundle.Full}, names[len(names)-3:])
}

func TestLimits(t *testing.T) {
	steps := []*step{{share: 1, most: time.Hour}, {share: 3, least: 10 * time.Second, most: time.Hour}, {share: 4, most: 30 * time.Second}}
	assert.Equal(t, 10*time.Second, limitOf(steps, 0, 80*time.Second))
	assert.Equal(t, 30*time.Second, limitOf(steps, 1, 70*time.Second))
	assert.Equal(t, 33*time.Second, limitOf(steps, 1, 77*time.Second), "what the first has left")
	assert.Equal(t, 10*time.Second, limitOf(steps, 1, 14*time.Second), "what it needs at least")
	assert.Equal(t, 30*time.Second, limitOf(steps, 2, 77*time.Second), "more is not of use")

	// A step that would end after the budget is skipped, and one that is cut off by the end of the budget has not failed.
	r := stage(t, devicesOK, figuresOK, "sleep 100", vectorsOK)
	r.budget = reserve + 5*time.Second
	steps = plan()[1:4]
	steps[1].least, steps[2].least = 4500*time.Millisecond, time.Minute
	assert.Equal(t, exitPassed, r.all(steps))
	assert.Equal(t, bundle.Stopped, r.keeper.run.Steps[1].Outcome)
	assert.Equal(t, bundle.Skipped, r.keeper.run.Steps[2].Outcome)
	assert.Less(t, time.Since(r.begin), r.budget+grace)
	assert.Equal(t, bundle.Passed, r.keeper.run.Steps[0].Outcome, "which devices there are is asked in any case")
}

// TestLosesTheFolder checks that results are printed if they cannot be written.
func TestLosesTheFolder(t *testing.T) {
	r := stage(t, devicesOK, figuresOK, testOK, vectorsOK)
	require.NoError(t, os.RemoveAll(r.keeper.folder))
	assert.Equal(t, exitFailed, r.all(plan()[:2]))
	_, err := openKeeper("/proc/smoothl1", "abc", 0)
	require.Error(t, err)
}

func TestArguments(t *testing.T) {
	assert.Equal(t, exitUsage, run([]string{"a", "b"}, nil))
	assert.Equal(t, exitUsage, run([]string{""}, nil))
	for text, want := range map[string]time.Duration{"": 0, "60": time.Minute, "0.5": time.Second / 2} {
		got, err := budgetOf(text)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"0", "-1", "NaN", "Inf", "1e300", "soon", "60s"} {
		_, err := budgetOf(text)
		require.ErrorContains(t, err, "BUDGET="+text)
	}
	assert.Empty(t, find("nowhere-at-all", "sh"))
	assert.NotEmpty(t, find("", "/nowhere*/sh", "/bin/s[h]"))
}

// TestSanitizerSays parses the output of compute-sanitizer.
func TestSanitizerSays(t *testing.T) {
	for text, want := range map[string]bundle.Outcome{
		"========= ERROR SUMMARY: 0 errors":                                       bundle.Passed,
		"========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)": bundle.Passed,
		"========= RACECHECK SUMMARY: 2 hazards displayed (2 errors, 0 warnings)": bundle.Differs,
		"========= Invalid __global__ read\n========= ERROR SUMMARY: 1 error":     bundle.Differs,
		"========= Error: Device not supported":                                   bundle.Skipped,
		"PASS":                                                                    bundle.Failed,
	} {
		r := stage(t, "", "", "", "")
		s := &bundle.Step{Name: bundle.Sanitizers + "memcheck", Outcome: bundle.Passed}
		require.NoError(t, os.WriteFile(r.keeper.path(logName(s.Name)), []byte(text), 0o600))
		left, err := json.Marshal(map[string]any{"columns": map[string]any{"CUDA": map[string]int{"cases": 3}}})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(r.keeper.path("memcheck.json"), left, 0o600))
		readSanitizer("memcheck")(r, s, 0)
		assert.Equal(t, want, s.Outcome, text)
	}
}
