package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// message returns a body in which block 0 writes a word and then a flag, and block 1 waits for the flag and reads the word.
func message(write, set, get, read string) string {
	return `
	mov.u32 %r4, %ctaid.x;
	setp.eq.u32 %p0, %r4, 0;
	@!%p0 bra READER;
	` + write + `
	` + set + `
	bra END;
READER:
	` + get + ` // into %r5
	setp.eq.u32 %p1, %r5, 0;
	@%p1 bra READER;
	` + read + `
END:`
}

// One block passes a word to another by a flag. If the word is accessed by plain stores and loads, writing the flag must release and
// reading it must acquire.
func TestMessages(t *testing.T) {
	const (
		store = "st.global.u32 [%rd0], 42;"
		load  = "ld.global.u32 %r6, [%rd0]; setp.ne.u32 %p2, %r6, 42; @%p2 trap;"
		set   = "st.volatile.global.u32 [%rd0+64], 1;"
		get   = "ld.volatile.global.u32 %r5, [%rd0+64];"
		gl    = "membar.gl;"
		race  = "race: load of 4 bytes of .global memory conflicts with a write by thread (0,0,0) of block (0,0,0), PTX line 23"
	)
	good := message(store, gl+set, get, gl+load)
	runStrict(t, []strictCase{
		{"no fence of the writer", message(store, set, get, gl+load), good, 2, 1, []string{race, "block (1,0,0)"}},
		{"no fence of the reader", message(store, gl+set, get, load), good, 2, 1, []string{race}},
		{"no fence at all", message(store, set, get, load), good, 2, 1, []string{race}},
		{"a fence of the block's scope", message(store, "membar.cta;"+set, get, gl+load), message(store, "membar.sys;"+set, get, gl+load), 2, 1, []string{race}},
		{"a reader's fence of the block's scope", message(store, gl+set, get, "fence.acq_rel.cta;"+load), message(store, "fence.acq_rel.gpu;"+set, get, "fence.acq_rel.gpu;"+load), 2, 1, []string{race}},
		{"release and acquire", message(store, "st.relaxed.gpu.global.u32 [%rd0+64], 1;", "ld.acquire.gpu.global.u32 %r5, [%rd0+64];", load),
			message(store, "st.release.gpu.global.u32 [%rd0+64], 1;", "ld.acquire.gpu.global.u32 %r5, [%rd0+64];", load), 2, 1, []string{race}},
		{"release in the block's scope", message(store, "st.release.cta.global.u32 [%rd0+64], 1;", "ld.acquire.gpu.global.u32 %r5, [%rd0+64];", load),
			message(store, "st.release.sys.global.u32 [%rd0+64], 1;", "ld.acquire.gpu.global.u32 %r5, [%rd0+64];", load), 2, 1, []string{"race: "}},
		{"one scope too narrow", message("", "st.relaxed.gpu.global.u32 [%rd0+64], 1;", "ld.relaxed.cta.global.u32 %r5, [%rd0+64];", ""),
			message("", "st.relaxed.gpu.global.u32 [%rd0+64], 1;", "ld.relaxed.gpu.global.u32 %r5, [%rd0+64];", ""), 2, 1, []string{"race: "}},
		{"atomics", message(store, "red.global.add.u32 [%rd0+64], 1;", "atom.global.or.b32 %r5, [%rd0+64], 0;", load),
			message(store, "red.release.gpu.global.add.u32 [%rd0+64], 1;", "atom.acquire.gpu.global.or.b32 %r5, [%rd0+64], 0;", load), 2, 1, []string{race}},
		{"a plain flag", message(store, gl+"st.global.u32 [%rd0+64], 1;", get, gl+load), good, 2, 1, []string{"race: ", "[%rd0+64]"}},
		{"a write behind the release", message("", "st.release.gpu.global.u32 [%rd0+64], 1;"+store, "ld.acquire.gpu.global.u32 %r5, [%rd0+64];", "ld.global.u32 %r6, [%rd0];"),
			message(store, "st.release.gpu.global.u32 [%rd0+64], 1; st.global.u32 [%rd0+4], 42;", "ld.acquire.gpu.global.u32 %r5, [%rd0+64];", load), 2, 1, []string{"race: "}},
		{"an atomic continues a release", message(store, "st.relaxed.gpu.global.u32 [%rd0+64], 1; atom.global.add.u32 %r7, [%rd0+64], 1;", "ld.acquire.gpu.global.u32 %r5, [%rd0+64]; setp.lt.u32 %p3, %r5, 2; @%p3 mov.u32 %r5, 0;", load),
			message(store, "st.release.gpu.global.u32 [%rd0+64], 1; atom.global.add.u32 %r7, [%rd0+64], 1;", "ld.acquire.gpu.global.u32 %r5, [%rd0+64]; setp.lt.u32 %p3, %r5, 2; @%p3 mov.u32 %r5, 0;", load), 2, 1, []string{race}},
		{"blocks of a grid are not ordered", "st.global.u32 [%rd0], %r0;", "st.global.u32 [%rd1], %r0;", 2, 1, []string{"race: store", "conflicts with a write by thread (0,0,0)"}},
		{"a halo", "st.global.u32 [%rd1], %r0; bar.sync 0; xor.b32 %r5, %r0, 32; mul.wide.u32 %rd3, %r5, 4; add.u64 %rd3, %rd3, %rd0; ld.global.u32 %r6, [%rd3+1024];",
			"st.global.u32 [%rd1], %r0; bar.sync 0; xor.b32 %r5, %r0, 31; mul.wide.u32 %rd3, %r5, 4; add.u64 %rd3, %rd3, %rd0; ld.global.u32 %r6, [%rd3+1024];", 2, 32, []string{"race: "}},
	})
}

