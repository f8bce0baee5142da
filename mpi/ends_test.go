//go:build cgo && linux

package mpi

import (
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/mpi/internal/ranks"
)

// TestEnds ends one of three ranks in various ways while the others wait for it: all must end, with an exit code other than 0.
func TestEnds(t *testing.T) {
	for how, text := range map[string]string{
		"fails": "rank 2: no data", "panics": "rank 1: panic: on purpose", "nil": "rank 1: panic: runtime error: invalid memory address",
		"goexit": "", "killed": "signal 9", "exits": "Exit code:    7", "aborts": "errorcode 5",
	} {
		t.Run(how, func(t *testing.T) {
			name := "ends"
			if how == "fails" {
				name = how
			}
			out, err := ranks.Run(t, 3, name, "HOW="+how)
			require.Error(t, err, out)
			require.Contains(t, out, text)
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
		}
	}
	_ = world.Barrier()
}
