package tune

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/op"
)

var key = Key{Pass: op.ForwardBackward, Type: smoothl1.Float32, Size: SizeOf(8 << 20), Streamable: true, Procs: 8, Set: isa.AVX512}

// machine is a model of a machine: how long a pass takes.
type machine func(Choice) time.Duration

// bytes is the size of the passes that calls makes.
const bytes = 1 << 23

// calls makes calls of a kind, and returns how many were timed.
func calls(x *kind, n int, m machine) (trials int) {
	for range n {
		c, trial := x.next()
		if trial == 0 {
			continue
		}
		trials++
		x.record(c, float64(m(c))/bytes)
	}
	return trials
}

// The search must find the best of any machine on which the parts of a choice do not depend on each other, in few calls.
func TestFindsTheBest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		want := Choice{1 << r.IntN(4), r.IntN(2) == 1, distances[r.IntN(len(distances))]}
		m := func(c Choice) time.Duration {
			d := 100 * time.Microsecond
			for k := 1; k <= 8; k *= 2 { // each doubling away from the best costs
				if (k < c.Threads) != (k < want.Threads) {
					d = d * 5 / 4
				}
			}
			if c.Streaming != want.Streaming {
				d = d * 13 / 10
			}
			if c.Ahead != want.Ahead {
				d = d * 21 / 20
			}
			return d + time.Duration(r.IntN(2000)) // noise
		}
		x := newKind(key, Fixed{})
		trials := calls(x, 500, m)
		require.Equal(t, want, x.found().Choice)
		require.True(t, x.found().Settled)
		require.LessOrEqual(t, trials, 450)
		require.InEpsilon(t, float64(m(Rule(key)))/float64(m(want)), x.found().Speedup, 0.1)
	}
}

// Equal choices must leave the rule's, but for fewer goroutines, and outliers must not matter.
func TestKeepsWhatIsNotWorse(t *testing.T) {
	x := newKind(key, Fixed{})
	calls(x, 500, func(Choice) time.Duration { return time.Millisecond })
	want := Rule(key)
	want.Threads = 1
	assert.Equal(t, want, x.found().Choice)

	r := rand.New(rand.NewPCG(3, 4))
	best := Rule(key)
	x = newKind(key, Fixed{})
	calls(x, 500, func(c Choice) time.Duration {
		switch {
		case r.IntN(6) == 0:
			return 9 * time.Millisecond
		case c == best:
			return time.Millisecond
		}
		return 1300 * time.Microsecond
	})
	assert.Equal(t, best, x.found().Choice)
	assert.Equal(t, 1.0, x.found().Speedup)
}

func TestTriesAgain(t *testing.T) {
	x := newKind(key, Fixed{})
	slow := func(which bool) machine {
		return func(c Choice) time.Duration {
			if c.Streaming == which {
				return 2 * time.Millisecond
			}
			return time.Millisecond
		}
	}
	calls(x, 300, slow(true))
	assert.False(t, x.found().Choice.Streaming)
	assert.InEpsilon(t, 2.0, x.found().Speedup, 1e-9)
	assert.Zero(t, calls(x, settled-300, slow(false)), "settled")
	calls(x, 600, slow(false))
	assert.True(t, x.found().Choice.Streaming)
	assert.False(t, x.found().Before.Streaming)
	assert.InEpsilon(t, 2.0, x.found().Speedup, 1e-9, "of this search")
	assert.Zero(t, calls(x, 2*settled-600, slow(true)), "settled for twice as long")
}

// A program whose calls take longer in turns must not mistake that for a difference of choices: never if calls of a kind differ as little as their
// sizes, and seldom if they differ as nothing does that a program does in turns.
func TestPeriods(t *testing.T) {
	best := Rule(key)
	for _, c := range []struct {
		percent time.Duration
		wrong   int
	}{{106, 0}, {190, 30}} {
		all, wrong := 0, 0
		for period := 2; period <= 16; period++ {
			for shift := range period {
				x, i := newKind(key, Fixed{}), shift
				calls(x, 800, func(choice Choice) time.Duration {
					d := time.Millisecond
					if choice.Threads != best.Threads {
						d = d * 3 / 2
					}
					if choice.Streaming != best.Streaming {
						d = d * 13 / 10
					}
					if choice.Ahead != best.Ahead {
						d = d * 11 / 10
					}
					if i++; i%period < period/2 {
						d = d * c.percent / 100
					}
					return d
				})
				all++
				if x.found().Choice != best {
					wrong++
				}
			}
		}
		assert.LessOrEqual(t, wrong, c.wrong, "of %d, whose slow calls take %d %%", all, c.percent)
	}
}

