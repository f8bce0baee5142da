package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEvalRefuses tries files that cannot be read, do not fit together, or cannot be written, and checks that no file is left behind.
func TestEvalRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	data := filepath.Join("..", "..", "internal", "npy", "testdata")
	p := save(t, dir, "p.npy", []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	q := save(t, dir, "t.npy", make([]float32, 6), 2, 3)
	save(t, dir, "32.npy", make([]float32, 6), 3, 2)
	content, err := os.ReadFile(p)
	require.NoError(t, err)
	write(t, dir, "truncated.npy", content[:len(content)-1])
	write(t, dir, "longer.npy", append(content[:len(content):len(content)], 0))
	write(t, dir, "text.npy", []byte("1,2,3\n4,5,6\n"))
	write(t, dir, "empty.npy", nil)
	require.NoError(t, os.Mkdir(at("folder"), 0o755))
	before := names(t, dir)

	for _, c := range []struct {
		name, pred, target string
		more               []string
		code               int
		text               string
	}{
		{"missing", at("none.npy"), q, nil, 1, "none.npy: no such file or directory; check the path"},
		{"missing target", p, at("none.npy"), nil, 1, "none.npy"},
		{"missing upstream", p, q, []string{"--upstream", at("none.npy"), "--grad-pred", at("g.npy")}, 1, "none.npy"},
		{"folder", dir, q, nil, 1, ": a folder, not a file"},
		{"device file", os.DevNull, q, nil, 1, os.DevNull + ": truncated: the file ends within the header"},
		{"truncated", at("truncated.npy"), q, nil, 1, "truncated.npy: truncated: shape (2, 3) of float32 is 24 bytes of data, the file has 23"},
		{"trailing bytes", p, at("longer.npy"), nil, 1, "longer.npy: 1 trailing byte"},
		{"text", at("text.npy"), q, nil, 1, "text.npy: "},
		{"empty", at("empty.npy"), q, nil, 1, "empty.npy: "},
		{"times", filepath.Join(data, "refused_datetime64.npy"), q, nil, 1, "refused_datetime64.npy: bad header: the dtype \"<M8[s]\", which is not supported; expected a file"},
		{"objects", p, filepath.Join(data, "refused_object.npy"), nil, 1, "refused_object.npy: "},
		{"bfloat16, or integers", filepath.Join(data, "u2_le_c_3x4.npy"), q, nil, 1, "u2_le_c_3x4.npy holds uint16: say with --dtype bfloat16"},
		{"two shapes", p, at("32.npy"), nil, 1, "32.npy has the shape [3 2], but " + p + " has [2 3]: the shapes must be equal"},
		{"upstream of another shape", p, q, []string{"--upstream", at("32.npy"), "--grad-pred", at("g.npy")}, 1, "32.npy has the shape [3 2]"},
		{"output in no folder", p, q, []string{"--out", at("nowhere/o.npy")}, 1, "no such file or directory; check the path"},
		{"output is a folder", p, q, []string{"--grad-pred", at("folder")}, 1, "folder"},
		{"second output cannot be written", p, q, []string{"--grad-pred", at("g.npy"), "--grad-target", at("nowhere/g.npy")}, 1, "nowhere/g.npy"},
		{"output is an input", p, q, []string{"--out", q}, 2, "--out " + q + " would replace an input"},
		{"output is the upstream gradient", p, q, []string{"--upstream", at("32.npy"), "--grad-pred", dir + "/./32.npy"}, 2, "would replace an input"},
		{"negative beta", p, q, []string{"--beta", "-1"}, 2, "must not be negative; see 'smoothl1 eval --help'"},
		{"beta that is no float32", p, q, []string{"--beta", "1e-60", "--out", at("o.npy")}, 2, "is 0 in float32"},
		{"beta NaN", p, q, []string{"--beta", "nan"}, 2, "must be finite"},
		{"Huber without delta", p, q, []string{"--loss", "huber", "--beta", "0"}, 2, "must be positive for the Huber loss"},
		{"second CUDA device", p, q, []string{"--device", "cuda:40"}, 1, "CUDA device 40"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, code := call(append([]string{"eval", c.pred, c.target}, c.more...)...)
			requireRefused(t, c.code, c.text, stdout, stderr, code)
			assert.Equal(t, before, names(t, dir))
		})
	}
}

// TestEvalReplacesWhole checks that an output replaces an old file only on success.
func TestEvalReplacesWhole(t *testing.T) {
	dir := t.TempDir()
	p := save(t, dir, "p.npy", []float32{3, 0}, 2)
	q := save(t, dir, "t.npy", []float32{0, 0}, 2)
	old := save(t, dir, "g.npy", []float32{7}, 1)
	_, _, code := call("eval", p, q, "--grad-pred", old, "--grad-target", filepath.Join(dir, "nowhere", "g.npy"))
	require.Equal(t, exitFailed, code)
	requireSame(t, []float32{7}, load[float32](t, old, 1))
	_, _, code = call("eval", p, q, "--grad-pred", old)
	require.Zero(t, code)
	requireSame(t, []float32{0.5, 0}, load[float32](t, old, 2))
}
