package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/npy"
	"github.com/smoothl1/smoothl1/sim"
)

// bar records the calls of a progress bar, and what has been done by then.
type bar struct {
	total    int
	added    []int
	finished int
	onAdd    func()
}

func (b *bar) Add(n int) error {
	b.added = append(b.added, n)
	if b.onAdd != nil {
		b.onAdd()
	}
	return nil
}

func (b *bar) Finish() error {
	b.finished++
	return nil
}

// countBars makes every progress use a recording bar. began is called with each bar that begins.
func countBars(t *testing.T, began func(*bar)) *[]*bar {
	var all []*bar
	old := newBar
	t.Cleanup(func() { newBar = old })
	newBar = func(_ *progress, total int) steps {
		b := &bar{total: total}
		all = append(all, b)
		if began != nil {
			began(b)
		}
		return b
	}
	return &all
}

// onWrite is a writer that calls look when something is printed.
type onWrite struct {
	bytes.Buffer
	look func(text string)
}

func (p *onWrite) Write(text []byte) (int, error) {
	p.look(string(text))
	return p.Buffer.Write(text)
}

// TestProgressCounts compares the calls of a bar with the work: it begins before the first piece, advances by a piece when the piece is
// done and not before, is full when all is done, and is cleared before the result is printed.
func TestProgressCounts(t *testing.T) {
	tinyPieces(t)
	w := watch(t)
	dir := t.TempDir()
	for _, n := range []int{2*simPiece + 77, 3 * simPiece, simPiece + 1} {
		x := save(t, dir, fmt.Sprint(n, ".npy"), make([]float32, n), n)
		var atAdd []uint64
		counted := countBars(t, func(b *bar) {
			assert.Zero(t, w.opened[0].Calls(sim.LaunchCall), "begins before the first piece")
			assert.LessOrEqual(t, w.opened[0].Calls(sim.CopyCall), uint64(2), "before it is loaded, too; each op clears its ticket")
			b.onAdd = func() { atAdd = append(atAdd, w.opened[0].Calls(sim.LaunchCall)) }
		})
		w.opened, w.closed = nil, 0
		out := &onWrite{look: func(string) { assert.Equal(t, 1, (*counted)[0].finished, "still there when the result is printed") }}
		require.Zero(t, run(t.Context(), []string{"eval", x, x, "--device", "sim"}, out, io.Discard))
		require.Len(t, *counted, 1)
		b := (*counted)[0]
		assert.Equal(t, n, b.total)
		left := n
		for i, m := range b.added {
			assert.Equal(t, min(left, simPiece), m)
			left -= m
			assert.EqualValues(t, i+1+min(1, left), atAdd[i], "launches when piece %d is reported as done: the next one's too", i)
		}
		assert.Zero(t, left)
		assert.Equal(t, 1, b.finished)
		assert.Equal(t, "0\n", out.String())
	}
	counted := countBars(t, nil)
	x := save(t, dir, "one.npy", make([]float32, simPiece), simPiece)
	_, stderr, code := w.call("eval", x, x, "--device", "sim")
	require.Zero(t, code, stderr)
	assert.Empty(t, *counted, "no bar for a single piece")
}

// TestProgressCountsAhead checks that the elements that a divisor counts before gradients are part of the work.
func TestProgressCountsAhead(t *testing.T) {
	chunkPieces(t)
	dir := t.TempDir()
	n := 2*piece + 7
	save(t, dir, "x.npy", make([]float32, n), 1, n)
	saveAs(t, dir, "m.npy", npy.Bool, make([]uint8, n), 1, n)
	for _, c := range []struct {
		line  string
		added []int
	}{
		{"--grad-pred=@g.npy", []int{piece, piece, 7, piece, piece, 7}},
		{"--grad-pred=@g.npy --rows", []int{piece, piece, 7, piece, piece, 7}},
		{"--out=@o.npy", []int{piece, piece, 7}},
	} {
		counted := countBars(t, nil)
		_, stderr, code := evalIn(dir, "@x.npy @x.npy --mask=@m.npy --divisor=kept "+c.line)
		require.Zero(t, code, stderr)
		require.Len(t, *counted, 1)
		total := 0
		for _, n := range c.added {
			total += n
		}
		assert.Equal(t, &bar{total: total, added: c.added, finished: 1}, (*counted)[0], c.line)
	}
}

