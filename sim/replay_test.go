package sim_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

// outcomes runs a kernel on devices of 12 seeds, several times each, and requires the same outcome for the same seed and
// different outcomes for some seeds.
func outcomes(t *testing.T, ptx string, words int, options ...sim.Option) {
	t.Helper()
	seen := map[string]bool{}
	for seed := range uint64(12) {
		var first []uint32
		for again := range 3 {
			d := device(t, append(options[:len(options):len(options)], sim.Seed(seed))...)
			out := upload(t, d, make([]uint32, words))
			f := kernel(t, d, ptx, "k")
			launch(t, d, f, sim.Linear(9, 64), out, 0)
			got := download[uint32](t, d, out, words)
			if again == 0 {
				first = got
			}
			require.Equalf(t, first, got, "seed %d", seed)
		}
		seen[fmt.Sprint(first)] = true
	}
	assert.Greater(t, len(seen), 3, "of 12 seeds")
}

// Which thread takes which ticket depends on the seed alone, and not on the goroutines that run the blocks.
func TestReplay(t *testing.T) {
	tickets := body(prologue + "atom.global.add.u32 %r3, [%rd0], 1; mul.wide.u32 %rd2, %r3, 4; add.u64 %rd2, %rd0, %rd2; st.global.u32 [%rd2+4], %r0;")
	outcomes(t, tickets, 9*64+1)
	outcomes(t, tickets, 9*64+1, sim.Fast())
	outcomes(t, tickets, 9*64+1, sim.Fast(), sim.Serial())
	outcomes(t, tickets, 9*64+1, sim.Fast(), sim.Multiprocessors(64))

	// Blocks of different lengths, so that the order in which they reach the ticket depends on the goroutines.
	outcomes(t, body(prologue+`
		mul.lo.u32 %r5, %r1, 0;
		mov.u32 %r6, %ctaid.x;
		mul.lo.u32 %r6, %r6, 37;
		rem.u32 %r6, %r6, 9;
		mul.lo.u32 %r6, %r6, 700;
	L:
		add.u32 %r5, %r5, 1;
		setp.lt.u32 %p1, %r5, %r6;
		@%p1 bra L;
		atom.global.add.u32 %r3, [%rd0], 1;
		st.global.u32 [%rd1+4], %r3;`), 9*64+1, sim.Fast())

	d, e := device(t, sim.Seed(7), sim.Fast()), device(t, sim.Seed(7), sim.Fast(), sim.Serial())
	assert.Equal(t, ticketOrder(t, d, tickets), ticketOrder(t, e, tickets), "one goroutine or many")
	first := ticketOrder(t, e, tickets)
	assert.NotEqual(t, first, ticketOrder(t, e, tickets), "each launch of a device has an order of its own")
}

func ticketOrder(t *testing.T, d *sim.Device, ptx string) []uint32 {
	out := upload(t, d, make([]uint32, 9*64+1))
	launch(t, d, kernel(t, d, ptx, "k"), sim.Linear(9, 64), out, 0)
	return download[uint32](t, d, out, 9*64+1)
}

// The lanes of one atomic instruction take effect in any order, too, not only in rotations of the ascending one.
func TestReplayLanes(t *testing.T) {
	orders := map[string]bool{}
	descents := map[int]bool{}
	for seed := range uint64(12) {
		d := device(t, sim.Seed(seed))
		out := upload(t, d, make([]uint32, 33))
		launch(t, d, kernel(t, d, body(prologue+"atom.global.add.u32 %r3, [%rd0], 1; st.global.u32 [%rd1+4], %r3;"), "k"), sim.Linear(1, 32), out, 0)
		order := download[uint32](t, d, out, 33)[1:]
		orders[fmt.Sprint(order)] = true
		n := 0
		for i := range order[1:] {
			if order[i] > order[i+1] {
				n++
			}
		}
		descents[n] = true
	}
	assert.Greater(t, len(orders), 6)
	assert.Greater(t, len(descents), 3)
}

// A kernel with a data race, in which the last warp to write wins, is reproducible if it runs serially.
func TestReplayRace(t *testing.T) {
	outcomes(t, body(prologue+"st.global.u32 [%rd0], %r0;"), 1, sim.Fast(), sim.Serial())
	outcomes(t, body(".shared .b32 s;"+prologue+`
		st.shared.u32 [s], %r2;
		bar.sync 0;
		ld.shared.u32 %r3, [s];
		st.global.u32 [%rd1], %r3;`), 9*64, sim.Fast(), sim.Serial())
}

