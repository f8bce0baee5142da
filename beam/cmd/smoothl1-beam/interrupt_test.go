package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain is the command in the processes that TestInterrupt starts.
func TestMain(m *testing.M) {
	if os.Getenv("SMOOTHL1_BEAM_COMMAND") != "" {
		main()
	}
	os.Exit(m.Run())
}

// TestInterrupt interrupts the command when it has begun with 2^31 elements, which take it seconds.
func TestInterrupt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system has no such signals")
	}
	dir := t.TempDir()
	head := "{'descr': '<f2', 'fortran_order': False, 'shape': (2147483648, 1), }"
	head = "\x93NUMPY\x01\x00\x76\x00" + head + strings.Repeat(" ", 117-len(head)) + "\n"
	path := filepath.Join(dir, "p.npy")
	require.NoError(t, os.WriteFile(path, []byte(head), 0o600))
	require.NoError(t, os.Truncate(path, int64(len(head))+2<<31)) // a hole
	for sent, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		var stderr bytes.Buffer
		c := exec.Command(os.Args[0], path, path, "--rows", "--out", filepath.Join(dir, "losses"))
		temporary := t.TempDir()
		c.Env, c.Stderr = append(os.Environ(), "SMOOTHL1_BEAM_COMMAND=1", "TMPDIR="+temporary), &stderr
		require.NoError(t, c.Start())
		begun := func() bool {
			made, err := os.ReadDir(temporary)
			return err == nil && len(made) > 0
		}
		for end := time.Now().Add(time.Minute); !begun() && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, c.Process.Signal(sent))
		require.Error(t, c.Wait())
		require.Equal(t, code, c.ProcessState.ExitCode(), stderr.String())
		require.Equal(t, "smoothl1-beam: interrupted; nothing half written remains\n", stderr.String())
		for folder, n := range map[string]int{temporary: 0, dir: 1} {
			left, err := os.ReadDir(folder)
			require.NoError(t, err)
			require.Len(t, left, n)
		}
	}
}