// TestProgressOfVerify checks that the bar of verify counts cases.
func TestProgressOfVerify(t *testing.T) {
	counted := countBars(t, nil)
	out := &onWrite{}
	out.look = func(text string) {
		if !strings.HasPrefix(text, "device: ") {
			assert.Equal(t, 1, (*counted)[0].finished)
		}
	}
	require.Zero(t, run(t.Context(), []string{"verify", "--device", "cpu", "--cases", "7", "--first", "3"}, out, io.Discard))
	require.Len(t, *counted, 1)
	assert.Equal(t, &bar{total: 7, added: []int{1, 1, 1, 1, 1, 1, 1}, finished: 1}, (*counted)[0])
}

// TestProgressOfVerifyFor checks that the bar of verify with a time limit shows the part of the time that has passed.
func TestProgressOfVerifyFor(t *testing.T) {
	counted := countBars(t, nil)
	require.Zero(t, run(t.Context(), []string{"verify", "--device", "cpu", "--cases", "1000000", "--for", "300ms"}, io.Discard, io.Discard))
	require.Len(t, *counted, 1)
	b, sum := (*counted)[0], 0
	for _, n := range b.added {
		sum += n
	}
	assert.Equal(t, 1000, b.total)
	assert.Positive(t, sum)
	assert.LessOrEqual(t, sum, b.total)
}

// TestProgressEndsWithErrors checks that the bar ends whatever ends the command: a fault, a file, a signal.
func TestProgressEndsWithErrors(t *testing.T) {
	tinyPieces(t)
	w := watch(t)
	dir := t.TempDir()
	n := 3 * simPiece
	x := save(t, dir, "x.npy", make([]float32, n), n)
	for name, fail := range map[string]func(b *bar, cancel context.CancelFunc){
		"fault":  func(*bar, context.CancelFunc) { w.opened[0].FailNext(sim.LaunchCall, 2, false) },
		"signal": func(b *bar, cancel context.CancelFunc) { b.onAdd = cancel },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		counted := countBars(t, func(b *bar) { fail(b, cancel) })
		w.opened = nil
		require.Equal(t, exitFailed, run(ctx, []string{"eval", x, x, "--device", "sim"}, io.Discard, io.Discard), name)
		require.Len(t, *counted, 1)
		assert.Equal(t, []int{simPiece}, (*counted)[0].added, name)
		assert.Equal(t, 1, (*counted)[0].finished, name)
	}
}

// TestLooksForASignalWhileComputing cancels after the first piece, case or group, and checks that nothing more is computed and no file
// is written.
func TestLooksForASignalWhileComputing(t *testing.T) {
	tinyPieces(t)
	w := watch(t)
	dir := t.TempDir()
	n := 5 * simPiece
	x := save(t, dir, "x.npy", make([]float32, n), n)
	for _, flags := range [][]string{nil, {"--grad-pred", "g.npy", "--out", "o.npy"}, {"--reduction", "none", "--out", "o.npy"}} {
		for i, name := range flags {
			if strings.HasSuffix(name, ".npy") {
				flags[i] = filepath.Join(dir, name)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		launches := uint64(0)
		countBars(t, func(b *bar) {
			b.onAdd = func() {
				cancel()
				launches = w.opened[0].Calls(sim.LaunchCall)
			}
		})
		w.opened = nil
		var stderr bytes.Buffer
		require.Equal(t, exitFailed, run(ctx, append([]string{"eval", x, x, "--device", "sim"}, flags...), io.Discard, &stderr))
		assert.Equal(t, "smoothl1: interrupted; no file was written\n", stderr.String())
		assert.NotZero(t, launches)
		assert.Equal(t, launches, w.opened[0].Calls(sim.LaunchCall), "%v", flags)
		assert.Equal(t, []string{"x.npy"}, names(t, dir))
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	counted := countBars(t, func(b *bar) { b.onAdd = cancel })
	var stderr bytes.Buffer
	require.Equal(t, exitFailed, run(ctx, []string{"verify", "--device", "cpu", "--cases", "100000"}, io.Discard, &stderr))
	assert.Regexp(t, `^smoothl1: interrupted after \d+ of 100000 cases, none of which differed\n$`, stderr.String())
	assert.Less(t, len((*counted)[0].added), 50, "each worker ends its case")

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	lines := 0
	report := &onWrite{look: func(string) { lines++; cancel() }}
	require.Equal(t, exitFailed, run(ctx, []string{"bench", "--device", "sim", "--samples", "1", "--rotate", "1", "--sizes", "64,65,66,67", "-o",
		filepath.Join(dir, "r.json")}, io.Discard, report))
	assert.Equal(t, 2, lines, "a group, and the error: %s", report.String())
	assert.Equal(t, []string{"x.npy"}, names(t, dir))
}
