// Package ranks lets tests start their own binary as the ranks of an MPI job.
package ranks

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
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
// is added to. After a minute, the ranks are killed, and the test fails.
func Run(t testing.TB, np int, name string, env ...string) (string, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Start(t, []string{"-np", fmt.Sprint(np)}, append(env, variable+"="+name), self)
}

// Start runs mpirun with the given options, with which any number of ranks fits on this machine, and program, and returns their output.
func Start(t testing.TB, options, env []string, program ...string) (string, error) {
	t.Helper()
	c := Command(t, options, env, program...)
	out, err := c.CombinedOutput()
	if c.Stopped() {
		t.Fatalf("%s: did not end within a minute\n%s", strings.Join(c.Args, " "), out)
	}
	return string(out), err
}

// A Job is a command that starts ranks.
type Job struct {
	*exec.Cmd
	limit context.Context
}

// Stopped reports whether the job took longer than a minute.
func (j *Job) Stopped() bool { return j.limit.Err() == context.DeadlineExceeded }

// Command returns the command that Start runs. Without mpirun, the test is skipped.
func Command(t testing.TB, options, env []string, program ...string) *Job {
	t.Helper()
	if _, err := exec.LookPath("mpirun"); err != nil {
		t.Skip("mpirun (Debian: openmpi-bin) is not installed: ", err)
	}
	limit, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	// The library that single_copy_mechanism names needs a permission that containers do not give.
	args := append([]string{"--oversubscribe", "--bind-to", "none", "--mca", "btl_vader_single_copy_mechanism", "none"}, options...)
	c := exec.CommandContext(limit, "mpirun", append(args, program...)...)
	c.Env = append(append(os.Environ(), "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "GOMAXPROCS=2"), env...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) } // mpirun ends its ranks
	c.WaitDelay = 5 * time.Second
	return &Job{c, limit}
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
