// Package ranks lets tests start their own binary as the ranks of an MPI job.
package ranks

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const variable = "SMOOTHL1_MPI_TEST"

// Main runs the tests, or, in a process that Run has started, the case that it named.
func Main(m *testing.M, cases map[string]func()) {
	name := os.Getenv(variable)
	if name == "" {
		os.Exit(m.Run())
	}
	f, ok := cases[name]
	if !ok {
		fmt.Fprintln(os.Stderr, "no case", name)
		os.Exit(3)
	}
	f()
}

// Run runs a case with the given number of ranks and returns their output, and an error if mpirun's exit code is not 0. The environment
// is added to. After two minutes, the ranks are ended, and the test fails.
func Run(t testing.TB, np int, name string, env ...string) (string, error) {
	t.Helper()
	j := New(t, nil, []string{"-np", strconv.Itoa(np)}, name)
	j.Env = append(j.Env, env...)
	return j.Output()
}

// A Job is a case to be run by mpirun.
type Job struct {
	*exec.Cmd
	t     testing.TB
	limit context.Context
}

// New returns a job: a case with arguments for it, run by mpirun with options, which prefix, if not nil, is the command to start. Any number of
// ranks fits on this machine. Without mpirun, the test is skipped.
func New(t testing.TB, prefix, options []string, name string, args ...string) *Job {
	t.Helper()
	if _, err := exec.LookPath("mpirun"); err != nil {
		t.Skip("mpirun (Debian: openmpi-bin) is not installed: ", err)
	}
	self, err := os.Executable()
	require.NoError(t, err)
	limit, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	// Copies within another process's memory need a permission that containers do not give.
	line := slices.Concat(prefix, []string{"mpirun", "--oversubscribe", "--bind-to", "none", "--mca", "btl_vader_single_copy_mechanism", "none"},
		options, []string{"-x", variable, self}, args)
	c := exec.CommandContext(limit, line[0], line[1:]...)
	c.Env = append(os.Environ(), variable+"="+name, "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) } // upon which mpirun ends its ranks
	c.WaitDelay = 5 * time.Second
	return &Job{c, t, limit}
}

// Output runs the job and returns what the ranks and mpirun print, and an error if the exit code is not 0.
func (j *Job) Output() (string, error) {
	j.t.Helper()
	out, err := j.CombinedOutput()
	j.MustHaveEnded(string(out))
	return string(out), err
}

// MustHaveEnded fails the test if the job took longer than two minutes.
func (j *Job) MustHaveEnded(out string) {
	j.t.Helper()
	if j.limit.Err() == context.DeadlineExceeded {
		j.t.Fatalf("%s: did not end within two minutes\n%s", strings.Join(j.Args, " "), out)
	}
}

// Check is the require.TestingT of a rank: what fails is printed, and ends the rank by a panic.
type Check struct{ Rank int }

// Errorf prints a failure.
func (c Check) Errorf(format string, args ...any) {
	var text bytes.Buffer
	fmt.Fprintf(&text, format, args...)
	fmt.Fprintf(os.Stderr, "rank %d: %s\n", c.Rank, text.Bytes())
}

// FailNow panics.
func (c Check) FailNow() { panic("the check above failed") }

// Pages returns the size of the process's resident memory, in pages of 4 KiB.
func Pages(t require.TestingT) int {
	text, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	n, err := strconv.Atoi(strings.Fields(string(text))[1])
	require.NoError(t, err)
	return n * os.Getpagesize() / 4096
}