// Plain Go neither prefetches nor streams.
func TestGenericHasOnlyThreads(t *testing.T) {
	generic := key
	generic.Set, generic.Streamable = isa.Generic, false
	x := newKind(generic, Fixed{})
	calls(x, 300, func(c Choice) time.Duration {
		require.Equal(t, Choice{c.Threads, false, 0}, c)
		return time.Second / time.Duration(c.Threads)
	})
	assert.Equal(t, 8, x.found().Choice.Threads)
}

func TestSmallOutputsStayInTheCache(t *testing.T) {
	small := key
	small.Size = SizeOf(1 << 20)
	x := newKind(small, Fixed{})
	for range 300 {
		c, trial := x.next()
		require.False(t, c.Streaming)
		if trial != 0 {
			x.record(c, 1)
		}
	}
	unaligned := key
	unaligned.Streamable = false
	x = newKind(unaligned, Fixed{Stores: Streaming})
	calls(x, 300, func(c Choice) time.Duration {
		require.False(t, c.Streaming)
		return time.Millisecond
	})
}

// Disturbed calls do not count, and end the search in the end.
func TestDisturbedCalls(t *testing.T) {
	x := newKind(key, Fixed{})
	for range patience + 1 {
		c, trial := x.next()
		require.Equal(t, timed, trial)
		x.record(c, 0)
	}
	_, trial := x.next()
	assert.Zero(t, trial)
	assert.Equal(t, Rule(key), x.found().Choice)
	assert.False(t, x.found().Settled, "given up")

	tuner := New(Fixed{})
	a := tuner.Begin(key, bytes)
	b := tuner.Begin(key, bytes)
	b.End(true)
	a.End(true)
	assert.Equal(t, 2, tuner.kinds[key].lost)
	c := tuner.Begin(key, bytes)
	c.End(true)
	assert.Equal(t, 2, tuner.kinds[key].lost)
	assert.Equal(t, 1, tuner.kinds[key].step)
	c = tuner.Begin(key, bytes)
	c.End(true)

	assert.Equal(t, 2, tuner.kinds[key].step)
	for range 3 { // whichever turn it is
		c = tuner.Begin(key, bytes)
		c.End(false)
	}
	assert.Equal(t, 5, tuner.kinds[key].lost, "passes that panicked")
	assert.Equal(t, 2, tuner.kinds[key].step)
	var none Run
	none.End(true) // nothing was begun
}

func TestManyAtOnce(t *testing.T) {
	tuner := New(Fixed{})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 2000 {
				k := key
				k.Size = SizeOf(1 << (20 + (i+j)%3))
				r := tuner.Begin(k, bytes)
				if j%2 == 0 {
					assert.NotEmpty(t, tuner.Found())
				}
				r.End(true)
			}
		})
	}
	group.Wait()
	assert.Zero(t, tuner.running.Load())
	assert.Len(t, tuner.Found(), 3)
}

func TestNothingIsAllocated(t *testing.T) {
	tuner := New(Fixed{})
	assert.Zero(t, testing.AllocsPerRun(3*settled, func() {
		r := tuner.Begin(key, bytes)
		r.End(true)
	}))
}

func TestKindsAreBounded(t *testing.T) {
	tuner := New(Fixed{})
	for i := range maxKinds + 10 {
		k := key
		k.Procs = i + 1
		r := tuner.Begin(k, bytes)
		r.End(true)
	}
	assert.LessOrEqual(t, len(tuner.kinds), maxKinds)
}

func TestRule(t *testing.T) {
	threads := func(log2 int, form Form, procs int, set isa.Set) int {
		return Rule(Key{Size: SizeOf(1 << log2), Form: form, Procs: procs, Set: set}).Threads
	}
	assert.Equal(t, 1, threads(21, 0, 64, isa.AVX2))
	assert.Equal(t, 4, threads(23, 0, 64, isa.AVX2))
	assert.Equal(t, 64, threads(30, 0, 64, isa.AVX2))
	assert.Equal(t, 2, threads(30, 0, 2, isa.AVX2))
	assert.Equal(t, 8, threads(23, Weight, 64, isa.AVX2), "takes twice as long")
	assert.Equal(t, 64, threads(23, 0, 64, isa.Generic))

	defer isa.UseCaches()()
	assert.Equal(t, unknown, StreamFrom(2), "none reported")
	// A desktop: 8 cores with two threads each. All of them have the whole cache, of which half is for other arrays.
	isa.UseCaches(isa.Cache{Level: 1, Bytes: 32 << 10, Threads: 2}, isa.Cache{Level: 2, Bytes: 1 << 20, Threads: 2}, isa.Cache{Level: 3, Bytes: 64 << 20, Threads: 16})
	assert.Equal(t, 32<<20, StreamFrom(16))
	assert.Equal(t, 32<<20, StreamFrom(32), "two of them")
	assert.Equal(t, 4<<20, StreamFrom(2))
	// A virtual machine with two threads of a socket with 260 MiB for 128.
	isa.UseCaches(isa.Cache{Level: 2, Bytes: 2 << 20, Threads: 2}, isa.Cache{Level: 3, Bytes: 260 << 20, Threads: 128})
	assert.Equal(t, 260<<20/128, StreamFrom(2))
	two := key
	two.Procs = 2
	c := Rule(two)
	assert.True(t, c.Streaming)
	assert.Zero(t, c.Ahead)
	for _, k := range []Key{{Size: SizeOf(1 << 20), Streamable: true, Set: isa.AVX2}, {Size: SizeOf(1 << 30), Set: isa.AVX2}} {
		assert.False(t, Rule(k).Streaming)
		assert.Equal(t, Ahead, Rule(k).Ahead)
	}
}

