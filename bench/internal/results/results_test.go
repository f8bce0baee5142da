package results

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	assert.Equal(t, Times{7, 7, 7}, Of([]float64{7}))
	assert.Equal(t, Times{2, 6, 10}, Of([]float64{11, 1, 3, 2, 4, 5, 6, 7, 8, 9, 10}))
	assert.Equal(t, Times{1.2, 2, 2.8}, Of([]float64{3, 1}))
}

func TestCeiling(t *testing.T) {
	entry := func(op, name string, bytes int, ns float64) Entry {
		return Entry{Op: op, Contender: name, Bytes: bytes, NS: Times{Median: ns}}
	}
	g := Group{Entries: []Entry{
		entry(ForwardBackward, Ours, 1000, 1),
		entry("read", "r1", 100, 10), entry("read", "r2", 100, 5),
		entry("copy", "c", 100, 2), entry("combine", "k", 120, 3),
	}}
	for op, want := range map[string]string{ForwardMean: "r2", ForwardNone: "c", Backward: "c", ForwardBackward: "c"} {
		speed, name := g.Ceiling(op)
		assert.Equal(t, want, name, op)
		assert.NotZero(t, speed)
	}
	g.Entries = append(g.Entries, entry("combine", "faster", 150, 2))
	speed, name := g.Ceiling(Backward)
	assert.Equal(t, "faster", name)
	assert.Equal(t, 75.0, speed)
	speed, _ = (&Group{}).Ceiling(Backward)
	assert.Zero(t, speed)
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.json")
	want := &Run{Commit: "c", Machine: Machine{CPU: "x", Threads: 2}, Groups: []Group{{N: 3, Threads: 1, Entries: []Entry{
		{ForwardMean, Ours, 24, Times{1, 2, 3}}}}}}
	require.NoError(t, want.Save(path))
	got, err := Load(path)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	e, ok := got.Groups[0].Find(ForwardMean, Ours)
	assert.True(t, ok)
	assert.Equal(t, 12.0, e.GBs())
	_, ok = got.Groups[0].Find(ForwardMean, PyTorch)
	assert.False(t, ok)
	_, err = Load(path + "x")
	assert.Error(t, err)
}