// lastBlock returns the reduction of this project's kernels: each thread writes its word, and the block that takes the last ticket
// reads all of them. The fences and the barrier can be left out.
func lastBlock(fence, bar, fence2 string) string {
	return `
	.shared .align 4 .u32 drawn;
	st.global.u32 [%rd1], %r0;
	` + fence + bar + `
	setp.ne.u32 %p0, %r2, 0;
	mov.u32 %r4, %nctaid.x;
	sub.u32 %r4, %r4, 1;
	@%p0 bra W;
	atom.global.inc.u32 %r5, [%rd0], %r4;
	st.shared.u32 [drawn], %r5;
W:	bar.sync 0;
	ld.shared.u32 %r6, [drawn];
	setp.ne.u32 %p1, %r6, %r4;
	@%p1 bra END;
	` + fence2 + `
	mov.u32 %r7, 0;
	add.u64 %rd3, %rd0, 1024;
	mad.wide.u32 %rd3, %r2, 4, %rd3;
L:	ld.global.cg.u32 %r8, [%rd3];
	mad.wide.u32 %rd3, %r1, 4, %rd3;
	add.u32 %r7, %r7, 1;
	setp.le.u32 %p2, %r7, %r4;
	@%p2 bra L;
END:`
}

func TestLastBlock(t *testing.T) {
	const gl, bar = "membar.gl;", "bar.sync 0;"
	good := lastBlock(gl, bar, gl)
	runStrict(t, []strictCase{
		{"no fence before the ticket", lastBlock("", bar, gl), good, 5, 64, []string{"race: load of 4 bytes of .global memory"}},
		{"no fence behind the ticket", lastBlock(gl, bar, ""), good, 5, 64, []string{"race: load of 4 bytes of .global memory"}},
		{"fences and no barrier before the ticket", lastBlock(gl, "", gl), good, 5, 64, []string{"race: "}},
		{"neither", lastBlock("", "", gl), lastBlock("fence.sc.gpu;", bar, "fence.sc.gpu;"), 5, 64, []string{"race: "}},
		{"fences of the block", lastBlock("membar.cta;", bar, "membar.cta;"), good, 5, 64, []string{"race: "}},
		// Only the thread that takes the ticket has a fence, after a barrier: the fence is cumulative.
		{"one fence for the block", lastBlock("", "", gl), lastBlock("", bar+gl, gl), 3, 96, []string{"race: "}},
		// Fences that only release and acquire are ordered by observation, not among each other: the fences of the other threads
		// do not synchronize with the block that reads.
		{"fences that are not .sc", lastBlock("fence.acq_rel.gpu;", bar, "fence.acq_rel.gpu;"), lastBlock("fence.sc.gpu;", bar, "fence.sc.gpu;"), 5, 64, []string{"race: "}},
	})
}

// Warps of a block may be interleaved anywhere, not only where they must wait: a load and a store in the place of an atomic
// operation lose counts.
func TestWarpsTakeTurns(t *testing.T) {
	text := body(`.shared .align 4 .b32 s;` + prologue + `
		setp.eq.u32 %p0, %r2, 0;
		@%p0 st.shared.u32 [s], 0;
		bar.sync 0;
		mov.u32 %r4, 0;
		and.b32 %r6, %r2, 31;
		setp.ne.u32 %p1, %r6, 0;
		@%p1 bra E;
	L:	ld.volatile.shared.u32 %r5, [s];
		add.u32 %r5, %r5, 1;
		st.volatile.shared.u32 [s], %r5;
		add.u32 %r4, %r4, 1;
		setp.lt.u32 %p2, %r4, 50;
		@%p2 bra L;
	E:	bar.sync 0;
		ld.shared.u32 %r5, [s];
		st.global.u32 [%rd1], %r5;`)
	for _, options := range [][]sim.Option{{sim.Fast()}, nil} {
		counts := map[uint32]bool{}
		for seed := range uint64(60) {
			n := run(t, device(t, append(options, sim.Seed(seed))...), text, 1, 128, 0)[0]
			assert.LessOrEqual(t, n, uint32(200))
			counts[n] = true
		}
		assert.Greater(t, len(counts), 30)
	}
}