// A fault that occurs in some orders only prints a seed, with which it occurs again with the same text.
func TestReplayFault(t *testing.T) {
	ptx := body(prologue + `
		atom.global.add.u32 %r3, [%rd0], 1;
		rem.u32 %r4, %r3, 50;
		add.u32 %r4, %r4, 7;
		setp.eq.u32 %p1, %r4, %r2;			// thread r2 draws ticket 50k + r2 - 7
		@%p1 st.global.u32 [%rd0+400], %r0;`)
	fault := func(d *sim.Device) error {
		out := upload(t, d, make([]uint32, 8))
		launch(t, d, kernel(t, d, ptx, "k"), sim.Linear(8, 64), out, 0)
		return d.Wait(0)
	}
	seed := regexp.MustCompile(`seed (\d+)`)
	texts := map[string]bool{}
	t.Setenv(sim.SeedVariable, "") // unset, whatever the test's environment is
	for range 60 {
		err := fault(device(t)) // with a random seed
		if err == nil {
			continue
		}
		found := seed.FindStringSubmatch(err.Error())
		require.NotNil(t, found, err.Error())
		n, bad := strconv.ParseUint(found[1], 10, 64)
		require.NoError(t, bad)
		for _, options := range [][]sim.Option{nil, {sim.Fast()}, {sim.Fast(), sim.Serial()}} {
			require.Equal(t, err, fault(device(t, append(options, sim.Seed(n))...)))
		}
		t.Setenv(sim.SeedVariable, found[1])
		require.Equal(t, err, fault(device(t)))
		t.Setenv(sim.SeedVariable, "")
		texts[seed.ReplaceAllString(err.Error(), "")] = true
	}
	assert.Greater(t, len(texts), 3, "different faults")
}

// An invalid seed makes every call fail; it is not replaced by a random one.
func TestBadSeed(t *testing.T) {
	for _, v := range []string{"zzz", "-1", "1.5", " 7", "0x", "18446744073709551616"} {
		t.Setenv(sim.SeedVariable, v)
		d := sim.New()
		_, err := d.Alloc(4)
		code(t, driver.CodeInvalidValue, err, "SMOOTHL1_SIM_SEED", strconv.Quote(v))
		_, err = d.Load(body("")) // with which gpu.Open begins
		code(t, driver.CodeInvalidValue, err, "SMOOTHL1_SIM_SEED", strconv.Quote(v))
		require.NoError(t, d.Close())
		d = device(t, sim.Seed(7))
		_, err = d.Alloc(4)
		require.NoError(t, err, "a seed that is given is the device's, whatever the variable holds")
	}
	for v, seed := range map[string]uint64{"0": 0, "0x10": 16, "18446744073709551615": 1<<64 - 1} {
		t.Setenv(sim.SeedVariable, v)
		require.Equal(t, seed, device(t).Seed())
	}
}

// Unwritten memory holds noise drawn from the seed.
func TestReplayNoise(t *testing.T) {
	noise := func(seed uint64) any {
		d := device(t, sim.Seed(seed), sim.Fast())
		p, err := d.Alloc(4096)
		require.NoError(t, err)
		global := download[uint64](t, d, uint64(p), 512)
		fresh := run(t, d, body(".shared .align 4 .b32 s[64]; .local .b32 l;"+prologue+`
			mov.u32 %r3, s; mad.lo.u32 %r3, %r2, 4, %r3;
			ld.shared.u32 %r4, [%r3];
			ld.local.u32 %r5, [l];
			xor.b32 %r6, %r4, %r5;
			xor.b32 %r6, %r6, %r39;
			st.global.u32 [%rd1], %r6;`), 2, 64, 0)
		return [2]any{global, fresh}
	}
	assert.Equal(t, noise(1), noise(1))
	a, b := noise(1).([2]any), noise(2).([2]any)
	assert.NotEqual(t, a[0], b[0])
	assert.NotEqual(t, a[1], b[1])
	assert.NotContains(t, a[0], uint64(0))
}
