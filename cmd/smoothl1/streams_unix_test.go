//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// producer is a command that writes a file.
type producer struct {
	name      string
	arguments func(out string) []string
	prints    string // part of what it prints
	right     func(content []byte) bool
}

// producers returns all commands that write files, with small arrays in dir.
func producers(t *testing.T, dir string) []producer {
	p, q := save(t, dir, "p.npy", []float32{3, 0, 1}, 3), save(t, dir, "t.npy", make([]float32, 3), 3)
	expect := func(arguments ...string) func([]byte) bool {
		out := filepath.Join(t.TempDir(), "x.svg")
		_, stderr, code := call(append(arguments, out)...)
		require.Zero(t, code, stderr)
		want, err := os.ReadFile(out)
		require.NoError(t, err)
		return func(content []byte) bool { return bytes.Equal(want, content) }
	}
	with := func(arguments ...string) func(string) []string {
		return func(out string) []string { return append(arguments[:len(arguments):len(arguments)], out) }
	}
	eval := func(flags ...string) []string { return append([]string{"eval", p, q, "--device", "cpu"}, flags...) }
	var all []producer
	for _, flag := range []string{"--out", "--grad-pred", "--grad-target"} {
		all = append(all, producer{flag, with(eval(flag)...), "1\n", expect(eval(flag)...)})
	}
	second := eval("--direction", q, "--second")
	return append(all,
		producer{"--second", with(second...), "1\n", expect(second...)},
		producer{"--json --out", with(eval("--json", "--out")...), `{"loss":1,`, expect(eval("--out")...)},
		producer{"plot -o", with("plot", "-o"), "", expect("plot", "-o")},
		producer{"bench -o", with("bench", "--device", "cpu", "--sizes", "64", "--samples", "1", "--rotate", "1", "-o"), "64 float32", json.Valid})
}

