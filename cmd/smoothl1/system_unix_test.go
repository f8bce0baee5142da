//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sparse makes a sparse file of n float32 zeros.
func sparse(t *testing.T, dir, name string, n int) string {
	t.Helper()
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }", n)
	dict += strings.Repeat(" ", 117-len(dict)) + "\n"
	path := write(t, dir, name, append([]byte("\x93NUMPY\x01\x00\x76\x00"), dict...))
	require.NoError(t, os.Truncate(path, 128+4*int64(n)))
	return path
}

// TestEvalBrokenPipe closes the reader of the result, and checks that the files are complete and that the command fails.
func TestEvalBrokenPipe(t *testing.T) {
	dir := t.TempDir()
	p := save(t, dir, "p.npy", []float32{3, 0}, 2)
	q := save(t, dir, "t.npy", []float32{0, 0}, 2)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	defer w.Close()
	c := command("eval", p, q, "--grad-pred", filepath.Join(dir, "g.npy"))
	var stderr bytes.Buffer
	c.Stdout, c.Stderr = w, &stderr
	require.Error(t, c.Run())
	requireRefused(t, exitFailed, "broken pipe; its reader has exited", "", stderr.String(), c.ProcessState.ExitCode())
	assert.Equal(t, []string{"g.npy", "p.npy", "t.npy"}, names(t, dir))
	requireSame(t, []float32{0.5, 0}, load[float32](t, filepath.Join(dir, "g.npy"), 2))
}

// TestEvalFullDisk writes to a file system that is too small.
func TestEvalFullDisk(t *testing.T) {
	dir := smallDisk(t, "256k")
	in := t.TempDir()
	n := 1 << 17
	p, q := sparse(t, in, "p.npy", n), sparse(t, in, "t.npy", n)
	old := save(t, dir, "g.npy", []float32{7}, 1)
	stdout, stderr, code := call("eval", p, q, "--grad-pred", old)
	requireRefused(t, exitFailed, "no space left on device; make room on the disk or write elsewhere", stdout, stderr, code)
	assert.Equal(t, []string{"g.npy"}, names(t, dir))
	requireSame(t, []float32{7}, load[float32](t, old, 1))
}

// smallDisk mounts a file system of the given size.
func smallDisk(t *testing.T, size string) string {
	dir := t.TempDir()
	if err := mount(dir, size); err != nil {
		t.Skipf("a small file system cannot be mounted here (it takes root): %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, unmount(dir)) })
	return dir
}

// publicDir returns a folder that everybody may read, unlike that of TempDir.
func publicDir(t *testing.T) string {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	return dir
}

// unprivileged returns the command as run by a user other than root, whom permissions restrict.
func unprivileged(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	c := command(arguments...)
	if os.Getuid() != 0 {
		return c
	}
	content, err := os.ReadFile(c.Path)
	require.NoError(t, err)
	c.Path = filepath.Join(publicDir(t), "smoothl1") // others cannot read go test's folder
	require.NoError(t, os.WriteFile(c.Path, content, 0o755))
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return c
}

func TestEvalWithoutPermission(t *testing.T) {
	dir := publicDir(t)
	p := save(t, dir, "p.npy", []float32{1}, 1)
	secret := save(t, dir, "secret.npy", []float32{1}, 1)
	protected := save(t, dir, "protected.npy", []float32{1}, 1)
	require.NoError(t, os.Chmod(secret, 0))
	require.NoError(t, os.Chmod(protected, 0o444))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "locked"), 0o555))
	for _, arguments := range [][]string{
		{p, secret},
		{p, p, "--out", filepath.Join(dir, "locked", "o.npy")},
		{p, p, "--out", protected},
	} {
		c := unprivileged(t, append([]string{"eval"}, arguments...)...)
		var stdout, stderr bytes.Buffer
		c.Stdout, c.Stderr = &stdout, &stderr
		require.Error(t, c.Run())
		requireRefused(t, exitFailed, "permission denied; change the permissions", stdout.String(), stderr.String(), c.ProcessState.ExitCode())
	}
}

// TestPlotFullDisk checks that the old picture stays if there is no room for the new one.
func TestPlotFullDisk(t *testing.T) {
	dir := smallDisk(t, "8k")
	old := write(t, dir, "c.svg", []byte("old"))
	stdout, stderr, code := call("plot", "--beta", "1,0.1,0.01", "-o", old)
	requireRefused(t, exitFailed, "c.svg: no space left on device; make room on the disk or write elsewhere", stdout, stderr, code)
	content, err := os.ReadFile(old)
	require.NoError(t, err)
	assert.Equal(t, "old", string(content))
	assert.Equal(t, []string{"c.svg"}, names(t, dir))
}
