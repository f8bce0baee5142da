//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/files"
)

// TestTwoNamesOfOneFile gives every two outputs of eval, and every output and input, different names of the same file, which may or may
// not exist. The command must reject them and write nothing.
func TestTwoNamesOfOneFile(t *testing.T) {
	dir := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	require.NoError(t, os.Mkdir(at("folder"), 0o777))
	p, q := save(t, dir, "p.npy", []float32{1}, 1), save(t, dir, "t.npy", []float32{1}, 1)
	u := save(t, dir, "u.npy", []float32{1}, 1)
	save(t, at("folder"), "old.npy", []float32{7}, 1)
	require.NoError(t, os.Symlink("folder", at("link")))
	require.NoError(t, os.Symlink(at("folder", "new.npy"), at("to-new.npy")))
	require.NoError(t, os.Symlink("to-new.npy", at("to-link.npy")))
	require.NoError(t, os.Symlink("folder/old.npy", at("to-old.npy")))
	require.NoError(t, os.Link(at("folder", "old.npy"), at("hard.npy")))
	t.Chdir(dir)
	there := []string{"folder/old.npy", at("folder", "old.npy"), "./link/../folder/old.npy", "link/old.npy", "to-old.npy", "hard.npy"}
	fresh := []string{"folder/new.npy", at("folder", "new.npy"), "./folder//new.npy", "link/new.npy", "to-new.npy", "to-link.npy"}
	before := tree(t, dir)
	for _, names := range [][]string{there, fresh} {
		for i, first := range names {
			second := names[(i+1)%len(names)]
			for _, flags := range [][2]string{{"--out", "--grad-pred"}, {"--out", "--grad-target"}, {"--grad-pred", "--grad-target"}} {
				stdout, stderr, code := call("eval", p, q, flags[0], first, flags[1], second)
				requireRefused(t, exitUsage, flags[0]+" and "+flags[1]+" would write the same file: use two names", stdout, stderr, code)
			}
			stdout, stderr, code := call("eval", p, q, "--out", "another.npy", "--grad-pred", first, "--grad-target", second)
			requireRefused(t, exitUsage, "--grad-pred and --grad-target would write the same file", stdout, stderr, code)
		}
	}
	for _, input := range there {
		for _, output := range there {
			for _, arguments := range [][]string{
				{input, q, "--out", output}, {p, input, "--grad-pred", output}, {p, q, "--upstream", input, "--grad-target", output},
			} {
				stdout, stderr, code := call(append([]string{"eval"}, arguments...)...)
				requireRefused(t, exitUsage, " would replace an input: use another name", stdout, stderr, code)
			}
		}
	}
	require.Equal(t, before, tree(t, dir))
	stdout, stderr, code := call("eval", p, q, "--upstream", u, "--out", "folder/new.npy", "--grad-pred", "new.npy", "--grad-target", "link/newer.npy")
	require.Zero(t, code, stderr)
	assert.Equal(t, "0\n", stdout)
}

// TestOutputIsTheFileOfStandardOutput names an output that standard output is redirected to, and that would be replaced.
func TestOutputIsTheFileOfStandardOutput(t *testing.T) {
	dir := t.TempDir()
	p := save(t, dir, "p.npy", []float32{1}, 1)
	for _, arguments := range [][]string{
		{"eval", p, p, "--out"}, {"eval", p, p, "--grad-pred"}, {"eval", p, p, "--grad-target"}, {"plot", "-o"},
		{"bench", "--device", "cpu", "--sizes", "8", "--samples", "1", "--rotate", "1", "-o"},
	} {
		path := filepath.Join(dir, "r.svg")
		log, err := os.Create(path)
		require.NoError(t, err)
		c := command(append(arguments, path)...)
		var stderr bytes.Buffer
		c.Stdout, c.Stderr = log, &stderr
		require.Error(t, c.Run(), arguments)
		require.NoError(t, log.Close())
		require.Equal(t, exitUsage, c.ProcessState.ExitCode())
		require.Contains(t, stderr.String(), "would replace the file that standard output goes to")
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Empty(t, text)
	}
}

// tree returns the contents of all files below a folder.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	}))
	return all
}

// Two descriptors of one pipe take each other's input, whereas two of one file have a position each.
func TestTwoDescriptorsOfAnInput(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	path := save(t, t.TempDir(), "p.npy", []float32{1}, 1)
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	again, err := os.Open(path)
	require.NoError(t, err)
	defer again.Close()
	place := func(f *os.File) files.Place {
		n, err := syscall.Dup(int(f.Fd())) // as if inherited
		require.NoError(t, err)
		t.Cleanup(func() { syscall.Close(n) })
		p, err := files.Input(fmt.Sprintf("/dev/fd/%d", n))
		require.NoError(t, err)
		return p
	}
	assert.True(t, readsAway(place(r), place(r)))
	assert.False(t, readsAway(place(file), place(again)))
}
