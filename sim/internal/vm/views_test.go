package vm

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A merged view knows what either of the two knows, and a view that adds nothing is not copied.
func TestMergeViews(t *testing.T) {
	r := seeded(1)
	const blocks, threads = 6, 8
	draw := func() *view {
		v := &view{sc: uint64(r.below(5))}
		for _, list := range []*blocksKnown{&v.blocks, &v.before} {
			for o := range uint32(blocks) {
				if r.below(2) == 0 {
					continue
				}
				k := known{base: r.below(4)}
				if r.below(2) == 0 {
					k.threads = make(clocks, threads)
					for i := range k.threads {
						k.threads[i] = r.below(8)
					}
				}
				*list = append(*list, blockKnown{o, k})
			}
		}
		return v
	}
	clock := func(list blocksKnown, o, u uint32) uint32 {
		k, _ := list.find(o)
		return max(k.base, k.threads.at(u))
	}
	views := []*view{nil}
	for range 2000 {
		a, b := views[r.below(uint32(len(views)))], draw()
		if r.below(2) == 0 && len(views) > 1 {
			b = views[1+r.below(uint32(len(views)-1))]
		}
		m := merge(a, b)
		if a == nil {
			require.Same(t, b, m)
		} else {
			require.Equal(t, max(a.sc, b.sc), m.sc)
			for o := range uint32(blocks) {
				for u := range uint32(threads) {
					require.Equal(t, max(clock(a.blocks, o, u), clock(b.blocks, o, u)), clock(m.blocks, o, u))
					require.Equal(t, max(clock(a.before, o, u), clock(b.before, o, u)), clock(m.before, o, u))
					e := epoch(o)<<blockShift | epoch(u)<<threadShift | epoch(clock(m.blocks, o, u))<<clockShift
					_, known := m.blocks.find(o)
					require.Equal(t, known, m.covers(e))
					require.False(t, m.covers(e+1<<clockShift))
				}
			}
			for i := range m.blocks[min(1, len(m.blocks)):] {
				require.Less(t, m.blocks[i].order, m.blocks[i+1].order)
			}
			require.Same(t, m, merge(a, b), "the same again")
			for _, again := range []*view{merge(m, a), merge(b, m)} {
				require.Equal(t, m.sc, again.sc)
				require.Equal(t, m.blocks, again.blocks)
				require.Equal(t, m.before, again.before)
			}
		}
		views = append(views, m)
	}
	a := draw()
	c := &view{sc: a.sc, blocks: a.blocks, before: a.before}
	assert.Same(t, a, merge(a, c), "another view of the same parts")
}

func TestFenceLog(t *testing.T) {
	// Threads 0 … 3 of a block take turns to execute fences, at clocks 1, 2, 3 …; the n-th fence knows block n.
	var f fenceLog
	const n = 3000
	for c := uint32(1); c <= n; c++ {
		f.add(c%4, 4, snapshot{set: true, clock: c, view: &view{blocks: blocksKnown{{c, known{base: 1}}}}})
	}
	knows := func(v *view, block uint32) bool {
		k, ok := v.blocks.find(block)
		return ok && k.base == 1
	}
	for _, c := range []uint32{n, n - 1, n - 2, n - 200} {
		own, v := f.upTo(known{base: c})
		for u := range uint32(4) {
			want := c - (c-u)%4 // the last fence of the thread
			assert.Equal(t, want, own.threads.at(u), "thread %d up to %d", u, c)
		}
		assert.True(t, knows(v, c))
		assert.False(t, c < n && knows(v, c+1))
	}
	// A single thread, up to a clock between two of its fences.
	own, v := f.upTo(known{threads: clocks{0, 0, n - 7, 0}})
	last := uint32(n-7) - (n-7-2)%4
	assert.Equal(t, last, own.threads.at(2))
	assert.True(t, knows(v, last))
	assert.False(t, knows(v, last+4))
	// Fences so old that they were dropped: a lookup finds the oldest that is left, which knows more.
	own, v = f.upTo(known{base: 10})
	assert.Greater(t, own.threads.at(0), uint32(10))
	assert.True(t, knows(v, 10))
	own, v = (&fenceLog{}).upTo(known{base: 10})
	assert.Zero(t, own)
	assert.Nil(t, v)
	assert.LessOrEqual(t, len(f.sums), maxSums)
	for _, p := range f.points {
		assert.LessOrEqual(t, len(p), maxPoints)
	}
}
