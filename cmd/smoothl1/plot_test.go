package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// TestPictures makes the pictures of the documents again.
func TestPictures(t *testing.T) {
	docs := filepath.Join("..", "..", "docs")
	for _, c := range []struct{ file, arguments string }{
		{"curves.svg", "--beta 1,0.1,0.01"},
		{"gradients.svg", "--beta 1,0.1,0.01 --gradient"},
		{"curve-1.svg", "--beta 1"},
		{"curve-0.1.svg", "--beta 0.1"},
		{"curve-0.01.svg", "--beta 0.01"},
	} {
		out := filepath.Join(t.TempDir(), c.file)
		_, stderr, code := call(append(strings.Fields("plot "+c.arguments), "-o", out)...)
		require.Zero(t, code, stderr)
		got, err := os.ReadFile(out)
		require.NoError(t, err)
		want, err := os.ReadFile(filepath.Join(docs, c.file))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "go run ./cmd/smoothl1 plot %s -o docs/%s", c.arguments, c.file)
		d := xml.NewDecoder(bytes.NewReader(got))
		for err == nil {
			_, err = d.Token()
		}
		assert.ErrorIs(t, err, io.EOF, "is XML")
		assert.Contains(t, string(got), "pred − target = ±β")
	}
}

func TestPlotFormats(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.png", "b.PDF", "c.svg"} {
		_, stderr, code := call("plot", "--huber", "--beta", "0.5,2", "--from", "-4", "--to", "4", "-o", filepath.Join(dir, name))
		require.Zero(t, code, stderr)
	}
	f, err := os.Open(filepath.Join(dir, "a.png"))
	require.NoError(t, err)
	defer f.Close()
	picture, err := png.Decode(f)
	require.NoError(t, err)
	assert.Greater(t, picture.Bounds().Dx(), 500)
	colours := map[any]int{}
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			colours[picture.At(x, y)]++
		}
	}
	for _, c := range palette[:2] {
		assert.Greater(t, colours[c], 500, "the curve and its mark in %v", c)
	}
	pdf, err := os.ReadFile(filepath.Join(dir, "b.PDF"))
	require.NoError(t, err)
	assert.True(t, bytes.HasPrefix(pdf, []byte("%PDF-")))
	svg, err := os.ReadFile(filepath.Join(dir, "c.svg"))
	require.NoError(t, err)
	for _, text := range []string{"Huber loss", "δ = 0.5", "δ = 2", "±δ", ">−4<", ">loss<"} {
		assert.Contains(t, string(svg), text)
	}
	assert.Equal(t, []string{"a.png", "b.PDF", "c.svg"}, names(t, dir))
}

// TestCurve compares the points, and the lines between them, with the formula, written down once more.
func TestCurve(t *testing.T) {
	for _, c := range []struct {
		d        drawing
		beta     float64
		f        func(x, a float64) float64
		critical int
	}{
		{drawing{from: -1, to: 1}, 0.1, func(_, a float64) float64 { return choose(a < 0.1, a*a/0.2, a-0.05) }, 2},
		{drawing{from: -1, to: 1}, 1, func(_, a float64) float64 { return a * a / 2 }, 2},
		{drawing{from: 0, to: 1}, 0.1, func(_, a float64) float64 { return choose(a < 0.1, a*a/0.2, a-0.05) }, 1},
		{drawing{from: -1, to: 1}, 2, func(_, a float64) float64 { return a * a / 4 }, 0},
		{drawing{from: -1, to: 1}, 0, func(_, a float64) float64 { return a }, 1},
		{drawing{from: -4, to: 2, kind: smoothl1.Huber}, 3, func(_, a float64) float64 { return choose(a < 3, a*a/2, 3*(a-1.5)) }, 1},
		{drawing{from: -1, to: 1, gradient: true}, 0.1, func(x, _ float64) float64 { return math.Max(-1, math.Min(1, x/0.1)) }, 2},
		{drawing{from: -3, to: 3, gradient: true, kind: smoothl1.Huber}, 2, func(x, _ float64) float64 { return math.Max(-2, math.Min(2, x)) }, 2},
	} {
		points, critical, err := c.d.curve(c.beta)
		require.NoError(t, err)
		require.Len(t, critical, c.critical)
		require.Equal(t, c.d.from, points[0].X)
		require.Equal(t, c.d.to, points[len(points)-1].X)
		for i := range points[:len(points)-1] {
			for _, s := range []float64{0, 0.3, 0.5, 1} {
				x := points[i].X + s*(points[i+1].X-points[i].X)
				y := points[i].Y + s*(points[i+1].Y-points[i].Y)
				require.InDelta(t, c.f(x, math.Abs(x)), y, 2e-3*c.f(c.d.to, c.d.to), "%+v at %v", c, x)
			}
		}
	}
	// The gradient of L1 jumps at 0, where it is 0.
	points, critical, err := (&drawing{from: -1, to: 1, gradient: true}).curve(0)
	require.NoError(t, err)
	require.Len(t, points, 5)
	assert.Zero(t, critical[0].Y)
	assert.Equal(t, []float64{-1, -1, 0, 1, 1}, []float64{points[0].Y, points[1].Y, points[2].Y, points[3].Y, points[4].Y})
}