func TestParse(t *testing.T) {
	for _, value := range []string{"", "off", "threads=3", "stores=ordinary", "stores=streaming", "ahead=0", "ahead=8192", "off,threads=1,stores=streaming,ahead=64"} {
		f, err := Parse(value)
		require.NoError(t, err, value)
		assert.Equal(t, value, f.String())
	}
	for value, want := range map[string]string{
		"on":              `"on": no such setting`,
		"threads":         `"threads": no such setting`,
		"threads=0":       `"threads=0": want a positive number`,
		"threads=x":       `"threads=x": want a positive number`,
		"ahead=-64":       `"ahead=-64": want a multiple of 64 up to 8192`,
		"ahead=63":        "want a multiple",
		"ahead=8256":      "want a multiple",
		"stores=":         "no such setting",
		"off,,threads=1":  `"": no such setting`,
		" off":            `" off": no such setting`,
		"threads=1=2":     "want a positive number",
		"stores=streamed": "no such setting",
	} {
		f, err := Parse(value)
		assert.ErrorContains(t, err, want, value)
		assert.Zero(t, f, value)
	}
}

func TestFixed(t *testing.T) {
	f, err := Parse("threads=3,stores=ordinary,ahead=128")
	require.NoError(t, err)
	x := newKind(key, f)
	c, trial := x.next()
	assert.Equal(t, Choice{3, false, 128}, c)
	assert.Zero(t, trial, "nothing is left to measure")
	two := key
	two.Procs = 2
	c, _ = newKind(two, f).next()
	assert.Equal(t, 2, c.Threads, "not more than GOMAXPROCS")
	f, err = Parse("off")
	require.NoError(t, err)
	tuner := New(f)
	r := tuner.Begin(key, bytes)
	r.End(true)
	assert.Equal(t, []Found{{Key: key, Choice: Rule(key), Before: Rule(key), Speedup: 1}}, tuner.Found())
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		r := tuner.Begin(key, bytes)
		assert.Zero(t, r.trial)
		r.End(true)
	}))

	f, err = Parse("ahead=64")
	require.NoError(t, err)
	calls(newKind(key, f), 300, func(c Choice) time.Duration {
		require.Equal(t, 64, c.Ahead)
		return time.Millisecond
	})
}

func TestTexts(t *testing.T) {
	assert.Equal(t, "2 threads, streaming stores, prefetching 1024 bytes ahead", Choice{2, true, 1024}.String())
	assert.Equal(t, "weight, rows", (Weight | ByRow).String())
	assert.Equal(t, "forward_backward float32 (mask), 8 to 9 MiB, 8 threads", Key{Pass: op.ForwardBackward, Type: smoothl1.Float32, Form: Mask, Size: SizeOf(8 << 20), Procs: 8}.String())
	assert.Equal(t, "512 KiB", Text(512<<10))
	assert.Equal(t, "1.5 GiB", Text(3<<29))
	assert.Equal(t, "960 KiB to 1 MiB", SizeOf(1<<20-1).String())
	assert.Equal(t, "5.5 to 6 MiB", SizeOf(6<<20-1).String())
	last := Size(0)
	for bytes := 8; bytes < 1<<30; bytes += bytes/20 + 1 {
		s := SizeOf(bytes)
		require.LessOrEqual(t, s.Bytes(), bytes)
		require.Greater(t, (s + 1).Bytes(), bytes)
		require.GreaterOrEqual(t, s, last)
		last = s
	}
	for _, c := range []Choice{{1, false, 0}, {1 << 20, true, 8192}} {
		assert.Equal(t, c, unpack(pack(c)))
	}
}
