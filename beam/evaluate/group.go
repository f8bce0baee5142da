package evaluate

import (
	"iter"
	"slices"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

// grouped adds the terms of each group of a block. What a group has not is +0 in its canonical sum, and adding +0 to a lane, which
// begins with +0, changes nothing: so a group's lanes need only its own elements.
type grouped[C float32 | float64] struct {
	groups map[int64]*group
	slots  map[int64]int // of the groups of the current chunk
	here   []here        // of those, by slot

	pred, target, weight, terms, abs []C // room
}

// here is a group of the current chunk.
type here struct {
	key            int64
	terms, weights lanes
	kept           int64
	largest        float64
}

type lanes [cpu.Lanes]float64

// fold folds the lanes by halves.
func (l *lanes) fold() float64 {
	for half := cpu.Lanes / 2; half > 0; half /= 2 {
		for i := range half {
			l[i] += l[i+half]
		}
	}
	return l[0]
}

// group is what is known of a group of a block.
type group struct {
	chunks         []int64 // those that it has elements in
	terms, weights []float64
	kept           int64
	largest        float64
}

func newGrouped[C float32 | float64]() *grouped[C] {
	return &grouped[C]{groups: map[int64]*group{}, slots: map[int64]int{}}
}

// addGroups adds elements of a block, beginning with the one at start, which is a multiple of cpu.Chunk.
func addGroups[T smoothl1.Float, C float32 | float64](a *arrays[T, C], e *elements[T], start int64) error {
	g := a.terms
	pred, err := computed(&g.pred, e.pred)
	if err != nil {
		return err
	}
	target, err := computed(&g.target, e.target)
	if err != nil {
		return err
	}
	weight, err := computed(&g.weight, e.weight)
	if err != nil {
		return err
	}
	g.terms, g.abs = sized(g.terms, len(pred)), sized(g.abs, len(pred))
	args := cpu.Args[C]{Pred: pred, Target: target, Weight: weight, Mask: e.mask, Terms: g.terms, Abs: g.abs}
	if err := cpu.ForwardTerms(a.Loss, &args); err != nil {
		return err
	}
	for from := 0; from < len(pred); from += cpu.Chunk {
		to := min(from+cpu.Chunk, len(pred))
		c := chunk[C]{number: (start + int64(from)) / cpu.Chunk, keys: e.groups[from:to], terms: g.terms[from:to], abs: g.abs[from:to]}
		if e.mask != nil {
			c.mask = e.mask[from:to]
		}
		if a.Weights {
			c.weight = weight[from:to]
		}
		g.add(&c)
	}
	return nil
}

// computed returns numbers in the type that they are computed in, which has all of them: 16 bits of storage are not enough for the terms.
func computed[C float32 | float64, T smoothl1.Float](room *[]C, x []T) ([]C, error) {
	if same, ok := any(x).([]C); ok || x == nil {
		return same, nil
	}
	*room = sized(*room, len(x))
	return *room, smoothl1.Convert(*room, x)
}

// chunk is a chunk of a block. Mask may be nil, and weight is if its sum is not wanted.
type chunk[C float32 | float64] struct {
	number             int64 // in the block
	keys               []int64
	mask               []uint8
	terms, abs, weight []C
}

// add adds a chunk.
func (g *grouped[C]) add(c *chunk[C]) {
	clear(g.slots)
	g.here = g.here[:0]
	var h *here
	for i, key := range c.keys {
		if c.mask != nil && c.mask[i] == 0 {
			continue
		}
		if h == nil || h.key != key {
			h = g.at(key)
		}
		h.kept++
		h.terms[i%cpu.Lanes] += float64(c.terms[i])
		if c.weight != nil {
			h.weights[i%cpu.Lanes] += float64(c.weight[i])
		}
		h.largest = larger(h.largest, float64(c.abs[i]))
	}
	for i := range g.here {
		h := &g.here[i]
		to := g.groups[h.key]
		if to == nil {
			to = &group{}
			g.groups[h.key] = to
		}
		to.chunks = append(to.chunks, c.number)
		to.terms = append(to.terms, h.terms.fold())
		if c.weight != nil {
			to.weights = append(to.weights, h.weights.fold())
		}
		to.kept += h.kept
		to.largest = larger(to.largest, h.largest)
	}
}

// at returns the place of a group of the current chunk.
func (g *grouped[C]) at(key int64) *here {
	slot, ok := g.slots[key]
	if !ok {
		slot = len(g.here)
		g.slots[key] = slot
		g.here = append(g.here, here{key: key})
	}
	return &g.here[slot]
}

// take yields the groups of the block and their sums, and forgets them.
func (g *grouped[C]) take() iter.Seq2[int64, sum] {
	return func(yield func(int64, sum) bool) {
		for key, to := range g.groups {
			s := sum{Terms: to.level(to.terms), Weights: to.level(to.weights), Kept: to.kept, Largest: to.largest}
			if !yield(key, s) {
				return
			}
		}
		clear(g.groups)
	}
}

// level returns the next level of the canonical sum, of the sums of the group's chunks, which it overwrites: 0 if these are not wanted.
func (t *group) level(sums []float64) float64 {
	if sums == nil {
		return 0
	}
	return some(slices.Clone(t.chunks), sums, cpu.Chunk)
}
