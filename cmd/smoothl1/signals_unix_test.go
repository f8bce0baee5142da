//go:build unix

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSignals ends the command wherever it may be blocked, and checks that it leaves nothing behind, says so, and exits with the signal's
// code.
func TestSignals(t *testing.T) {
	// The parent of the test may have set signals to be ignored. Those that are caught here have their default action in children.
	caught := make(chan os.Signal, 100)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
	large := t.TempDir()
	p, q := sparse(t, large, "p.npy", 1<<28), sparse(t, large, "t.npy", 1<<28)
	small := save(t, large, "s.npy", []float32{1}, 1)
	begin := time.Now()
	require.NoError(t, command("--version").Run())
	start := time.Since(begin) // the time to start a process on this machine
	for name, arguments := range map[string][]string{
		"computes":                   {"eval", p, q, "--grad-pred", "g.npy", "--out", "o.npy", "--device", "sim"},
		"opens a pipe to read":       {"eval", "fifo", small, "--grad-pred", "g.npy"},
		"opens a pipe to write":      {"eval", small, small, "--out", "fifo"},
		"opens a pipe for a picture": {"plot", "-o", "fifo"},
		"reads standard input":       {"eval", "-", small, "--grad-pred", "g.npy"},
		"writes to a full pipe":      {"eval", p, q, "--reduction", "none", "--grad-pred", "g.npy", "--out", "-", "--device", "cpu"},
		"prints to a full pipe":      {"bench", "--device", "cpu", "--samples", "1", "--rotate", "1", "--sizes", strings.TrimPrefix(strings.Repeat(",8", 3000), ",")},
		"measures":                   {"bench", "--device", "cpu", "--sizes", "16777216", "--samples", "100000", "-o", "r.json"},
		"measures on sim":            {"bench", "--device", "sim", "--sizes", "16777216", "--samples", "100000", "-o", "r.json"},
		"waits for PyTorch":          {"bench", "--device", "cpu", "--sizes", "16", "--torch", "./python"},
		"verifies":                   {"verify", "--device", "sim", "--cases", "1000000"},
	} {
		for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
			if s != syscall.SIGINT && name != "computes" {
				continue // one place handles all signals
			}
			t.Run(name+"/"+s.String(), func(t *testing.T) {
				t.Parallel()
				for wait := 100*time.Millisecond + 2*start; ; wait *= 3 {
					if endBySignal(t, arguments, s, wait) {
						break
					}
				}
			})
		}
	}
}

// endBySignal returns false if the signal arrived before the command had begun.
func endBySignal(t *testing.T, arguments []string, s syscall.Signal, wait time.Duration) bool {
	dir := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "python"), []byte("#!/bin/sh\necho $$ >pid\nexec sleep 1000\n"), 0o755))
	temporary := t.TempDir()
	c := command(arguments...)
	var stderr bytes.Buffer
	c.Dir, c.Env, c.Stderr = dir, append(c.Env, "TMPDIR="+temporary), &stderr
	c.WaitDelay = 10 * time.Second
	in, err := c.StdinPipe()
	require.NoError(t, err)
	defer in.Close()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	c.Stdout = w // a pipe that nobody reads
	if arguments[0] == "verify" {
		c.Stdout = io.Discard
	}
	require.NoError(t, c.Start())
	w.Close()
	time.Sleep(wait)
	require.NoError(t, c.Process.Signal(s))
	begin := time.Now()
	_ = c.Wait()
	took := time.Since(begin)
	if c.ProcessState.Sys().(syscall.WaitStatus).Signaled() && wait < 10*time.Second {
		return false
	}
	require.Equal(t, 128+int(s), c.ProcessState.ExitCode(), "%s", &stderr)
	require.Less(t, took, 5*time.Second) // less than one on an idle machine
	require.Regexp(t, `(^|\n)smoothl1: interrupted[^\n]*\n$`, stderr.String())
	if slices.Contains(arguments, "./python") {
		text, err := os.ReadFile(filepath.Join(dir, "pid"))
		if err != nil && wait < 10*time.Second {
			return false
		}
		require.NoError(t, os.Remove(filepath.Join(dir, "pid")))
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		require.NoError(t, err)
		gone := func() bool { return syscall.Kill(pid, 0) != nil }
		require.Eventually(t, gone, 5*time.Second, 10*time.Millisecond, "Python goes on")
	}
	require.Equal(t, []string{"fifo", "python"}, names(t, dir))
	require.Empty(t, names(t, temporary))
	return true
}

// TestIgnoredSignals starts the command from a shell as nohup does, and in the background.
func TestIgnoredSignals(t *testing.T) {
	dir := t.TempDir()
	p := save(t, dir, "p.npy", []float32{1}, 1)
	content, err := os.ReadFile(p)
	require.NoError(t, err)
	c := exec.Command("sh", append([]string{"-c", `trap "" HUP INT; exec "$@"`, "sh"}, command("eval", "-", p).Args...)...)
	c.Env = append(os.Environ(), asCommand+"=1")
	in, err := c.StdinPipe()
	require.NoError(t, err)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	require.NoError(t, c.Start())
	for range 5 {
		time.Sleep(200 * time.Millisecond)
		require.NoError(t, c.Process.Signal(syscall.SIGHUP))
		require.NoError(t, c.Process.Signal(syscall.SIGINT))
	}
	_, err = in.Write(content)
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.NoError(t, c.Wait(), "%s", &out)
	assert.Equal(t, "0\n", out.String())
}

// TestSecondSignal checks that a signal sent to a process and immediately to its group counts as one.
func TestSecondSignal(t *testing.T) {
	assert.False(t, isSecond(syscall.SIGTERM, syscall.SIGTERM, settling/2))
	assert.True(t, isSecond(syscall.SIGTERM, syscall.SIGTERM, 2*settling))
	assert.True(t, isSecond(syscall.SIGTERM, syscall.SIGINT, 0))
}