// TestOutputsThatAreNoFiles writes to everything that can be named and is not a regular file, or is a file that is open already.
func TestOutputsThatAreNoFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Symlink("/dev/fd/3", at("link.svg")))
	require.NoError(t, os.Symlink("/dev/stdout", at("stdout.svg")))
	require.NoError(t, os.Symlink("nothing yet.svg", at("dangling.svg")))
	require.NoError(t, syscall.Mkfifo(at("fifo"), 0o666))
	all := producers(t, dir)
	before := names(t, dir)
	for i, p := range all {
		t.Run(p.name, func(t *testing.T) {
			cases := []struct {
				out      string
				stdout   bool // it goes to standard output
				appended bool // to descriptor 1 or 3, which appends to a file
			}{
				{"-", true, true}, {"/dev/fd/3", false, true}, {"-", true, false}, {"/dev/stdout", true, false}, {"/dev/stdout", true, true},
				{at("stdout.svg"), true, true}, {"/dev/fd/1", true, true}, {"/dev/fd/3", false, false}, {at("link.svg"), false, true}, {at("link.svg"), false, false},
			}
			if i > 0 { // the same names for all
				cases = cases[:2]
			}
			for _, c := range cases {
				what := c.out
				r, w, err := os.Pipe()
				require.NoError(t, err)
				if c.appended {
					what += " >> log"
					w.Close()
					require.NoError(t, os.WriteFile(at("log"), []byte("old\n"), 0o666))
					w, err = os.OpenFile(at("log"), os.O_WRONLY|os.O_APPEND, 0)
					require.NoError(t, err)
				}
				var printed bytes.Buffer
				cmd := command(p.arguments(c.out)...)
				cmd.Dir, cmd.ExtraFiles = dir, []*os.File{w}
				cmd.Stdout, cmd.Stderr = &printed, os.Stderr
				if c.stdout {
					cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = w, &printed, nil
				}
				require.NoError(t, cmd.Start(), what)
				w.Close()
				var content []byte
				if !c.appended {
					content, err = io.ReadAll(r)
					require.NoError(t, err)
				}
				require.NoError(t, cmd.Wait(), "%s: %s", what, &printed)
				if c.appended {
					content, err = os.ReadFile(at("log"))
					require.NoError(t, err)
					rest, ok := bytes.CutPrefix(content, []byte("old\n"))
					require.True(t, ok, "%s: the log's contents are lost: %q", what, content)
					content = rest
					require.NoError(t, os.Remove(at("log")))
				}
				require.True(t, p.right(content), "%s: %q", what, content)
				require.Contains(t, printed.String(), p.prints, what)
				require.Equal(t, before, names(t, dir), what)
			}
		})
		t.Run(p.name+" fifo", func(t *testing.T) {
			content := make(chan []byte)
			go func() {
				b, err := os.ReadFile(at("fifo"))
				assert.NoError(t, err)
				content <- b
			}()
			out, err := command(p.arguments(at("fifo"))...).CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.True(t, p.right(<-content))
			require.Equal(t, before, names(t, dir))
		})
		t.Run(p.name+" devices", func(t *testing.T) {
			_, stderr, code := call(p.arguments(os.DevNull)...)
			require.Zero(t, code, stderr)
			if _, err := os.Stat("/dev/full"); err == nil {
				_, stderr, code := call(p.arguments("/dev/full")...)
				require.Equal(t, exitFailed, code)
				require.Contains(t, stderr, "write /dev/full: no space left on device; make room")
			}
			_, stderr, code = call(p.arguments("/dev/fd/77")...)
			require.Equal(t, exitFailed, code)
			require.Contains(t, stderr, "write /dev/fd/77: bad file descriptor")
		})
		t.Run(p.name+" dangling", func(t *testing.T) {
			_, stderr, code := call(p.arguments(at("dangling.svg"))...)
			require.Zero(t, code, stderr)
			content, err := os.ReadFile(at("nothing yet.svg"))
			require.NoError(t, err)
			require.True(t, p.right(content))
			require.NoError(t, os.Remove(at("nothing yet.svg")))
			require.Equal(t, before, names(t, dir))
		})
		t.Run(p.name+" closed", func(t *testing.T) { // the shell's >&-
			cmd := exec.Command("sh", append([]string{"-c", `exec "$@" >&-`, "sh"}, command(p.arguments("-")...).Args...)...)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), asCommand+"=1")
			_ = cmd.Run()
			require.Equal(t, before, names(t, dir), "nothing else is mistaken for standard output")
		})
	}
}

