package main

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/npy"
)

// command runs the command in this process.
func command(arguments ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = run(context.Background(), &job{}, arguments, &out, &errs)
	return out.String(), errs.String(), code
}

// write writes an array of 3 columns.
func write[T npy.Element](t *testing.T, path string, d npy.DType, x []T) {
	t.Helper()
	require.NoError(t, npy.WriteFile(context.Background(), path, npy.Header{DType: d, Shape: []int{len(x) / 3, 3}}, x))
}

// data writes arrays as shards and as the files p.npy, q.npy, w.npy and m.npy, and returns their folder.
func data(t *testing.T) string {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	const rows = 2000
	p, q, w, m := make([]float32, 3*rows), make([]float32, 3*rows), make([]float32, 3*rows), make([]uint8, 3*rows)
	for i := range p {
		p[i], q[i], w[i], m[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64()), rng.Float32(), uint8(rng.IntN(2))
	}
	for name, x := range map[string][]float32{"p": p, "q": q, "w": w} {
		write(t, filepath.Join(dir, name+".npy"), npy.Float32, x)
		cut := 3 * (1 + rng.IntN(rows-1))
		write(t, filepath.Join(dir, name+"-00000-of-00002.npy"), npy.Float32, x[:cut])
		write(t, filepath.Join(dir, name+"-00001-of-00002.npy"), npy.Float32, x[cut:])
	}
	write(t, filepath.Join(dir, "m.npy"), npy.Uint8, m)
	return dir
}

// buildEval builds the root's command.
func buildEval(t testing.TB) string {
	eval := filepath.Join(t.TempDir(), "smoothl1.exe")
	build := exec.Command("go", "build", "-o", eval, "./cmd/smoothl1")
	build.Dir = filepath.Join("..", "..", "..")
	text, err := build.CombinedOutput()
	require.NoError(t, err, "%s", text)
	return eval
}

// TestSameAsEval compares what is printed and written with the root's command.
func TestSameAsEval(t *testing.T) {
	eval := buildEval(t)
	dir := data(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, flags := range [][]string{
		{"--beta", "0.3"},
		{"--loss", "huber", "--delta", "1.35", "--reduction", "sum"},
		{"--loss", "l1", "--mask", in("m.npy"), "--divisor", "kept"},
		{"--weight", in("w-*.npy"), "--divisor", "weights", "--out", in("loss.npy")},
		{"--divisor", "1e-3"},
	} {
		stdout, stderr, code := command(append([]string{in("p-*.npy"), in("q-*.npy")}, flags...)...)
		require.Zero(t, code, stderr)
		require.Empty(t, stderr)
		ours, _ := os.ReadFile(in("loss.npy"))
		if i := slices.Index(flags, in("w-*.npy")); i >= 0 {
			flags[i] = in("w.npy")
		}
		want, err := exec.Command(eval, append([]string{"eval", in("p.npy"), in("q.npy")}, flags...)...).Output()
		require.NoError(t, err)
		require.Equal(t, string(want), stdout, flags)
		theirs, _ := os.ReadFile(in("loss.npy"))
		require.Equal(t, theirs, ours)
	}
}

func TestRowsAndGroups(t *testing.T) {
	dir := data(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	stdout, stderr, code := command(in("p-*.npy"), in("q-*.npy"), "--rows", "--out", in("losses.npy"), "--json")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, `"loss":null`)
	require.Contains(t, stdout, `"written":["`+in("losses-00000-of-00001.npy")+`"]`)
	a, err := npy.Open(in("losses-00000-of-00001.npy"))
	require.NoError(t, err)
	require.Equal(t, []int{2000}, a.Header().Shape)
	require.NoError(t, a.Close())

	stdout, stderr, code = command(in("p-*.npy"), in("q-*.npy"), "--groups", in("m.npy"), "--out", in("groups.csv"))
	require.Zero(t, code, stderr)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	require.Len(t, lines, 2)
	require.True(t, strings.HasPrefix(lines[1], "1\t"), lines[1])
	csv, err := os.ReadFile(in("groups.csv"))
	require.NoError(t, err)
	require.Equal(t, "group,count,sum,loss,largest\n"+strings.ReplaceAll(stdout, "\t", ","), string(csv))

	stdout, stderr, code = command(in("p-*.npy"), in("q-*.npy"), "--groups", in("m.npy"), "--json")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, `"groups":[{"group":0,"count":`)
	require.Contains(t, stdout, `"runner":"prism","files":{"groups":"`+in("m.npy")+`"}`)
}

