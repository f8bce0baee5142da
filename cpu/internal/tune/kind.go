package tune

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/smoothl1/smoothl1/internal/isa"
)

// Constants of the comparison of two choices.
const (
	// gain is how much less time a choice must take to be taken, so that noise does not decide.
	gain = 0.02
	// patience is how many calls that were disturbed, by others or by passes at the same time, are borne before the search is given up.
	patience = 200
	// settled is how many calls are made as chosen before it is tried again whether that is still the best. The number doubles each time.
	settled = 1 << 12
)

// A series says how two choices are compared: by the ratios of their times in pairs, each of which has calls with the one and then with the other.
// The first calls with each are not timed, since they find the machine as the other left it.
type series struct {
	untimed, timed int
	pairs          int // whose median decides, unless fewer show a clear difference
	distinct       int // that show it, if all ratios are on the same side
}

// Caches are as a choice leaves them after one call, but another core stays awake for some while, and is woken sooner if it has been asleep for
// less.
var (
	ofThreads = series{untimed: 4, timed: 4, pairs: 6, distinct: 3}
	ofOthers  = series{untimed: 1, timed: 1, pairs: 12, distinct: 5}
)

const mostPairs, mostTimed = 12, 4

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
	key    Key
	fixed  Fixed
	before Choice        // the choice with which the search began
	best   atomic.Uint64 // a packed Choice
	calm   atomic.Int64  // counts down the calls until the choice is tried again

	mu             sync.Mutex
	rest           int64                 // calls of the next calm
	candidates     list                  // still to be compared with the best
	seen           list                  // compared in this search
	ratios         [mostPairs]float64    // times of the first candidate over those of the best
	taken          int                   // of them
	rates          [2][mostTimed]float64 // of this pair, in nanoseconds a byte: of the best and of the first candidate
	candidateFirst bool                  // of this pair
	step           int                   // of this pair
	random         uint64
	lost           int     // disturbed calls
	searched       bool    // to the end
	ratio          float64 // time of the best over that of before, as measured
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
	x := &kind{key: k, fixed: f, rest: settled, random: 1}
	x.best.Store(pack(f.apply(k, Rule(k))))
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

// timing returns the choice for the next call of a search.
func (x *kind) timing() Choice {
	if x.arm() == 0 {
		return unpack(x.best.Load())
	}
	return x.candidates.all[0]
}

// arm returns 0 for the best, or 1 for the first candidate.
func (x *kind) arm() int {
	if how := x.series(); x.candidateFirst == (x.step < how.untimed+how.timed) {
		return 1
	}
	return 0
}

// series returns how the first candidate is compared.
func (x *kind) series() *series {
	if x.candidates.all[0].Threads != unpack(x.best.Load()).Threads {
		return &ofThreads
	}
	return &ofOthers
}

// search begins a search for a better choice.
func (x *kind) search() {
	b := unpack(x.best.Load())
	x.seen.n, x.lost = 0, 0
	x.seen.add(b)
	x.before, x.ratio = b, 1
	x.neighbors()
	x.restart()
}

// restart begins to compare the best with the first candidate, or ends the search if there is none.
func (x *kind) restart() {
	if x.candidates.n == 0 {
		x.searched = x.searched || x.seen.n > 1
		x.settle()
		return
	}
	x.taken = 0
	x.pair()
}

// pair begins a pair of timed calls. The order is random, and that of every second pair the opposite of the one before it, so that a
// program whose calls differ in turns does not make its slow ones with the same choice.
func (x *kind) pair() {
	x.random ^= x.random << 13 // xorshift, by Marsaglia
	x.random ^= x.random >> 7
	x.random ^= x.random << 17
	if x.step = 0; x.taken%2 == 1 {
		x.candidateFirst = !x.candidateFirst
	} else {
		x.candidateFirst = x.random>>20&1 == 1
	}
}

// settle ends the search.
func (x *kind) settle() {
	x.candidates.n = 0
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
	if x.key.Streamable && x.key.Size.Bytes() >= unknown {
		add(b.Threads, !b.Streaming, b.Ahead)
	}
	for _, d := range distances {
		if x.key.Set == isa.Generic { // Go code does not prefetch
			break
		}
		add(b.Threads, b.Streaming, d)
	}
}

// record records the nanoseconds a byte of a call, 0 if it was disturbed.
func (x *kind) record(c Choice, rate float64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.candidates.n == 0 || c != x.timing() { // others began or ended meanwhile
		return
	}
	if rate <= 0 {
		if x.lost++; x.lost > patience {
			x.settle()
		}
		return
	}
	how := x.series()
	one := how.untimed + how.timed
	if i := x.step%one - how.untimed; i >= 0 {
		x.rates[x.arm()][i] = rate
	}
	if x.step++; x.step < 2*one {
		return
	}
	x.ratios[x.taken] = middle(x.rates[1][:how.timed]) / middle(x.rates[0][:how.timed])
	if x.taken++; x.taken >= how.distinct && x.compare(x.taken == how.pairs) {
		x.restart()
		return
	}
	x.pair()
}

// compare compares the first candidate with the best, and reports whether one is clearly faster or this is the last pair.
func (x *kind) compare(last bool) bool {
	b, c := unpack(x.best.Load()), x.candidates.all[0]
	limit := 1 - gain
	if c.Threads < b.Threads {
		limit = 1 // of two that are equal, the one with fewer goroutines leaves more to others
	}
	ratios := x.ratios[:x.taken]
	slices.Sort(ratios)
	if !last && ratios[0] <= limit && ratios[len(ratios)-1] > limit {
		return false
	}
	room := x.seen.add(c)
	x.candidates.n = copy(x.candidates.all[:], x.candidates.all[1:x.candidates.n])
	if median := (ratios[(len(ratios)-1)/2] + ratios[len(ratios)/2]) / 2; median <= limit {
		x.ratio *= median
		x.best.Store(pack(c))
		if x.candidates.n = 0; room {
			x.neighbors()
		}
	}
	return true
}

// middle returns the median of some rates, or the lower one, since noise only adds to a time. It changes their order.
func middle(rates []float64) float64 {
	slices.Sort(rates)
	return rates[(len(rates)-1)/2]
}

func (x *kind) found() Found {
	x.mu.Lock()
	defer x.mu.Unlock()
	return Found{x.key, unpack(x.best.Load()), x.before, x.searched && !x.fixed.Off, 1 / x.ratio}
}
