package evaluate

import (
	"cmp"
	"slices"
	"sort"

	"github.com/smoothl1/smoothl1/cpu"
)

const (
	// block is the number of elements of a number of the second level of the canonical sum.
	block = cpu.Chunk * cpu.Chunk
	// piece is the number of elements that are read at a time.
	piece = 512 * cpu.Chunk
	// longest is the number of rows in a batch of losses.
	longest = 1 << 17
	// run is the number of elements of an item whose files can be read at any place: enough that opening them costs nothing.
	run = 8 * block
)

// geometry is the matrix that is evaluated: rows that are reduced each, or one row that is the whole. Long rows are cut into blocks,
// short ones are computed in batches. A unit is a block or a batch.
type geometry struct {
	Rows, Cols int64
	Block      int64 // elements of a block
	Batch      int64 // rows of a batch, or 0: rows are cut into blocks
}

func newGeometry(rows, cols, block int64, m mode) geometry {
	g := geometry{Rows: rows, Cols: cols, Block: block}
	if m == byRow && cols <= min(piece, block) {
		g.Batch = min(longest, block/max(1, cols), piece/max(1, cols))
	}
	return g
}

// blocks returns the number of blocks of a row.
func (g *geometry) blocks() int64 { return (g.Cols + g.Block - 1) / g.Block }

// units returns the number of units.
func (g *geometry) units() int64 {
	if g.Batch > 0 {
		return (g.Rows + g.Batch - 1) / g.Batch
	}
	return g.Rows * g.blocks()
}

// start returns the first element of a unit, or the number of elements for that after the last.
func (g *geometry) start(unit int64) int64 {
	switch k := g.blocks(); {
	case g.Batch > 0:
		return min(unit*g.Batch, g.Rows) * g.Cols
	case k == 0:
		return 0
	default:
		return unit/k*g.Cols + unit%k*g.Block
	}
}

// cut emits the items. An item has the units that begin in one shard of pred, so that files that are read from beginning to end
// are read once, but for at most one unit; and no more than run elements, if all files can be read at any place.
func (p *plan) cut(emit func(item)) {
	g := &p.geometry
	units, most := g.units(), g.units()
	if p.random() {
		most = max(1, run/max(1, g.start(1)))
	}
	unit := int64(0)
	for i, s := range p.shards[pred] {
		end := units
		if i < len(p.shards[pred])-1 {
			end = int64(sort.Search(int(units), func(u int) bool { return g.start(int64(u)) >= s.First+s.Entries }))
		}
		for unit < end {
			n := min(most, end-unit)
			emit(p.item(unit, n))
			unit += n
		}
	}
}

// random reports whether all files can be read at any place.
func (p *plan) random() bool {
	return !slices.ContainsFunc(slices.Concat(p.shards[:]...), func(s shard) bool { return !s.Local })
}

// item returns the item of n units.
func (p *plan) item(unit, n int64) item {
	it := item{Geometry: p.geometry, DType: int64(p.dtype), First: unit, Units: n, Repeat: p.repeat[:]}
	from, to := p.geometry.start(unit), p.geometry.start(unit+n)
	for r, all := range p.shards {
		if from == to || p.repeat[r] == 0 {
			continue
		}
		first, last := from/p.repeat[r], (to-1)/p.repeat[r]
		i, _ := slices.BinarySearchFunc(all, first, func(s shard, e int64) int { return cmp.Compare(s.First+s.Entries, e+1) })
		for ; i < len(all) && all[i].First <= last; i++ {
			if all[i].Entries > 0 {
				it.Shards = append(it.Shards, all[i])
			}
		}
	}
	return it
}
