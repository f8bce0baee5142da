package main

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPictures generates the pictures of the documents again and compares.
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

// TestPlotLosses checks that the names of a loss and of its beta draw the same picture.
func TestPlotLosses(t *testing.T) {
	draw := func(flags string) string {
		stdout, stderr, code := call(append([]string{"plot", "-o", "-", "--format", "svg"}, strings.Fields(flags)...)...)
		require.Zero(t, code, stderr)
		return stdout
	}
	huber := draw("--huber --beta 0.5,2")
	require.Contains(t, huber, "δ = 0.5")
	require.Contains(t, huber, "δ = 2")
	for _, flags := range []string{"--loss huber --beta 0.5,2", "--loss huber --delta 0.5,2", "--huber --delta 0.5 --delta 2"} {
		require.Equal(t, huber, draw(flags), flags)
	}
	require.Equal(t, draw("--huber"), draw("--loss huber"))
	require.Equal(t, draw("--beta 0 --gradient"), draw("--loss l1 --gradient"))
	require.Equal(t, draw("--beta 0.1"), draw("--loss smooth_l1 --beta 0.1"))
}

func TestPlotRefuses(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.svg"), 0o755))
	for _, c := range []struct {
		arguments string
		code      int
		text      string
	}{
		{"", 2, "name the file to write with -o; see 'smoothl1 plot --help'"},
		{"-o x", 2, "want a name that ends in .svg, .png or .pdf"},
		{"-o x.gif", 2, "want a name"},
		{"-o x.svg extra", 2, "extra"},
		{"-o x.svg --from 1 --to 1", 2, "--from 1 --to 1: want two numbers"},
		{"-o x.svg --from 1 --to -1", 2, "--from 1 --to -1: want two numbers"},
		{"-o x.svg --from nan", 2, "want two numbers"},
		{"-o x.svg --to inf", 2, "want two numbers"},
		{"-o x.svg --from -inf", 2, "want two numbers"},
		{"-o x.svg --from -1e308 --to 1e308", 2, "--from -1e+308 --to 1e+308: want two numbers from -1e+100 to 1e+100, the first at least 1e-100 below the second"},
		{"-o x.svg --from 0 --to 5e-324", 2, "want two numbers"},
		{"-o x.svg --from 5e15 --to 5000000000000001", 2, "--from 5e+15 --to 5.000000000000001e+15: too close together: float64 has too few numbers between them for a picture"},
		{"-o x.svg --from 1e7 --to 10000000.000000004", 2, "too close together"},
		{"-o x.svg --from -1e100 --to -9.999999999999999e99", 2, "too close together"},
		{"-o x.svg --beta -1", 2, "must not be negative"},
		{"-o x.svg --beta nan", 2, "must be finite"},
		{"-o x.svg --beta 1,2,1.0", 2, "--beta: 1 is given twice"},
		{"-o x.svg --beta x", 2, "--beta"},
		{"-o x.svg --loss l2", 2, "want smooth_l1, huber, l1"},
		{"-o x.svg --loss l1 --beta 1", 2, "--beta and --loss l1 exclude each other"},
		{"-o x.svg --loss l1 --delta 1", 2, "--delta and --loss l1 exclude each other"},
		{"-o x.svg --delta 1,2", 2, "--delta is for --loss huber: that of smooth_l1 is --beta"},
		{"-o x.svg --loss huber --delta 1 --beta 2", 2, "--beta and --delta are the same: give one"},
		{"-o x.svg --loss huber --delta 1,1", 2, "--delta: 1 is given twice"},
		{"-o x.svg --huber --loss huber", 2, "--huber is another name of --loss huber: give one"},
		{"-o x.svg --huber --beta 0", 2, "must be positive for the Huber loss"},
		{"-o x.svg --beta 1,2,3,4,5,6,7,8", 2, "--beta has 8 numbers: want 1 to 7"},
		{"-o nowhere/x.svg", 1, "write nowhere/x.svg: no such file or directory; check the path"},
		{"-o folder.svg", 1, "write folder.svg: a folder, not a file"},
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