func choose(yes bool, a, b float64) float64 {
	if yes {
		return a
	}
	return b
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{-1.03, 1.03, "−1 −0.5 0 0.5 1"},
		{-0.04, 1.04, "0 0.2 0.4 0.6 0.8 1"},
		{-4.1, 4.1, "−4 −3 −2 −1 0 1 2 3 4"},
		{0, 5e-7, "0 1e-07 2e-07 3e-07 4e-07 5e-07"},
		{-3e8, 3e8, "−3e+08 −2e+08 −1e+08 0 1e+08 2e+08 3e+08"},
	} {
		var labels []string
		for _, tick := range ticks(c.low, c.high) {
			labels = append(labels, tick.Label)
			assert.True(t, tick.Value >= c.low && tick.Value <= c.high)
		}
		assert.Equal(t, c.want, strings.Join(labels, " "))
	}
}

func TestPlotRefuses(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.svg"), 0o755))
	for _, c := range []struct {
		arguments string
		code      int
		text      string
	}{
		{"", 2, "name the file to write by -o; see 'smoothl1 plot --help'"},
		{"-o x", 2, "want a name that ends in .svg, .png or .pdf"},
		{"-o x.gif", 2, "want a name"},
		{"-o x.svg extra", 2, "extra"},
		{"-o x.svg --from 1 --to 1", 2, "--from 1 --to 1: want two numbers"},
		{"-o x.svg --from nan", 2, "want two numbers"},
		{"-o x.svg --to inf", 2, "want two numbers"},
		{"-o x.svg --from -1e300 --to 1e300", 2, "want two numbers"},
		{"-o x.svg --beta -1", 2, "must not be negative"},
		{"-o x.svg --beta nan", 2, "must be finite"},
		{"-o x.svg --beta x", 2, "--beta"},
		{"-o x.svg --huber --beta 0", 2, "must be positive for the Huber loss"},
		{"-o x.svg --beta 1,2,3,4,5,6,7,8", 2, "--beta has 8 numbers: want 1 to 7"},
		{"-o nowhere/x.svg", 1, "write nowhere/x.svg: no such file or directory; check the path"},
		{"-o folder.svg", 1, "write folder.svg: is a folder: give the name of a file"},
	} {
		t.Run(c.arguments, func(t *testing.T) {
			t.Chdir(dir)
			stdout, stderr, code := call(append([]string{"plot"}, strings.Fields(c.arguments)...)...)
			requireRefused(t, c.code, c.text, stdout, stderr, code)
			assert.Equal(t, []string{"folder.svg"}, names(t, dir))
		})
	}
	_, stderr, code := call("plot", "-o", "/dev/null.svg/x.svg")
	assert.Equal(t, exitFailed, code, stderr)
}

// TestWriteFile keeps what is there until the new content is complete.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	old := write(t, dir, "old", []byte("old"))
	require.NoError(t, os.Chmod(old, 0o600))
	require.NoError(t, os.Symlink("old", filepath.Join(dir, "link")))
	require.NoError(t, writeFile(t.Context(), filepath.Join(dir, "link"), []byte("new")))
	content, err := os.ReadFile(old)
	require.NoError(t, err)
	assert.Equal(t, "new", string(content))
	info, err := os.Lstat(filepath.Join(dir, "link"))
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&os.ModeSymlink, "the link is still one")
	info, err = os.Stat(old)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, writeFile(ctx, old, []byte("newer")))
	content, _ = os.ReadFile(old)
	assert.Equal(t, "new", string(content))
	assert.Equal(t, []string{"link", "old"}, names(t, dir))
	require.Error(t, writeFile(t.Context(), os.DevNull, nil), "is a device")
}