// Mutual exclusion of two blocks by Peterson's algorithm; the plain accesses in the critical section do not race. With stores in the place
// of the exchange the turn may be seen before the flag, and even .sc fences do not help.
func TestPeterson(t *testing.T) {
	text := func(turn, fence string) string {
		return `
		mov.u32 %r4, %ctaid.x;
		xor.b32 %r5, %r4, 1;
		mad.wide.u32 %rd3, %r4, 128, %rd0;	// its flag, at +128
		mad.wide.u32 %rd4, %r5, 128, %rd0;	// the other's
		mov.u32 %r6, 0;
	AGAIN:
		st.relaxed.gpu.global.u32 [%rd3+128], 1;
		` + turn + ` [%rd0+64], %r5;	// the other's turn
		` + fence + `
	WAIT:
		ld.relaxed.gpu.global.u32 %r7, [%rd4+128];
		ld.relaxed.gpu.global.u32 %r8, [%rd0+64];
		setp.eq.u32 %p0, %r7, 1;
		setp.eq.and.u32 %p0, %r8, %r5, %p0;
		@%p0 bra WAIT;
		fence.acq_rel.gpu;
		ld.global.u32 %r9, [%rd0];
		add.u32 %r9, %r9, 1;
		st.global.u32 [%rd0], %r9;
		fence.acq_rel.gpu;
		st.relaxed.gpu.global.u32 [%rd3+128], 0;
		add.u32 %r6, %r6, 1;
		setp.lt.u32 %p1, %r6, 4;
		@%p1 bra AGAIN;
		`
	}
	const exchange, store = "atom.acq_rel.gpu.global.exch.b32 %r10,", "st.relaxed.gpu.global.u32"
	broken := map[string]int{}
	for seed := range uint64(60) {
		require.NoErrorf(t, strictRun(t, text(exchange, "fence.sc.gpu;"), 2, 1, sim.Seed(seed), sim.StepLimit(1_000_000)), "seed %d", seed)
		for _, fence := range []string{"fence.sc.gpu;", "fence.acq_rel.gpu;"} {
			if err := strictRun(t, text(store, fence), 2, 1, sim.Seed(seed), sim.StepLimit(1_000_000)); err != nil {
				assert.ErrorContains(t, err, "race: ")
				broken[fence]++
			}
		}
	}
	t.Log(broken)
	assert.Greater(t, broken["fence.sc.gpu;"], 2)
	assert.Greater(t, broken["fence.acq_rel.gpu;"], 5)
}

// seen runs a litmus test of two or more blocks many times and counts its outcomes: each block's %r20 and %r21.
func seen(t *testing.T, blocks int, text string) map[string]int {
	counts := map[string]int{}
	for seed := range uint64(150) {
		d := device(t, sim.Seed(seed))
		mem, err := d.Alloc(4096)
		require.NoError(t, err)
		require.NoError(t, d.Zero(mem, 4096, 0))
		launch(t, d, kernel(t, d, body(prologue+`
			mov.u32 %r20, 0; mov.u32 %r21, 0;
			mov.u32 %r4, %ctaid.x;
			`+text+`
			mul.wide.u32 %rd5, %r4, 8; add.u64 %rd5, %rd5, %rd0;
			st.global.v2.u32 [%rd5+2048], {%r20, %r21};`), "k"), sim.Linear(uint32(blocks), 1), uint64(mem), 0)
		require.NoErrorf(t, d.Wait(0), "seed %d", seed)
		var s []string
		for _, v := range download[uint32](t, d, uint64(mem)+2048, 2*blocks) {
			s = append(s, fmt.Sprint(v))
		}
		counts[strings.Join(s, " ")]++
	}
	return counts
}

// cases returns code that branches by the block.
func cases(code ...string) string {
	var b strings.Builder
	for i, c := range code {
		fmt.Fprintf(&b, "setp.ne.u32 %%p5, %%r4, %d; @%%p5 bra N%d; %s\nN%d:\n", i, i, c, i)
	}
	return b.String()
}

