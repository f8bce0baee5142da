package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/measure"
)

func TestBench(t *testing.T) {
	for _, device := range []string{"cpu", "sim"} {
		out := filepath.Join(t.TempDir(), "r.json")
		stdout, stderr, code := call("bench", "--device", device, "--sizes", "100,3000", "--dtype", "float32,float64", "--beta", "1,0.3", "--samples", "2",
			"--rotate", "100000", "-o", out)
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, "3000 float64 smooth_l1(beta=0.3, mean)\n")
		assert.Contains(t, stdout, "PyTorch took no part: not asked for\n")
		assert.Equal(t, 8, strings.Count(stderr, "\n"), "a line for each group")
		r, err := measure.Load(out)
		require.NoError(t, err)
		assert.Equal(t, device, r.Device.Backend)
		assert.Len(t, r.Groups, 8)
		assert.EqualValues(t, 100_000, r.Rotating)
	}
	stdout, stderr, code := call("bench", "--device", "cpu", "--sizes", "64", "--samples", "1", "--json", "--rotate", "1")
	require.Zero(t, code, stderr)
	var r measure.Result
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	assert.Len(t, r.Groups, 1)
}

// TestBenchFull lists what --full measures.
func TestBenchFull(t *testing.T) {
	b := benchmark{full: true}
	all, err := b.workloads(func(string) bool { return false })
	require.NoError(t, err)
	assert.Equal(t, measure.Full(), all)
	assert.Greater(t, len(all), 10+11*2*2)
}

func TestBenchRefuses(t *testing.T) {
	for _, c := range []struct {
		arguments string
		code      int
		text      string
	}{
		{"--samples 0", 2, "--samples 0: want 1 to 1000000; see 'smoothl1 bench --help'"},
		{"--sizes 0", 2, "--sizes: 0: want 1 to"},
		{"--sizes many", 2, "--sizes"},
		{"--dtype int8", 2, "want float32, float64"},
		{"--beta -1", 2, "must not be negative"},
		{"--beta 1e-300", 2, "is 0 in float32"},
		{"--full --beta 1", 2, "--full excludes --beta"},
		{"--rotate -1", 2, "--rotate"},
		{"extra", 2, "unknown command"},
		{"--choices --device cpu", 2, "--choices excludes --device"},
		{"--choices --beta 1,2", 2, "--choices: --beta [1 2]: want one number"},
		{"--choices --sizes 0", 2, "--sizes: 0: want 1 to"},
		{"--choices --sizes 100000000000000000", 1, "100000000000000000 elements: it needs 1200000000000000000 bytes"},
		{"--device cuda:40", 1, "CUDA device 40"},
	} {
		stdout, stderr, code := call(append([]string{"bench"}, strings.Fields(c.arguments)...)...)
		requireRefused(t, c.code, c.text, stdout, stderr, code)
	}
	stdout, stderr, code := call("bench", "--device", "cpu", "--sizes", "64", "--samples", "1", "--rotate", "1", "-o", filepath.Join(os.DevNull, "r.json"))
	assert.Empty(t, stdout)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, stderr, "r.json: not a directory")
}

// TestBenchChoices measures few calls made in every way.
func TestBenchChoices(t *testing.T) {
	stdout, stderr, code := call("bench", "--choices", "--sizes", "100,100000", "--samples", "1", "--beta", "0.3")
	require.Zero(t, code, stderr)
	assert.Regexp(t, `^forward of float32, beta 0.3: GB/s
 +elements: +100 +100000
( +threads=\d+,stores=ordinary,ahead=\d+( +\d+\.\d){2}\n){3,}( +[a-z :]+( +\d+\.\d){2}\n){2}forward_backward of float32`, stdout)
	assert.Contains(t, stdout, "stores=streaming")
	assert.Regexp(t, `(?m)^forward float32, 768 to 832 KiB on \d+ processors: `, stdout)
	assert.Regexp(t, `(?m)^forward_backward float32, 1.125 to 1.25 MiB on \d+ processors: `, stdout)
	assert.Empty(t, stderr)
}

// TestBenchSaysWhatIsMissing checks that bench fails if nothing was measured, or if PyTorch was asked for and missing, and that it writes
// what was measured all the same.
func TestBenchSaysWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		arguments, text string
		groups          int
	}{
		{"--device cpu --sizes 100000000000000000", "nothing was measured: every size was left out", 0},
		{"--device sim --sizes 100000000000000000,1000000000000000", "nothing was measured: every size was left out", 0},
		{"--device cpu --sizes 64 --torch /bin/false", "--torch /bin/false: no answer: ", 1},
		{"--device sim --sizes 64 --torch /bin/false", "--torch /bin/false: not available on a simulated device", 1},
	} {
		out := filepath.Join(t.TempDir(), "r.json")
		_, stderr, code := call(append(strings.Fields("bench --samples 1 --rotate 1 -o "+out), strings.Fields(c.arguments)...)...)
		assert.Equal(t, exitFailed, code, c.arguments)
		assert.Contains(t, stderr, "smoothl1: "+c.text)
		r, err := measure.Load(out)
		require.NoError(t, err)
		assert.Len(t, r.Groups, c.groups)
	}
	out := filepath.Join(t.TempDir(), "r.json")
	_, stderr, code := call("bench", "--torch", "/nowhere/python3", "-o", out) // which would take minutes
	assert.Equal(t, exitFailed, code)
	assert.Regexp(t, `^smoothl1: --torch /nowhere/python3: .*no such file`, stderr)
	assert.NoFileExists(t, out)
	_, stderr, code = call(strings.Fields("bench --device cpu --samples 1 --rotate 1 --sizes 64,100000000000000000")...)
	assert.Zero(t, code, stderr)
	if _, err := os.Stat("/dev/full"); err == nil { // the measurements are printed even if the file cannot be written
		stdout, stderr, code := call(strings.Fields("bench --device cpu --samples 1 --rotate 1 --sizes 64 -o /dev/full")...)
		assert.Equal(t, exitFailed, code)
		assert.Contains(t, stderr, "write /dev/full: no space left on device")
		assert.Regexp(t, `forward\+backward +smoothl1 `, stdout)
	}
}
