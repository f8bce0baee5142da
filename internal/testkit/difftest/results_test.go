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

// results are what a run leaves behind where it is asked to: a CUDA host's is kept. They are written every second, so that a run
// that is ended leaves some too.
type results struct {
	Device  string            `json:"device"`
	Date    string            `json:"date"`
	Go      string            `json:"go"`
	Commit  string            `json:"commit,omitempty"`
	Passed  bool              `json:"passed"`
	Running bool              `json:"running,omitempty"` // it has not come to its end
	Stopped bool              `json:"stopped,omitempty"` // cases were left out, since time was up
	Seconds float64           `json:"seconds"`
	Columns map[string]*tally `json:"columns"`
}

// tally counts the cases of a column.
type tally struct {
	Cases    int      `json:"cases"`
	Elements int      `json:"elements"`
	Kernels  int      `json:"kernels"` // that these cases are for
	Failed   []string `json:"failed,omitempty"`

	kernels map[string]bool
}

// commit is set by the linker in the bundle.
var commit string

var (
	recordMu sync.Mutex
	recorded = map[string]*tally{}
	begin    = time.Now()
	written  = begin // when the results were, last
	stopped  atomic.Bool
)

// timeIsUp says whether no more cases are to be begun.
func timeIsUp() bool {
	if *limit > 0 && time.Since(begin) > *limit {
		stopped.Store(true)
	}
	return stopped.Load()
}

// heedTime skips a test for which there is no time left.
func heedTime(t *testing.T) {
	t.Helper()
	if timeIsUp() {
		t.Skip("time is up")
	}
}

// record takes a case down and returns how many of the column have failed.
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
	t.kernels[c.Kernel()] = true
	t.Kernels = len(t.kernels)
	if err != nil {
		t.Failed = append(t.Failed, c.String())
	}
	if *resultsFile != "" && (time.Since(written) > time.Second || err != nil) {
		written = time.Now()
		if err := writeResults(results{Running: true}); err != nil {
			fmt.Fprintln(os.Stderr, "difftest:", err) // the last ones are an error
		}
	}
	return len(t.Failed)
}

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400) // most of what is made lives for a case alone
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

// writeResults completes the results and writes them, in the place of the last ones.
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

// TestFor runs this test's binary as the bundle does, with hardly any time.
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
