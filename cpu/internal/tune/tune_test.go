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

var key = Key{Pass: op.ForwardBackward, Type: smoothl1.Float32, Log2: 23, Streamable: true, Procs: 8, Set: isa.AVX512}

// machine is a model of a machine: how long a pass takes.
type machine func(Choice) time.Duration

// calls makes calls of a kind, and returns how many were timed.
func calls(x *kind, n int, m machine) (trials int) {
	for range n {
		c, trial := x.next()
		if trial == 0 {
			continue
		}
		trials++
		x.record(c, m(c))
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
		require.LessOrEqual(t, trials, 200)
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
	assert.Zero(t, calls(x, settled-300, slow(false)), "settled")
	calls(x, 600, slow(false))
	assert.True(t, x.found().Choice.Streaming)
	assert.Zero(t, calls(x, 2*settled-600, slow(true)), "settled for twice as long")
}

func TestSmallOutputsStayInTheCache(t *testing.T) {
	small := key
	small.Log2 = 20
	x := newKind(small, Fixed{})
	for range 300 {
		c, trial := x.next()
		require.False(t, c.Streaming)
		if trial != 0 {
			x.record(c, time.Millisecond)
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

	tuner := New(Fixed{})
	a := tuner.Begin(key)
	b := tuner.Begin(key)
	b.End()
	a.End()
	assert.Equal(t, 2, tuner.kinds[key].lost)
	c := tuner.Begin(key)
	c.End()
	assert.Equal(t, 2, tuner.kinds[key].lost)
	assert.Equal(t, 1, tuner.kinds[key].inBlock)
	var none Run
	none.End() // nothing was begun
}

func TestManyAtOnce(t *testing.T) {
	tuner := New(Fixed{})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 2000 {
				k := key
				k.Log2 = uint8(20 + (i+j)%3)
				r := tuner.Begin(k)
				if j%2 == 0 {
					assert.NotEmpty(t, tuner.Found())
				}
				r.End()
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
		r := tuner.Begin(key)
		r.End()
	}))
}

func TestKindsAreBounded(t *testing.T) {
	tuner := New(Fixed{})
	for i := range maxKinds + 10 {
		k := key
		k.Procs = i + 1
		r := tuner.Begin(k)
		r.End()
	}
	assert.LessOrEqual(t, len(tuner.kinds), maxKinds)
}

func TestRule(t *testing.T) {
	threads := func(log2 uint8, form Form, procs int, set isa.Set) int {
		return Rule(Key{Log2: log2, Form: form, Procs: procs, Set: set}).Threads
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
	for _, k := range []Key{{Log2: 20, Streamable: true}, {Log2: 30}} {
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
	r := tuner.Begin(key)
	r.End()
	assert.Equal(t, []Found{{Key: key, Choice: Rule(key), Rule: Rule(key), Speedup: 1}}, tuner.Found())
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		r := tuner.Begin(key)
		assert.Zero(t, r.trial)
		r.End()
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
	assert.Equal(t, "forward_backward float32 (mask), 8 MiB to 16 MiB, 8 threads", Key{Pass: op.ForwardBackward, Type: smoothl1.Float32, Form: Mask, Log2: 23, Procs: 8}.String())
	assert.Equal(t, "512 KiB", Size(512<<10))
	assert.Equal(t, "1 GiB", Size(1<<30))
	for _, c := range []Choice{{1, false, 0}, {1 << 20, true, 8192}} {
		assert.Equal(t, c, unpack(pack(c)))
	}
}