// Memory is exactly as weak as the model: every allowed outcome occurs for some seed, and a forbidden one for none.
func TestLitmus(t *testing.T) {
	const (
		x, y  = "[%rd0]", "[%rd0+64]"
		st    = "st.relaxed.gpu.global.u32 "
		ld    = "ld.relaxed.gpu.global.u32 "
		fence = "fence.acq_rel.gpu;"
		sc    = "fence.sc.gpu;"
	)
	has := func(counts map[string]int, outcome string) bool { return counts[outcome] > 0 }
	t.Run("messages", func(t *testing.T) {
		weak := seen(t, 2, cases(st+x+", 1; "+st+y+", 1;", ld+"%r20, "+y+"; "+ld+"%r21, "+x+";"))
		assert.True(t, has(weak, "0 0 1 0"), weak) // the flag, and not the word
		assert.True(t, has(weak, "0 0 1 1"), weak)
		assert.True(t, has(weak, "0 0 0 0"), weak)
		for name, f := range map[string][2]string{"writer": {fence, ""}, "reader": {"", fence}} {
			one := seen(t, 2, cases(st+x+", 1; "+f[0]+st+y+", 1;", ld+"%r20, "+y+"; "+f[1]+ld+"%r21, "+x+";"))
			assert.True(t, has(one, "0 0 1 0"), "%s alone has a fence: %v", name, one)
		}
		strong := seen(t, 2, cases(st+x+", 1; "+fence+st+y+", 1;", ld+"%r20, "+y+"; "+fence+ld+"%r21, "+x+";"))
		assert.False(t, has(strong, "0 0 1 0"), strong)
		assert.True(t, has(strong, "0 0 1 1"), strong)
	})
	t.Run("store buffers", func(t *testing.T) {
		code := func(f string) string {
			return cases(st+x+", 1; "+f+ld+"%r20, "+y+";", st+y+", 1; "+f+ld+"%r20, "+x+";")
		}
		assert.True(t, has(seen(t, 2, code("")), "0 0 0 0"))
		assert.True(t, has(seen(t, 2, code(fence)), "0 0 0 0"))
		strong := seen(t, 2, code(sc))
		assert.False(t, has(strong, "0 0 0 0"), strong)
		assert.True(t, has(strong, "1 0 0 0"), strong)
		assert.False(t, has(seen(t, 2, code("membar.gl;")), "0 0 0 0"))
	})
	t.Run("coherence", func(t *testing.T) { // a thread never sees a place go back
		counts := seen(t, 3, cases(st+x+", 1; "+st+x+", 2;", ld+"%r20, "+x+"; "+ld+"%r21, "+x+";", ld+"%r20, "+x+"; "+ld+"%r21, "+x+";"))
		for outcome := range counts {
			var v [6]int
			_, err := fmt.Sscan(outcome, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5])
			require.NoError(t, err)
			assert.LessOrEqual(t, v[2], v[3], outcome)
			assert.LessOrEqual(t, v[4], v[5], outcome)
		}
		assert.Greater(t, len(counts), 5)
	})
	t.Run("own writes", func(t *testing.T) {
		counts := seen(t, 2, cases(st+x+", 1; "+ld+"%r20, "+x+";", st+x+", 2; "+ld+"%r20, "+x+";"))
		for outcome := range counts {
			assert.NotContains(t, outcome, "0 0 0 ", "a thread does not see its own write: %s", outcome)
			assert.False(t, strings.HasPrefix(outcome, "0 "), outcome)
		}
	})
	t.Run("independent reads", func(t *testing.T) { // of independent writes: readers may disagree on the order, but not with .sc fences
		code := func(f string) string {
			return cases(st+x+", 1;", st+y+", 1;", ld+"%r20, "+x+"; "+f+ld+"%r21, "+y+";", ld+"%r20, "+y+"; "+f+ld+"%r21, "+x+";")
		}
		assert.True(t, has(seen(t, 4, code("")), "0 0 0 0 1 0 1 0"))
		assert.False(t, has(seen(t, 4, code(sc)), "0 0 0 0 1 0 1 0"))
	})
	t.Run("causality", func(t *testing.T) { // a message handed on by a third
		code := cases(st+x+", 1; ", ld+"%r20, "+x+"; "+fence+st+y+", 1;", ld+"%r20, "+y+"; "+fence+ld+"%r21, "+x+";")
		for outcome := range seen(t, 3, code) {
			// If the second block saw the word and the third saw the flag, the third sees the word.
			assert.False(t, strings.HasPrefix(outcome, "0 0 1 0 1 0"), outcome)
		}
	})
}
