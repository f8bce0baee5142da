package npy

import (
	"bytes"
	"cmp"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReplace(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "out.npy")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o640))
	w, err := Create(context.Background(), path, Header{Float32, nil})
	require.NoError(t, err)
	require.NoError(t, Append(w, []float32{1}))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old", string(content), "there until Commit")
	require.NoError(t, Commit(w))
	a, err := Open(path)
	require.NoError(t, err)
	require.Equal(t, elementBits([]float32{1}), valueBits[float32](t, a))
	require.NoError(t, a.Close())
	require.Equal(t, []string{"out.npy"}, fileNames(t, folder))
	if runtime.GOOS != "windows" {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o640), info.Mode().Perm())
	}
}

func TestNewFilesPermissions(t *testing.T) { // the same as for any new file, whatever the umask
	folder := t.TempDir()
	require.NoError(t, WriteFile(context.Background(), filepath.Join(folder, "out.npy"), Header{Float32, nil}, []float32{1}))
	f, err := os.Create(filepath.Join(folder, "other"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	got, err := os.Stat(filepath.Join(folder, "out.npy"))
	require.NoError(t, err)
	want, err := os.Stat(f.Name())
	require.NoError(t, err)
	require.Equal(t, want.Mode(), got.Mode())
}

func TestSymbolicLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("making symbolic links is a privilege on Windows")
	}
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "real"), 0o777))
	file, link := filepath.Join(folder, "real", "out.npy"), filepath.Join(folder, "link.npy")
	if err := os.Symlink(filepath.Join("real", "out.npy"), link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	for range 2 { // first a dangling link, then a link to a file
		require.NoError(t, WriteFile(context.Background(), link, Header{Float32, nil}, []float32{1}))
	}
	target, err := os.Readlink(link)
	require.NoError(t, err, "still a link")
	require.Equal(t, filepath.Join("real", "out.npy"), target)
	a, err := Open(file)
	require.NoError(t, err)
	require.NoError(t, a.Close())

	require.NoError(t, os.Symlink("real", filepath.Join(folder, "folder")))
	one, err := Create(context.Background(), file, Header{Float32, []int{0}})
	require.NoError(t, err)
	two, err := Create(context.Background(), filepath.Join(folder, "folder", "out.npy"), Header{Float32, []int{0}})
	require.NoError(t, err)
	require.ErrorContains(t, Commit(one, two), "two outputs go to this file")
	require.Equal(t, []string{"out.npy"}, fileNames(t, filepath.Join(folder, "real")))
}

func TestCreateRefuses(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "file"), nil, 0o666))
	long := string(bytes.Repeat([]byte("n"), 1000)) + ".npy"
	done, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		ctx          context.Context
		path, reason string
		h            Header
	}{
		{context.Background(), "", `write "": not the name of a file`, Header{Float32, nil}},
		{context.Background(), filepath.Join(folder, "x") + "/", "not the name of a file", Header{Float32, nil}},
		{context.Background(), folder, "a folder, not a file", Header{Float32, nil}},
		{context.Background(), filepath.Join(folder, "none", "x.npy"), "", Header{Float32, nil}},
		{context.Background(), filepath.Join(folder, "file", "x.npy"), "", Header{Float32, nil}},
		{context.Background(), filepath.Join(folder, long), "", Header{Float32, nil}},
		{context.Background(), filepath.Join(folder, "a\x00b"), "", Header{Float32, nil}},
		{context.Background(), filepath.Join(folder, "x.npy"), "negative dimension -2", Header{Float32, []int{-2}}},
		{context.Background(), filepath.Join(folder, "x.npy"), "unknown dtype", Header{0, []int{2}}},
		{done, filepath.Join(folder, "x.npy"), "context canceled", Header{Float32, []int{2}}},
	} {
		if runtime.GOOS == "windows" && strings.HasSuffix(c.path, long) {
			continue // on Windows it is an error of Commit
		}
		_, err := Create(c.ctx, c.path, c.h)
		require.ErrorContains(t, err, "npy: write "+cmp.Or(c.path, `""`)+": ", "%q", c.path)
		require.ErrorContains(t, err, c.reason)
		require.NotContains(t, err.Error(), ".tmp", "a name that the user never gave")
		require.Error(t, WriteFile(c.ctx, c.path, c.h, []float32{1}))
		require.Equal(t, []string{"file"}, fileNames(t, folder))
	}
	var b bytes.Buffer
	require.ErrorContains(t, Write("b", &b, Header{Float32, []int{-2}}, []float32{1}), "npy: write b: negative dimension -2")
	require.Zero(t, b.Len())
}
