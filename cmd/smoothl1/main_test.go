package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asCommand makes the test binary behave as the command, so that tests can check exit codes, signals and broken pipes.
const asCommand = "SMOOTHL1_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command returns the command as a process of its own.
func command(arguments ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], arguments...)
	c.Env = append(os.Environ(), asCommand+"=1")
	return c
}

// BenchmarkStart is the time that every call of the command takes.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		require.NoError(b, command("--version").Run())
	}
}

// call runs the command in this process.
func call(arguments ...string) (stdout, stderr string, code int) {
	var out, err bytes.Buffer
	code = run(context.Background(), arguments, &out, &err)
	return out.String(), err.String(), code
}

// requireRefused requires an exit code and one line on standard error, with this text in it.
func requireRefused(t *testing.T, wantCode int, text string, stdout, stderr string, code int) {
	t.Helper()
	require.Equal(t, wantCode, code, stderr)
	require.Empty(t, stdout)
	require.Regexp(t, `^smoothl1: [^\n]+\n$`, stderr)
	require.Contains(t, stderr, text)
}

// names returns the names of the files in a folder.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range list {
		all = append(all, e.Name())
	}
	return all
}

func TestUsage(t *testing.T) {
	for _, c := range []struct{ arguments, text string }{
		{"evl", `unknown command "evl"`},
		{"--colour", "unknown flag: --colour; see 'smoothl1 --help'"},
		{"eval", "want two files, PRED.npy and TARGET.npy, got 0; see 'smoothl1 eval --help'"},
		{"eval a.npy", "got 1"},
		{"eval a b c", "got 3"},
		{"eval a b --loss l2", `invalid argument "l2" for "--loss" flag: unknown kind of loss: want smooth_l1, huber`},
		{"eval a b --reduction max", `: invalid argument "max" for "--reduction" flag: not a valid reduction here: want mean, sum, none; see`},
		{"eval a b --beta many", "--beta"},
		{"eval a b --device tpu", "want auto, cpu, cuda, cuda:N or sim"},
		{"eval a b --device cuda:-1", "--device"},
		{"eval a b --device cpu:1", "only CUDA devices are numbered"},
		{"eval a b --reduction none", "name a file for them with --out"},
		{"eval a b --scale 2", "name a file with --grad-pred or --grad-target"},
		{"eval a b --scale 1", "name a file with --grad-pred or --grad-target"}, // given, though it is the default
		{"eval a b --upstream u.npy", "name a file with --grad-pred or --grad-target"},
		{"eval a b --upstream u.npy --scale 2 --grad-pred g.npy", "exclude each other"},
		{"eval a b --out x.npy --grad-pred x.npy", "--out and --grad-pred would write the same file"},
	} {
		stdout, stderr, code := call(strings.Fields(c.arguments)...)
		t.Run(c.arguments, func(t *testing.T) { requireRefused(t, exitUsage, c.text, stdout, stderr, code) })
	}
}

func TestHelp(t *testing.T) {
	for _, arguments := range []string{"", "--help", "help eval", "eval --help"} {
		stdout, stderr, code := call(strings.Fields(arguments)...)
		assert.Zero(t, code, arguments)
		assert.Empty(t, stderr)
		assert.Contains(t, stdout, "Examples:\n  smoothl1 eval pred.npy target.npy\n", arguments)
	}
	for _, c := range newRoot().Commands() {
		assert.NotEmpty(t, c.Example, c.Name())
		assert.NotEmpty(t, c.Long, c.Name())
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		stdout, _, code := call("completion", shell)
		assert.Zero(t, code)
		assert.Contains(t, stdout, "smoothl1", shell)
	}
	stdout, _, code := call("__complete", "eval", "a.npy", "b.npy", "--reduction", "")
	assert.Zero(t, code)
	assert.Equal(t, "mean\nsum\nnone\n:4\n", stdout)
	stdout, _, _ = call("__complete", "eval", "")
	assert.Equal(t, "npy\n:8\n", stdout, "files named *.npy")
}

func TestVersion(t *testing.T) {
	stdout, _, code := call("--version")
	assert.Zero(t, code)
	assert.Regexp(t, `^smoothl1 .+ \(\w+/\w+, go1\..*\)\n$`, stdout)

	build := &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}, {Key: "-tags", Value: "cuda"}}}
	assert.Regexp(t, `^v1\.2\.3 \(.*, go1\.26\.0, tags cuda\)$`, versionOf(build, ""))
	build.Main.Version = "(devel)"
	assert.Regexp(t, `^commit 0123456789ab-dirty \(`, versionOf(build, ""))
	assert.Regexp(t, `^commit fedcba \(`, versionOf(build, "fedcba"))
	assert.Regexp(t, `^\(devel\) \(`, versionOf(&debug.BuildInfo{}, ""))
}

func TestStandardOutputThatIsFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full")
	}
	defer full.Close()
	for _, arguments := range [][]string{{"--version"}, {"--help"}, {"completion", "bash"}} {
		c := command(arguments...)
		var stderr strings.Builder
		c.Stdout, c.Stderr = full, &stderr
		require.Error(t, c.Run())
		requireRefused(t, exitFailed, "no space left on device; make room", "", stderr.String(), c.ProcessState.ExitCode())
	}
}

// write writes a test's file and returns its path.
func write(t *testing.T, dir, name string, content []byte) string {
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, content, 0o666))
	return path
}
