package main

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/npy"
)

// FuzzFlags calls the command with arbitrary arguments, and checks that it ends with one of its exit codes, that an error is one line, and
// that no temporary file is left.
func FuzzFlags(f *testing.F) {
	for _, arguments := range []string{
		"eval p.npy t.npy --beta 0.5 --json --out o.npy --grad-pred g.npy --grad-target h.npy --scale 2",
		"eval p.npy t.npy --loss huber --reduction none --out o.npy --upstream p.npy --grad-pred g.npy --device sim",
		"eval p.npy t.npy --weight t.npy --mask m.npy --divisor kept --zero-if-empty --grad-pred g.npy --device cpu",
		"eval p.npy t.npy --rows --divisor weights --weight t.npy --abs a.npy --terms b.npy --loss l1 --json",
		"eval p.npy t.npy --direction t.npy --second s.npy --beta-file p.npy --accumulate-pred t.npy --grad-pred g.npy --dtype float16",
		"eval p.npy m.npy --index i.npy --broadcast --loss huber --delta 2 --divisor 5 --dtype bfloat16", "eval m.npy i.npy --upstream p.npy",
		"eval t.npy p.npy --device cuda:3", "eval p.npy t.npy --device=auto --reduction=sum --beta=-0",
		"plot --beta 1,0.1 --from -2 --to 3 --gradient -o a.svg", "plot --huber -o a.png", "plot -o b.pdf --beta 0",
		"verify --cases 2 --seed 7 --first 3 --device sim --missed", "verify --device cpu --case op=forward,n=3,beta=1",
		"bench --sizes 3 --samples 1 --dtype float64 --beta 0.3 --rotate 1 --json", "devices --json", "help eval", "completion fish", "--version",
		"__complete eval --", "eval -- p.npy --beta", "bench --", "eval - t.npy --out -", "eval p.npy t.npy --grad-pred - --json", "plot -o - --format png",
	} {
		f.Add(arguments)
	}
	// No files outside the test's folder, no other programs, and nothing that takes long.
	refused := regexp.MustCompile(`/|\.\.|~|torch|full|[0-9]{5}|0[xXbBoO_]|_`)
	f.Fuzz(func(t *testing.T, line string) {
		if refused.MatchString(strings.ReplaceAll(line, "__complete", "")) {
			return
		}
		t.Chdir(t.TempDir())
		save(t, ".", "p.npy", []float32{1, 2, 3}, 3)
		save(t, ".", "t.npy", []float32{1, 0, 9}, 3)
		saveAs(t, ".", "m.npy", npy.Bool, []uint8{1, 0, 1}, 3)
		saveAs(t, ".", "i.npy", npy.Int32, []int32{2}, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // "bench" alone takes minutes
		defer cancel()
		var stdout, stderr bytes.Buffer
		code := run(ctx, strings.Fields(line), &stdout, &stderr)
		require.Contains(t, []int{0, exitFailed, exitUsage}, code)
		lines := strings.SplitAfter(stderr.String(), "\n")
		if code != 0 {
			last := lines[len(lines)-2]
			require.Regexp(t, `^smoothl1: .+\n$`, last)
			require.Empty(t, lines[len(lines)-1])
		}
		for _, name := range names(t, ".") {
			require.NotRegexp(t, `\.tmp$`, name)
		}
	})
}
