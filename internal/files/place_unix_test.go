//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package files

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/testkit"
)

// TestMain makes the test binary, run as a child process, print the places of the names in its environment.
func TestMain(m *testing.M) {
	names := os.Getenv("FILES_TEST_NAMES")
	if names == "" {
		os.Exit(m.Run())
	}
	for name := range strings.SplitSeq(names, "\n") {
		p, err := Output(name)
		n, is := p.Descriptor()
		fmt.Println(name, n, is, p.Streamed(), p.Regular(), err)
	}
}

// TestDescriptors resolves all forms of descriptor names.
func TestDescriptors(t *testing.T) {
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	defer log.Close()
	require.NoError(t, os.Symlink("/dev/fd/3", filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink("link", filepath.Join(dir, "link to link")))
	require.NoError(t, os.Symlink("/dev/stdout", filepath.Join(dir, "out")))
	require.NoError(t, os.Symlink("/dev", filepath.Join(dir, "devices")))
	want := []string{
		"- 1 true true false <nil>", "/dev/stdout 1 true true false <nil>", "/dev/fd/1 1 true true false <nil>", "out 1 true true false <nil>",
		"/dev/fd/3 3 true true true <nil>", "link 3 true true true <nil>", "link to link 3 true true true <nil>",
		"devices/fd/3 3 true true true <nil>", "/dev/../dev/fd/3 3 true true true <nil>",
		"/dev/fd/77 0 false false false write /dev/fd/77: bad file descriptor",
		"log -1 false false true <nil>", "./- -1 false false false <nil>", "/dev/null -1 false true false <nil>",
	}
	if runtime.GOOS == "linux" {
		want = append(want, "/proc/self/fd/3 3 true true true <nil>", "/proc/thread-self/fd/3 3 true true true <nil>",
			fmt.Sprintf("/proc/%d/fd/%d 0 false false false write /proc/%[1]d/fd/%d: a file that another process has open: give the file's own name", os.Getpid(), log.Fd()))
	}
	var names []string
	for _, line := range want {
		name, _, _ := strings.Cut(strings.Replace(line, "link to", "link\x00to", 1), " ")
		if name == "link\x00to" {
			name = "link to link"
		}
		names = append(names, name)
	}
	c := exec.Command(testkit.Self(t))
	c.Dir, c.ExtraFiles = dir, []*os.File{log}
	c.Env = append(os.Environ(), "FILES_TEST_NAMES="+strings.Join(names, "\n"))
	out, err := c.Output()
	require.NoError(t, err)
	assert.Equal(t, strings.Join(want, "\n")+"\n", string(out))

	own, err := Output(fmt.Sprintf("/dev/fd/%d", log.Fd())) // opened by this process itself, not inherited
	require.ErrorIs(t, err, syscall.EBADF, "%v", own)
}

func TestPlaces(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	writeOld(t, "a")
	require.NoError(t, os.Mkdir("folder", 0o777))
	require.NoError(t, os.Symlink("a", "to a"))
	require.NoError(t, os.Symlink("../new", "folder/to new"))
	require.NoError(t, os.Symlink("loop", "loop"))
	require.NoError(t, syscall.Mkfifo("pipe", 0o666))
	for name, reason := range map[string]string{"": `write "": not the name`, "x/": "not the name", "folder": "a folder", "loop": "too many symbolic links",
		"nowhere/x": "no such file", "a/x": "not a directory", "to a/x": "not a directory"} {
		_, err := Output(name)
		require.ErrorContains(t, err, reason, name)
	}
	same := func(a, b string) bool {
		p, err := Output(a)
		require.NoError(t, err)
		q, err := Output(b)
		require.NoError(t, err)
		require.Equal(t, p.Same(q), q.Same(p))
		return p.Same(q)
	}
	for _, c := range [][2]string{{"a", "to a"}, {"a", "folder/../a"}, {"new", "folder/to new"}, {"pipe", "./pipe"}, {"-", "/dev/stdout"}} {
		assert.True(t, same(c[0], c[1]), c)
	}
	for _, c := range [][2]string{{"a", "new"}, {"a", "pipe"}, {"/dev/null", "/dev/null"}} {
		assert.False(t, same(c[0], c[1]), c)
	}
	assert.False(t, Place{}.Same(Place{}))
	require.NoError(t, Commit(begin(t, "folder/to new"), begin(t, "to a")))
	require.Equal(t, map[string]string{"a": "new", "new": "new"}, tree(t, dir))
	target, err := os.Readlink("folder/to new")
	require.NoError(t, err)
	require.Equal(t, "../new", target, "still a link")
}