func TestErrors(t *testing.T) {
	dir := data(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Remove(in("w-00001-of-00002.npy")))
	for _, c := range []struct {
		arguments []string
		code      int
		want      string
	}{
		{[]string{"p"}, 2, "want two patterns"},
		{[]string{"p", "q", "--nope"}, 2, "unknown flag: --nope"},
		{[]string{"p", "q", "--beta", "NaN"}, 2, "beta = NaN"},
		{[]string{"p", "q", "--delta", "1"}, 2, "--delta is for --loss huber"},
		{[]string{"p", "q", "--loss", "l2"}, 2, "want smooth_l1, huber or l1"},
		{[]string{"p", "q", "--rows"}, 2, "name files for them with --out"},
		{[]string{"p", "q", "--divisor", "kept"}, 2, "with --mask"},
		{[]string{"p", "q", "--reduction", "none"}, 2, "want mean or sum"},
		{[]string{"p", "q", "--mask", ""}, 2, "--mask is empty"},
		{[]string{"p", "-"}, 2, "- is not a file"},
		{[]string{"p", "q", "--async"}, 2, "--async: the command waits"},
		{[]string{"p", "q", "--async=false", "--runner", "flnk"}, 2, "--runner flnk: want prism"},
		{[]string{"p", "q", "--runner", "flink"}, 2, "--runner flink: name a folder"},
		{[]string{in("p-*.npy"), in("q-*.npy"), "--runner", "prism", "--weight", in("w-*.npy")}, 1, "list weight: " + in("w-*.npy") + ": shard " + in("w-00001-of-00002.npy") + " is missing"},
		{[]string{in("p-*.npy"), in("m.npy")}, 1, "target: " + in("m.npy") + ": holds uint8, but pred holds float32"},
		{[]string{in("p-*.npy"), in("q-*.npy"), "--out", filepath.Join(in("p.npy"), "x.npy")}, 1, "x.npy"},
	} {
		stdout, stderr, code := command(c.arguments...)
		require.Equal(t, c.code, code, stderr)
		require.Empty(t, stdout)
		require.True(t, strings.HasPrefix(stderr, "smoothl1-beam: ") && strings.Count(stderr, "\n") == 1, stderr)
		require.Contains(t, stderr, c.want)
	}
	left, err := filepath.Glob(in("*.tmp"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestHelpAndRunnerFlags(t *testing.T) {
	stdout, _, code := command("--help")
	require.Zero(t, code)
	require.Contains(t, stdout, "--staging FOLDER")
	stdout, _, code = command("--runner-flags")
	require.Zero(t, code)
	require.Contains(t, stdout, "-environment_type")
}

func TestIsWorker(t *testing.T) {
	require.True(t, isWorker([]string{"--id=1", "--worker=true"}))
	require.True(t, isWorker([]string{"-worker"}))
	require.False(t, isWorker([]string{"p-*.npy", "worker", "--worker_binary=x", "--worker=false"}))
}

func TestNumbersInJSON(t *testing.T) {
	for x, want := range map[float64]string{0.1: "0.1", math.Inf(1): `"Infinity"`, math.Inf(-1): `"-Infinity"`} {
		text, err := number(x).MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
	text, err := number(math.NaN()).MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, `"NaN"`, string(text))
}

func TestReason(t *testing.T) {
	require.Equal(t, "pred: evaluate: x.npy: is bad", reason("evaluate: first\nfailed:\n\tevaluate: pred: evaluate: x.npy: is bad\nend"))
	require.Equal(t, "no line of ours", reason("no line\n  of ours"))
}
