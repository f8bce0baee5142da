package tune

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Constants of the comparison of two choices.
const (
	block = 3 // timed calls in a row with the same choice, after one that is not timed since it finds the caches as another choice left them
	turns = 4 // blocks of each of both choices, in turns, unless fewer show a clear difference
	// gain is how much less time a choice must take to be taken, so that noise does not decide.
	gain = 0.02
	// patience is how many calls that were disturbed, by others or by passes at the same time, are borne before the search ends.
	patience = 200
	// settled is how many calls are made as chosen before it is tried again whether that is still the best. The number doubles each time.
	settled = 1 << 12
)

// distances are the prefetch distances in bytes that are tried.
var distances = []int{0, 1024, 4096}

// trial says whether a call is timed.
type trial uint8

const (
	timed     trial = 1 + iota
	disturbed       // but not counted, since another pass was being made
)

// kind is what is known of a kind of passes. Its memory is allocated once: calls do not allocate.
type kind struct {
	key   Key
	fixed Fixed
	first Choice
	best  atomic.Uint64 // a packed Choice
	calm  atomic.Int64  // counts down the calls until the choice is tried again

	mu         sync.Mutex
	rest       int64 // calls of the next calm
	candidates list  // still to be compared with the best
	seen       list  // compared in this search
	samples    [2][turns * block]time.Duration
	taken      [2]int
	now        int // the choice being timed: 0 for the best, 1 for the first candidate
	inBlock    int // calls of this block so far
	blocks     int
	lost       int // disturbed calls
	searched   bool
	ratio      float64 // time of the best over that of the first choice, as measured; 1 if that is the best
}

// list is a list of choices.
type list struct {
	all [32]Choice
	n   int
}

func (l *list) slice() []Choice { return l.all[:l.n] }

// add appends a choice, and reports whether there was room.
func (l *list) add(c Choice) bool {
	if l.n == len(l.all) {
		return false
	}
	l.all[l.n] = c
	l.n++
	return true
}

func pack(c Choice) uint64 {
	p := uint64(c.Threads)<<32 | uint64(c.Ahead)<<1
	if c.Streaming {
		p |= 1
	}
	return p
}

func unpack(p uint64) Choice { return Choice{int(p >> 32), p&1 != 0, int(uint32(p) >> 1)} }

func newKind(k Key, f Fixed) *kind {
	x := &kind{key: k, fixed: f, rest: settled, first: f.apply(k, Rule(k)), ratio: 1}
	x.best.Store(pack(x.first))
	x.search()
	return x
}

// next returns the choice for a call, and whether it is to be timed.
func (x *kind) next() (Choice, trial) {
	if x.calm.Load() > 0 && x.calm.Add(-1) > 0 {
		return unpack(x.best.Load()), 0
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.candidates.n == 0 && x.calm.Load() <= 0 {
		x.search()
	}
	if x.candidates.n == 0 {
		return unpack(x.best.Load()), 0
	}
	return x.timing(), timed
}

// timing returns the choice that is being timed.
func (x *kind) timing() Choice {
	if x.now == 0 {
		return unpack(x.best.Load())
	}
	return x.candidates.all[0]
}

// search begins a search for a better choice.
func (x *kind) search() {
	x.seen.n, x.lost = 0, 0
	x.seen.add(unpack(x.best.Load()))
	x.begin()
}

// begin begins to compare the best with its neighbors, or ends the search if it has been compared with all.
func (x *kind) begin() {
	x.neighbors()
	x.restart()
}

// restart begins to compare the best with the first candidate, or ends the search if there is none.
func (x *kind) restart() {
	x.taken, x.now, x.inBlock, x.blocks = [2]int{}, 0, 0, 0
	if x.candidates.n == 0 {
		x.settle()
	}
}

// settle ends the search.
func (x *kind) settle() {
	x.candidates.n, x.searched = 0, true
	x.calm.Store(x.rest)
	x.rest = min(2*x.rest, 1<<40)
}

// neighbors sets the candidates: the choices that differ in one thing from the best and have not been compared in this search.
func (x *kind) neighbors() {
	b := unpack(x.best.Load())
	if x.candidates.n = 0; x.fixed.Off {
		return
	}
	add := func(threads int, streaming bool, ahead int) {
		c := x.fixed.apply(x.key, Choice{threads, streaming, ahead})
		if !slices.Contains(x.seen.slice(), c) && !slices.Contains(x.candidates.slice(), c) {
			x.candidates.add(c)
		}
	}
	add(max(1, b.Threads/2), b.Streaming, b.Ahead)
	add(min(2*b.Threads, x.key.Procs), b.Streaming, b.Ahead)
	// A small output may stay in a cache for whoever reads it next, which no timing of this pass shows.
	if x.key.Streamable && x.key.Bytes() >= unknown {
		add(b.Threads, !b.Streaming, b.Ahead)
	}
	for _, d := range distances {
		add(b.Threads, b.Streaming, d)
	}
}

// record records the time of a call, 0 if it was disturbed.
func (x *kind) record(c Choice, took time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.candidates.n == 0 || c != x.timing() { // others began or ended meanwhile
		return
	}
	if took <= 0 {
		if x.lost++; x.lost > patience {
			x.settle()
		}
		return
	}
	if x.inBlock++; x.inBlock > 1 {
		x.samples[x.now][x.taken[x.now]] = took
		x.taken[x.now]++
	}
	if x.inBlock <= block {
		return
	}
	x.now, x.inBlock = 1-x.now, 0
	if x.blocks++; x.blocks%2 == 0 {
		x.compare(x.blocks == 2*turns)
	}
}

// compare compares the first candidate with the best, if one is clearly faster or these are the last samples.
func (x *kind) compare(last bool) {
	old, new := x.samples[0][:x.taken[0]], x.samples[1][:x.taken[1]]
	slices.Sort(old)
	slices.Sort(new)
	if !last && new[0] <= old[len(old)-1] && new[len(new)-1] >= old[0] {
		return
	}
	b, c := unpack(x.best.Load()), x.candidates.all[0]
	room := x.seen.add(c)
	// A third of the way, noise, which only adds to a time, matters less than in the middle, and what happens often is still seen.
	before, after := float64(old[len(old)/3]), float64(new[len(new)/3])
	// Of two that are equal, the one with fewer goroutines leaves more to others.
	if after < (1-gain)*before || after <= before && c.Threads < b.Threads {
		x.ratio *= after / before
		x.best.Store(pack(c))
		if x.candidates.n = 0; room {
			x.begin()
			return
		}
	} else {
		x.candidates.n = copy(x.candidates.all[:], x.candidates.all[1:x.candidates.n])
	}
	x.restart()
}

func (x *kind) found() Found {
	x.mu.Lock()
	defer x.mu.Unlock()
	return Found{x.key, unpack(x.best.Load()), x.first, x.searched && !x.fixed.Off, 1 / x.ratio}
}
