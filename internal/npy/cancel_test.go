package npy

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// looks is a context that counts how often it is looked at, and ends after so many times.
type looks struct {
	context.Context
	taken, left int
}

func (l *looks) Err() error {
	l.taken++
	if l.taken > l.left {
		return context.Canceled
	}
	return nil
}

// TestAppendLooksAtTheContext ends in the middle of a large Append: it looks before every MiB, writes no more than was begun, and
// leaves nothing.
func TestAppendLooksAtTheContext(t *testing.T) {
	const mib = 6
	values := make([]float32, mib<<18)
	dir := t.TempDir()
	for _, bigEndian := range []bool{false, true} { // the machine's order, and the other
		whole := &looks{Context: t.Context(), left: 1 << 30}
		begin := func(ctx *looks) *Writer {
			w, err := Create(ctx, filepath.Join(dir, "x.npy"), Header{Float32, []int{len(values)}})
			require.NoError(t, err)
			w.swap = bigEndian
			ctx.taken = 0
			return w
		}
		w := begin(whole)
		require.NoError(t, Append(w, values))
		assert.GreaterOrEqual(t, whole.taken, mib)
		require.NoError(t, w.Close())
		for left := range mib {
			ctx := &looks{Context: t.Context(), left: 1 << 30}
			w := begin(ctx)
			ctx.left = left
			require.ErrorIs(t, Append(w, values), context.Canceled)
			assert.Equal(t, left+1, ctx.taken, "looks at a context that has ended")
			require.ErrorIs(t, Append(w, values[:1]), context.Canceled, "its first error ends it")
			require.ErrorIs(t, Commit(w), context.Canceled)
			names, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, names)
		}
	}
}

// TestCommitLooksAtTheContext ends when all has been written and nothing has its place yet: no file of several takes it.
func TestCommitLooksAtTheContext(t *testing.T) {
	dir := t.TempDir()
	for left := 0; ; left++ {
		ctx := &looks{Context: t.Context(), left: 1 << 30}
		var all []*Writer
		for _, name := range []string{"a.npy", "b.npy"} {
			w, err := Create(ctx, filepath.Join(dir, name), Header{Float32, []int{1}})
			require.NoError(t, err)
			require.NoError(t, Append(w, []float32{1}))
			all = append(all, w)
		}
		ctx.taken, ctx.left = 0, left
		err := Commit(all...)
		names, dirErr := os.ReadDir(dir)
		require.NoError(t, dirErr)
		if err == nil {
			require.GreaterOrEqual(t, left, 2, "looks at each")
			require.Len(t, names, 2)
			return
		}
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, names, left)
	}
}
