package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// The idioms described in the package documentation, which work by habit rather than by the memory model.

// threadFenceReduction is CUDA's sample of that name, with integers: each block adds up its words of the input at [%rd0+1024] and
// stores the sum, with a fence, before it takes a ticket; the last one adds up all sums. kind is the kind of the accesses to the sums,
// volatile in the programming guide and plain in the sample; fence goes after the ticket, where neither has one. Without a reset the
// ticket wraps by itself.
func threadFenceReduction(kind, fence string, reset bool) string {
	limit, zero := "%r4", "st.global.u32 [%rd0+4], 0;"
	if !reset {
		limit, zero = "%r5", ""
	}
	add := func(label string) string {
		return `
		mad.lo.u32 %r20, %r2, 4, 0;
		st.shared.u32 [%r20], %r10;
		mov.u32 %r21, 32;
	` + label + `:
		bar.sync 0;
		setp.lt.u32 %p1, %r2, %r21;
		mad.lo.u32 %r22, %r21, 4, %r20;
		@%p1 ld.shared.u32 %r23, [%r22];
		@%p1 add.u32 %r10, %r10, %r23;
		@%p1 st.shared.u32 [%r20], %r10;
		shr.u32 %r21, %r21, 1;
		setp.ne.u32 %p2, %r21, 0;
		@%p2 bra ` + label + `;
		bar.sync 0;`
	}
	return body(`
	.shared .align 4 .b32 sdata[64];
	.shared .b32 amLast;
	` + prologue + `
		mov.u32 %r4, %nctaid.x;
		sub.u32 %r5, %r4, 1;
		setp.ne.u32 %p0, %r2, 0;
		ld.global.u32 %r10, [%rd1+1024];
	` + add("BLOCK") + `
		mov.u32 %r15, %ctaid.x;
		mul.wide.u32 %rd2, %r15, 4;
		add.u64 %rd2, %rd0, %rd2;
		@!%p0 st` + kind + `.global.u32 [%rd2+512], %r10; // g_odata[blockIdx.x] = sum
		membar.gl;
		@%p0 bra WAIT;
		atom.global.inc.u32 %r11, [%rd0+4], ` + limit + `;
		setp.eq.u32 %p3, %r11, %r5;
		selp.u32 %r12, 1, 0, %p3;
		st.shared.u32 [amLast], %r12;
	WAIT:
		bar.sync 0;
		ld.shared.u32 %r12, [amLast];
		setp.eq.u32 %p3, %r12, 0;
		@%p3 bra END;
		` + fence + `
		mov.u32 %r10, 0;
		mov.u32 %r13, %r2;
	NEXT:
		setp.ge.u32 %p3, %r13, %r4;
		@%p3 bra ALL;
		mul.wide.u32 %rd2, %r13, 4;
		add.u64 %rd2, %rd0, %rd2;
		ld` + kind + `.global.u32 %r14, [%rd2+512]; // mySum += g_odata[i]
		add.u32 %r10, %r10, %r14;
		add.u32 %r13, %r13, %r1;
		bra NEXT;
	ALL:
	` + add("LAST") + `
		@%p0 bra END;
		st.global.u32 [%rd0], %r10;
		` + zero + `
	END:`)
}

// spinLock counts to 4 in each block, under a lock that is taken without acquire semantics: fence goes where one is missing. kind is the
// kind of the accesses to the count.
func spinLock(kind, fence string) string {
	return body(prologue + `
		mov.u32 %r4, 0;
	LOCK:
		atom.global.cas.b32 %r5, [%rd0+4], 0, 1; // while (atomicCAS(mutex, 0, 1) != 0)
		setp.ne.u32 %p0, %r5, 0;
		@%p0 bra LOCK;
		` + fence + `
		ld` + kind + `.global.u32 %r6, [%rd0]; // ++*count
		add.u32 %r6, %r6, 1;
		st` + kind + `.global.u32 [%rd0], %r6;
		membar.gl;
		atom.global.exch.b32 %r7, [%rd0+4], 0; // atomicExch(mutex, 0)
		add.u32 %r4, %r4, 1;
		setp.lt.u32 %p1, %r4, 4;
		@%p1 bra LOCK;`)
}

