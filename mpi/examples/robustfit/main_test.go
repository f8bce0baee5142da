//go:build cgo && linux

package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/mpi/internal/ranks"
)

func TestMain(m *testing.M) { ranks.Main(m, map[string]func(){"main": main}) }

func job(t *testing.T, np int, args ...string) *ranks.Job {
	return ranks.New(t, nil, []string{"-np", strconv.Itoa(np)}, "main", args...)
}

var bits = regexp.MustCompile(`(?m)^bits: (\S+ \S+ \S+)`)

// fitted returns the coefficients and the loss, bit for bit, that a run prints.
func fitted(t *testing.T, np int, args ...string) string {
	out, err := job(t, np, args...).Output()
	require.NoError(t, err, out)
	require.Regexp(t, bits, out)
	return bits.FindStringSubmatch(out)[1]
}

var rows = []string{"-n", "9000", "-steps", "300"}

func TestAnyNumberOfRanks(t *testing.T) {
	want := fitted(t, 1, rows...)
	for np := 2; np <= 7; np++ {
		require.Equal(t, want, fitted(t, np, rows...), "%d ranks", np)
	}
	out, err := job(t, 3, "-progress").Output()
	require.NoError(t, err)
	// The minimum, computed by iteratively reweighted least squares to 1e-14, is −102.529444 and 2.039597.
	require.Contains(t, out, "y = -102.529444 +2.039597·x")
	require.Contains(t, out, "\rstep 2000 of 2000")
}

// TestKilled kills a rank in the middle of a run, and goes on with another number of ranks.
func TestKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fit.ckpt")
	s := settings{rows: 9000, delta: 12.117, rate: 0.5}
	j := job(t, 3, "-n", "9000", "-steps", "100000000", "-checkpoint", file, "-every", "10")
	var out strings.Builder
	j.Stdout, j.Stderr = &out, &out
	require.NoError(t, j.Start())
	require.Eventually(t, func() bool {
		_, err := os.Stat(file)
		return err == nil
	}, 50*time.Second, time.Millisecond, "no checkpoint")
	require.NoError(t, syscall.Kill(child(t, j.Process.Pid), syscall.SIGKILL))
	require.Error(t, j.Wait())
	j.MustHaveEnded(out.String())
	require.Equal(t, 128+int(syscall.SIGKILL), j.ProcessState.ExitCode(), out.String())

	x, err := os.ReadFile(file)
	require.NoError(t, err)
	now, err := decode(x, s, 1e8)
	require.NoError(t, err)
	require.Positive(t, now.step)
	steps := fmt.Sprint(now.step + 200)
	want := fitted(t, 1, "-n", "9000", "-steps", steps)
	resumed := []string{"-n", "9000", "-steps", steps, "-checkpoint", file}
	require.Equal(t, want, fitted(t, 2, resumed...))
	require.Equal(t, want, fitted(t, 3, resumed...), "from the last checkpoint, with no step left")

	// A checkpoint that is broken, or that cannot be written, is an error of all ranks.
	require.NoError(t, os.WriteFile(file, x[:50], 0o600))
	text, err := job(t, 2, resumed...).Output()
	require.Error(t, err)
	require.Contains(t, text, "checkpoint "+file+": 50 bytes, where a checkpoint has 88")
	text, err = job(t, 2, "-n", "9000", "-steps", "5", "-checkpoint", filepath.Join(file, "none")).Output()
	require.Error(t, err)
	require.Contains(t, text, "not a directory")
}

// child returns the last process that the given one has started.
func child(t *testing.T, parent int) int {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	last := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		var state string
		var pid, of int
		_, after, _ := strings.Cut(string(text), ") ")
		if _, err := fmt.Sscan(after, &state, &of); err == nil && of == parent && state != "Z" {
			_, err := fmt.Sscan(string(text), &pid)
			require.NoError(t, err)
			last = max(last, pid)
		}
	}
	require.NotZero(t, last)
	return last
}

func TestCheckpoint(t *testing.T) {
	s := settings{rows: 5, delta: 1, rate: 2}
	now := state{step: 7, a: 1.5, b: -2}
	x := encode(s, &now)
	require.Len(t, x, fileBytes)
	got, err := decode(x, s, 7)
	require.NoError(t, err)
	require.Equal(t, now, got)
	for i := range x {
		x[i] ^= 1
		_, err := decode(x, s, 7)
		require.Error(t, err, "byte %d", i)
		x[i] ^= 1
	}
	for text, f := range map[string]func() error{
		"not a checkpoint": func() error { _, err := decode(nil, s, 7); return err },
		"89 bytes":         func() error { _, err := decode(append(x, 0), s, 7); return err },
		"version 2":        func() error { _, err := decode([]byte(magic[:7]+"\x02"), s, 7); return err },
		"-n 5 -delta 1":    func() error { _, err := decode(x, settings{}, 7); return err },
		"step 7":           func() error { _, err := decode(x, s, 6); return err },
	} {
		require.ErrorContains(t, f(), text)
	}

	dir := t.TempDir()
	file := filepath.Join(dir, "x")
	require.NoError(t, write(file, x))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	require.Error(t, write(filepath.Join(dir, "folder"), x))
	require.NoError(t, os.Symlink("/dev/full", file+".next"))
	require.ErrorIs(t, write(file, []byte("new")), syscall.ENOSPC)
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, x, kept, "a full disk leaves the old one")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2, "nothing half written is left")
}

func TestReadCheckpoint(t *testing.T) {
	dir := t.TempDir()
	large, pipe := filepath.Join(dir, "large"), filepath.Join(dir, "pipe")
	require.NoError(t, os.WriteFile(large, nil, 0o600))
	require.NoError(t, os.Truncate(large, 1<<40))
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for file, text := range map[string]string{large: "1099511627776 bytes", pipe: "not a regular file", dir: "not a regular file", "/dev/full": "not a regular file"} {
		_, err := read(file)
		require.ErrorContains(t, err, file+": "+text)
	}
}

func TestFlags(t *testing.T) {
	good, how := settings{delta: 1, rate: 1}, options{every: 1}
	for _, s := range []settings{{rows: -1, delta: 1, rate: 1}, {rows: math.MaxInt, delta: 1, rate: 1}, {delta: 1}, {delta: 1, rate: math.NaN()}, {delta: 1, rate: math.Inf(1)}} {
		require.ErrorContains(t, run(nil, s, how), "robustfit: -")
	}
	for _, o := range []options{{}, {steps: -1, every: 1}} {
		require.ErrorContains(t, run(nil, good, o), "robustfit: -n 0")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	out, err := job(t, 1, "-steps", "5", ":", "-np", "1", self, "-steps", "5", "-rate", "0.25").Output()
	require.Error(t, err)
	require.Contains(t, out, "rank 1: robustfit: started with other flags than rank 0")
}

func TestColumns(t *testing.T) {
	for _, text := range []string{"", "year,calls\n1,2", "year,calls\n1,2\n3,x", "a,b\n1,2\n3", "a\n1\n2"} {
		_, _, err := columns([]byte(text))
		require.ErrorContains(t, err, "phones.csv", text)
	}
	x, y, err := columns(phones)
	require.NoError(t, err)
	require.Len(t, x, 24)
	require.Len(t, y, 24)
}
