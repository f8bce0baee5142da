package difftest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/kernels"
)

// results are the results that a run writes to a file if asked to, as on a CUDA host. They are written every second, so that a run that is
// killed leaves some too.
type results struct {
	Device  string            `json:"device"`
	Date    string            `json:"date"`
	Go      string            `json:"go"`
	Commit  string            `json:"commit,omitempty"`
	Passed  bool              `json:"passed"`
	Running bool              `json:"running,omitempty"` // the run has not finished
	Stopped bool              `json:"stopped,omitempty"` // cases were skipped because time was up
	Seconds float64           `json:"seconds"`
	Columns map[string]*tally `json:"columns"`
}

// tally counts the cases of a column.
type tally struct {
	Cases    int      `json:"cases"`
	Elements int      `json:"elements"`
	Kernels  int      `json:"kernels"` // number of kernels that the cases launch
	Failed   []string `json:"failed,omitempty"`

	kernels map[string]bool
}

// commit is set by the linker in the bundle.
var commit string

var (
	recordMu sync.Mutex
	recorded = map[string]*tally{}
	begin    = time.Now()
	written  = begin // time of the last write
	stopped  atomic.Bool
)

// timeIsUp reports whether the time limit is reached, so that no more cases may begin.
func timeIsUp() bool {
	if *limit > 0 && time.Since(begin) > *limit {
		stopped.Store(true)
	}
	return stopped.Load()
}

// heedTime skips the test if no time is left.
func heedTime(t *testing.T) {
	t.Helper()
	if timeIsUp() {
		t.Skip("time is up")
	}
}

// record records the outcome of a case and returns the number of failures of the column.
func record(column string, c Case, err error) (failed int) {
	recordMu.Lock()
	defer recordMu.Unlock()
	t := recorded[column]
	if t == nil {
		t = &tally{kernels: map[string]bool{}}
		recorded[column] = t
	}
	t.Cases++
	t.Elements += c.Elements()
	for _, v := range c.Variants() {
		t.kernels[v.Name()] = true
	}
	t.Kernels = len(t.kernels)
	if err != nil {
		t.Failed = append(t.Failed, c.String())
	}
	if *resultsFile != "" && (time.Since(written) > time.Second || err != nil) {
		written = time.Now()
		if err := writeResults(results{Running: true}); err != nil {
			fmt.Fprintln(os.Stderr, "difftest:", err) // TestMain fails if the last write does
		}
	}
	return len(t.Failed)
}

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400) // most objects live for only one case
	code := m.Run()
	if *resultsFile != "" {
		if err := writeResults(results{Passed: code == 0, Stopped: stopped.Load()}); err != nil {
			fmt.Fprintln(os.Stderr, "difftest:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// device describes the device of the results.
var device = sync.OnceValues(func() (string, error) {
	dev, err := gpu.Open()
	if err != nil {
		return "", err
	}
	return dev.String(), dev.Close()
})

// writeResults completes the results and writes them, replacing earlier ones.
func writeResults(r results) (err error) {
	if r.Device, err = device(); err != nil {
		return err
	}
	r.Date, r.Go, r.Commit = time.Now().UTC().Format(time.RFC3339), runtime.Version(), commit
	r.Seconds, r.Columns = time.Since(begin).Seconds(), recorded
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(*resultsFile+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(*resultsFile+".new", *resultsFile)
}

// TestFor runs the test binary as the bundle does, with a very short time limit.
func TestFor(t *testing.T) {
	self, file := testkit.Self(t), filepath.Join(t.TempDir(), "r.json")
	for _, c := range []struct {
		arguments []string
		check     func(results, *tally)
	}{
		{[]string{"-for", "1ns"}, func(r results, cpu *tally) {
			assert.True(t, r.Stopped)
			assert.Nil(t, cpu)
		}},
		{[]string{"-test.short"}, func(r results, cpu *tally) {
			assert.False(t, r.Stopped)
			assert.Equal(t, len(kernels.All()), cpu.Kernels)
			assert.Greater(t, cpu.Cases, 300)
		}},
	} {
		arguments := append(c.arguments, "-test.run", "^TestTable$", "-only", "cpu", "-results", file)
		out, err := exec.Command(self, arguments...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var r results
		require.NoError(t, json.Unmarshal(text, &r))
		assert.True(t, r.Passed)
		assert.False(t, r.Running)
		c.check(r, r.Columns["cpu"])
	}
	out, err := exec.Command(self, "-test.run", "^TestTable$", "-only", "abacus").CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), `there is no column "abacus" here`)
}