func TestHabits(t *testing.T) {
	const blocks = 8
	const volatile, fence = ".volatile", "membar.gl;"
	sum := uint32(0)
	input := make([]uint32, 256+64*blocks)
	for i := range input[256:] {
		input[256+i] = uint32(i + 1)
		sum += uint32(i + 1)
	}
	for _, c := range []struct {
		name, text string
		threads    uint32
		want       uint32
		fault      string // on a strict device
		at         string // the instruction that the fault names; without a fault, the one whose loads are stale
	}{
		{"reduction", threadFenceReduction("", "", true), 64, sum, "race: load of 4 bytes", "mySum += g_odata[i]"},
		{"reduction of volatile sums", threadFenceReduction(volatile, "", true), 64, sum, "", "mySum += g_odata[i]"},
		{"reduction of volatile sums whose ticket starts again", threadFenceReduction(volatile, "", false), 64, sum, "", "mySum += g_odata[i]"},
		{"reduction with a fence", threadFenceReduction("", fence, true), 64, sum, "", ""},
		{"reduction of volatile sums with a fence", threadFenceReduction(volatile, fence, true), 64, sum, "", ""},
		{"lock", spinLock("", ""), 1, 4 * blocks, "race: ", "++*count"},
		{"lock and a volatile count", spinLock(volatile, ""), 1, 4 * blocks, "", "++*count"},
		{"lock with a fence", spinLock("", fence), 1, 4 * blocks, "", ""},
		{"lock with a fence and a volatile count", spinLock(volatile, fence), 1, 4 * blocks, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			line := 0
			if before, _, found := strings.Cut(c.text, c.at); found && c.at != "" {
				line = 1 + strings.Count(before, "\n")
			}
			goesWrong := c.fault == "" && c.at != "" // for some seeds
			wrong := 0
			for seed := uint64(0); seed < 10 || goesWrong && wrong < 3 && seed < 500; seed++ {
				for way, options := range [][]sim.Option{{}, {sim.LatestLoads()}, {sim.Fast()}} {
					strict := way < 2
					d := device(t, append(options, sim.Seed(seed))...)
					mem := upload(t, d, input)
					launch(t, d, kernel(t, d, c.text, "k"), sim.Linear(blocks, c.threads), mem, 0)
					err := d.Wait(0)
					stale := d.Stats().Kernel("k").Stale
					if strict && c.fault != "" {
						require.ErrorContainsf(t, err, c.fault, "seed %d", seed)
						require.ErrorContainsf(t, err, fmt.Sprintf("PTX line %d: ", line), "seed %d", seed)
						continue
					}
					require.NoErrorf(t, err, "way %d, seed %d", way, seed)
					got := download[uint32](t, d, mem, 1)[0]
					if way > 0 || c.at == "" {
						require.Equalf(t, c.want, got, "way %d, seed %d", way, seed)
						require.Empty(t, stale)
						continue
					}
					if got != c.want {
						wrong++
						require.NotEmptyf(t, stale, "%d in the place of %d, seed %d", got, c.want, seed)
					}
					for _, s := range stale {
						assert.Equal(t, line, s.Line)
						assert.Equal(t, "k", s.Func)
						assert.Contains(t, s.Text, "ld.volatile.global.u32")
						assert.Positive(t, s.Loads)
					}
				}
			}
			assert.Equal(t, goesWrong, wrong > 0, "%d wrong results", wrong)
		})
	}
}

// An atomic operation observes those before it: the thread that takes the last ticket may write the counter without a fence. The others
// may not, nor may a thread that increments it without reading its value.
func TestObservedByAtomics(t *testing.T) {
	const ticket = "atom.global.inc.u32 %r5, [%rd0], 7;"
	runStrict(t, []strictCase{
		{"the last of several blocks", ticket + "st.global.u32 [%rd0], 0;", ticket + "setp.eq.u32 %p0, %r5, 3; @%p0 st.global.u32 [%rd0], 0;", 4, 1,
			[]string{"race: ", "[%rd0]"}},
		{"an operation that gives nothing back", "red.global.add.u32 [%rd0], 1; bar.sync 0; ld.global.u32 %r5, [%rd0];", "red.global.add.u32 [%rd0], 1;", 4, 1,
			[]string{"race: "}},
	})
}

// Sub subtracts the counts of stale loads.
func TestStaleSince(t *testing.T) {
	d := device(t, sim.Seed(1))
	f := kernel(t, d, spinLock(".volatile", ""), "k")
	mem := upload(t, d, make([]uint32, 64))
	stale := func(s sim.Stats) (n uint64) {
		for _, l := range s.Kernel("k").Stale {
			n += l.Loads
		}
		return n
	}
	launch(t, d, f, sim.Linear(8, 1), mem, 0)
	require.NoError(t, d.Wait(0))
	one := d.Stats()
	launch(t, d, f, sim.Linear(8, 1), mem, 0)
	require.NoError(t, d.Wait(0))
	two := d.Stats()
	require.Positive(t, stale(one))
	require.Greater(t, stale(two), stale(one))
	require.Equal(t, stale(two)-stale(one), stale(two.Sub(one)))
	require.Empty(t, two.Sub(two).Kernel("k").Stale)
}