// TestInputsThatAreNoFiles reads everything that can be named and is not a regular file.
func TestInputsThatAreNoFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	p := save(t, dir, "p.npy", []float32{3, 0, 1}, 3)
	q := save(t, dir, "t.npy", make([]float32, 3), 3)
	content, err := os.ReadFile(p)
	require.NoError(t, err)
	write(t, dir, "later.npy", append([]byte("before"), content...))
	require.NoError(t, syscall.Mkfifo(at("fifo"), 0o666))
	run := func(stdin io.Reader, extra *os.File, arguments ...string) (string, string, int) {
		c := command(append([]string{"eval", "--device", "cpu"}, arguments...)...)
		var stdout, stderr bytes.Buffer
		c.Dir, c.Stdin, c.Stdout, c.Stderr = dir, stdin, &stdout, &stderr
		if extra != nil {
			c.ExtraFiles = []*os.File{extra}
		}
		_ = c.Run()
		return stdout.String(), stderr.String(), c.ProcessState.ExitCode()
	}
	pipe := func() *os.File {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		t.Cleanup(func() { r.Close() })
		go func() {
			defer w.Close()
			_, err := w.Write(content)
			assert.NoError(t, err)
		}()
		return r
	}
	for _, name := range []string{"-", "/dev/stdin", "/dev/fd/0"} {
		stdout, stderr, code := run(pipe(), nil, name, "t.npy")
		require.Zero(t, code, "%s: %s", name, stderr)
		require.Equal(t, "1\n", stdout, name)
		file, err := os.Open(at("later.npy"))
		require.NoError(t, err)
		_, err = file.Seek(6, io.SeekStart)
		require.NoError(t, err)
		stdout, stderr, code = run(file, nil, name, "t.npy")
		require.Zero(t, code, "%s: %s", name, stderr)
		require.Equal(t, "1\n", stdout, "from the file's position on")
		require.NoError(t, file.Close())
	}
	stdout, stderr, code := run(pipe(), pipe(), "-", "t.npy", "--upstream", "/dev/fd/3", "--grad-pred", "g.npy")
	require.Zero(t, code, stderr)
	require.Equal(t, "1\n", stdout)
	requireSame(t, []float32{1, 0, 1.0 / 3}, load[float32](t, at("g.npy"), 3))
	require.NoError(t, os.Remove(at("g.npy")))
	go func() { assert.NoError(t, os.WriteFile(at("fifo"), content, 0)) }()
	stdout, stderr, code = run(nil, nil, "fifo", "t.npy")
	require.Zero(t, code, stderr)
	require.Equal(t, "1\n", stdout)

	two := func() *os.File {
		f, err := os.Open(p)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	stdout, stderr, code = run(two(), two(), "-", "/dev/fd/3")
	require.Zero(t, code, stderr)
	require.Equal(t, "0\n", stdout, "two descriptors of one file")

	before := names(t, dir)
	onP, err := os.OpenFile(p, os.O_RDWR, 0)
	require.NoError(t, err)
	defer onP.Close()
	for _, c := range []struct {
		stdin     *os.File
		code      int
		text      string
		arguments []string
	}{
		{pipe(), 2, "PRED and TARGET are both standard input, which can be read only once", []string{"-", "-"}},
		{pipe(), 2, "PRED and --upstream are both /dev/stdin", []string{"-", "t.npy", "--upstream", "/dev/stdin", "--grad-pred", "g.npy"}},
		{nil, 2, "are both ./fifo, which can be read only once", []string{"fifo", "./fifo"}},
		{nil, 2, "--out fifo is also an input", []string{"fifo", q, "--out", "fifo"}},
		{onP, 2, "--out p.npy would replace an input", []string{"-", q, "--out", "p.npy"}},
		{nil, 2, "--grad-pred /dev/fd/3 is also an input", []string{p, q, "--grad-pred", "/dev/fd/3"}},
		{nil, 2, "--out and --grad-pred would write the same file", []string{p, q, "--out", "-", "--grad-pred", "/dev/stdout"}},
		{nil, 1, "read nowhere/p.npy: no such file or directory; check the path", []string{"nowhere/p.npy", q}},
		{pipe(), 1, "standard input has the shape [3], but 2.npy has [2]: the shapes must be equal", []string{save(t, t.TempDir(), "2.npy", make([]float32, 2), 2), "-"}},
	} {
		var stdin io.Reader
		if c.stdin != nil {
			stdin = c.stdin
		}
		stdout, stderr, code := run(stdin, onP, c.arguments...)
		if strings.Contains(c.text, "2.npy") {
			stderr = strings.ReplaceAll(stderr, filepath.Dir(c.arguments[0])+"/", "")
		}
		requireRefused(t, c.code, c.text, stdout, stderr, code)
		require.Equal(t, before, names(t, dir))
	}
	now, err := os.ReadFile(p)
	require.NoError(t, err)
	require.Equal(t, content, now)

	// The file that results are appended to is not replaced.
	log, err := os.OpenFile(at("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	require.NoError(t, err)
	defer log.Close()
	c := command("eval", p, q, "--out", at("log"))
	c.Stdout = log
	require.Error(t, c.Run())
	require.Equal(t, exitUsage, c.ProcessState.ExitCode())
}
