package files

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// begin begins to write "new" to a file.
func begin(t *testing.T, path string) *File {
	t.Helper()
	p, err := Output(path)
	require.NoError(t, err)
	f, err := p.Create(t.Context())
	require.NoError(t, err)
	_, err = f.Write([]byte("new"))
	require.NoError(t, err)
	return f
}

// tree returns the content of every file below a folder, by its path.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		all[filepath.ToSlash(strings.TrimPrefix(path, dir+string(filepath.Separator)))] = string(content)
		return err
	}))
	return all
}

func writeOld(t *testing.T, path string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o640))
}

// TestCommitPutsAllOrNone makes the place of one of several files unusable after it was written.
func TestCommitPutsAllOrNone(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(place string) error // of the last file
		reason string
	}{
		"a folder in its place": {func(place string) error { return errors.Join(os.Remove(place), os.Mkdir(place, 0o777)) }, "a folder is in its place"},
		"no folder any more":    {func(place string) error { return os.RemoveAll(filepath.Dir(place)) }, "no such file or directory"},
	} {
		for _, links := range []bool{true, false} {
			if link = os.Link; !links { // as on a file system without links
				link = func(string, string) error { return errors.ErrUnsupported }
			}
			t.Cleanup(func() { link = os.Link })
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			writeOld(t, at("there"))
			writeOld(t, at("folder/spoilt"))
			there, fresh, spoilt := begin(t, at("there")), begin(t, at("fresh")), begin(t, at("folder/spoilt"))
			require.NoError(t, c.spoil(at("folder/spoilt")))
			err := Commit(there, fresh, spoilt)
			require.ErrorContains(t, err, "write "+at("folder/spoilt")+": ", name)
			if c.reason != "no such file or directory" {
				require.ErrorContains(t, err, c.reason)
			}
			want := map[string]string{"there": "old"}
			if !links && c.reason == "no such file or directory" { // it can't be put back, and the error says so
				want["there"] = "new"
				require.ErrorContains(t, err, "; written nevertheless: "+at("there"))
				require.Contains(t, left.written, at("there"), "Abandon names it too")
			} else {
				require.NotContains(t, err.Error(), "written")
			}
			require.Equal(t, want, tree(t, dir), name)
			require.Error(t, Commit(there), "done with")
			require.Empty(t, left.paths)
		}
	}
}

func TestCommitTogether(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	writeOld(t, at("there"))
	there, fresh := begin(t, at("there")), begin(t, at("fresh"))
	var b strings.Builder
	require.NoError(t, Commit(there, Stream(t.Context(), "b", &b), fresh))
	require.Equal(t, map[string]string{"there": "new", "fresh": "new"}, tree(t, dir))
	info, err := os.Stat(at("there"))
	require.NoError(t, err)
	assert.EqualValues(t, 0o640, info.Mode().Perm(), "kept")
	require.ErrorContains(t, Commit(begin(t, at("x")), begin(t, at("x"))), "two outputs go to this file")
	require.NoError(t, begin(t, at("x")).Close())
	ctx, cancel := context.WithCancel(t.Context())
	p, err := Output(at("x"))
	require.NoError(t, err)
	f, err := p.Create(ctx)
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, Commit(f), context.Canceled)
	_, err = p.Create(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, tree(t, dir), 2)
}

// TestAbandon abandons files that are being written.
func TestAbandon(t *testing.T) {
	defer func() { left.abandoned, left.written = false, nil }()
	left.written = nil
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, Commit(begin(t, at("committed"))))
	f := begin(t, at("half"))
	temporary, remove, err := TempDir()
	require.NoError(t, err)
	writeOld(t, filepath.Join(temporary, "x"))
	require.Equal(t, []string{at("committed")}, Abandon())
	require.NoDirExists(t, temporary)
	require.Equal(t, map[string]string{"committed": "new"}, tree(t, dir))
	require.ErrorIs(t, Commit(f), errAbandoned)
	p, err := Output(at("later"))
	require.NoError(t, err)
	_, err = p.Create(t.Context())
	require.ErrorIs(t, err, errAbandoned)
	_, _, err = TempDir()
	require.ErrorIs(t, err, errAbandoned)
	require.NoError(t, remove())
	require.Len(t, tree(t, dir), 1)
}

func TestAlso(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	assert.NoError(t, Also(nil, nil))
	assert.Equal(t, one, Also(one, nil))
	assert.Equal(t, two, Also(nil, two))
	assert.EqualError(t, Also(one, two), "one; two")
	assert.ErrorIs(t, Also(one, two), two)
}
