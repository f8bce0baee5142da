//go:build cgo && linux

package mpi

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/mpi/internal/ranks"
)

// TestEnds ends one of three ranks in various ways while the others wait for it: all must end, with the exit code of that rank. (What mpirun itself
// prints is not always there: it may lose a message while it ends.)
func TestEnds(t *testing.T) {
	for how, want := range map[string]struct {
		code int
		text string
	}{
		"fails": {1, "rank 2: no data"}, "panics": {2, "rank 1: panic: on purpose"}, "nil": {2, "rank 1: panic: runtime error: invalid memory address"},
		"goexit": {2, ""}, "killed": {128 + int(syscall.SIGKILL), ""}, "exits": {7, ""}, "aborts": {5, ""},
		"finalizes": {6, ""},
	} {
		t.Run(how, func(t *testing.T) {
			name := "ends"
			if how == "fails" {
				name = how
			}
			out, err := ranks.Run(t, 3, name, "HOW="+how)
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, out)
			require.Equal(t, want.code, exit.ExitCode(), out)
			require.Contains(t, out, want.text)
		})
	}
}

func ends(_ ranks.Check, world *Comm) {
	if world.Rank() == 1 {
		switch os.Getenv("HOW") {
		case "panics":
			panic("on purpose")
		case "nil":
			var p *int
			*p = 1
		case "goexit":
			runtime.Goexit()
		case "killed":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "exits":
			os.Exit(7)
		case "aborts":
			Abort(5)
		case "finalizes": // and gives up waiting for the others
			go func() { _ = Finalize() }()
			for library.mu.TryRLock() {
				library.mu.RUnlock()
				runtime.Gosched()
			}
			Abort(6)
		}
	}
	_ = world.Barrier()
}
