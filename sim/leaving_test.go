package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// Lanes skip, in every possible way, a warp operation at which others wait for them, and exit. Those that wait continue
// without them, as they must from sm_70 on. Meanwhile the lanes that skip it run the code after the point of reconvergence.
func TestLanesThatLeave(t *testing.T) {
	const missing = 0x20401 // lanes that skip the operation
	ways := map[string]string{
		"branch":  "@%p1 bra END; OP; END:",
		"nested":  "@!%p1 bra ON; @%p1 bra END; ON: setp.lt.u32 %p2, %r10, 20; @%p2 bra HALF; OP; bra JOIN; HALF: OP; JOIN: add.u32 %r12, %r12, 0; END:",
		"apart":   "setp.eq.u32 %p2, %r10, 0; @%p2 bra END; @%p1 bra END; OP; END:",
		"loop":    "mov.u32 %r13, 0; L: @%p1 bra OUT; OP; add.u32 %r13, %r13, 1; setp.lt.u32 %p2, %r13, 3; @%p2 bra L; OUT: add.u32 %r12, %r12, 0;",
		"twice":   "@%p1 bra END; OP; OP; END: add.u32 %r12, %r12, 0;",
		"guard":   "@!%p1 OP; ",
		"barrier": "@%p1 bra END; barrier.sync 1; OP; END: @%p1 barrier.sync 1;", // of the block
	}
	for op, want := range map[string]uint32{
		"vote.sync.ballot.b32 %r12, %p9, -1":                         ^uint32(missing),
		"vote.sync.all.pred %p8, %p9, -1; selp.b32 %r12, 3, 4, %p8":  3,
		"vote.sync.any.pred %p8, !%p9, -1; selp.b32 %r12, 3, 4, %p8": 4,
		"vote.sync.uni.pred %p8, %p9, -1; selp.b32 %r12, 3, 4, %p8":  3,
		"shfl.sync.idx.b32 %r12, %r10, 5, 31, -1":                    5,
		"match.any.sync.b32 %r12, %r9, -1":                           ^uint32(missing),
		"match.all.sync.b32 %r12|%p8, %r9, -1":                       ^uint32(missing),
		"redux.sync.add.u32 %r12, 1, -1":                             29,
		"bar.warp.sync -1; mov.u32 %r12, 7":                          7,
	} {
		for name, way := range ways {
			if name == "guard" && strings.Contains(op, ";") {
				continue
			}
			text := body(prologue + fmt.Sprintf(`
				and.b32 %%r10, %%r0, 31; mov.u32 %%r9, 77; mov.u32 %%r12, 99; setp.eq.u32 %%p9, %%r9, 77;
				mov.u32 %%r11, 1; shl.b32 %%r11, %%r11, %%r10; and.b32 %%r11, %%r11, %d; setp.ne.u32 %%p1, %%r11, 0;
				%s
				st.global.u32 [%%rd1], %%r12;`, missing, strings.ReplaceAll(way, "OP", op)))
			everywhere(t, func(t *testing.T, d *sim.Device) {
				for i, got := range run(t, d, text, 2, 64, 0) {
					if missing>>(i%32)&1 == 1 {
						require.Equalf(t, uint32(99), got, "%s, %s, thread %d", name, op, i)
					} else {
						require.Equalf(t, want, got, "%s, %s, thread %d", name, op, i)
					}
				}
			})
		}
	}
}

// A lane that waits at the point of reconvergence for lanes at a barrier must go on to set a flag, on which another warp spins before it
// reaches the barrier.
func TestLanesAtBarrier(t *testing.T) {
	check(t, body(prologue+`
		.shared .align 4 .u32 flag;
		setp.eq.u32 %p1, %r2, 0;
		@%p1 st.shared.u32 [flag], 0;
		bar.sync 0;
		mov.u32 %r12, 99;
		setp.ge.u32 %p2, %r2, 32;
		@%p2 bra SPIN;
		@%p1 bra END;
		barrier.sync 1;
		mov.u32 %r12, 5;
	END:
		@!%p1 bra OUT;
		st.volatile.shared.u32 [flag], 1;
		barrier.sync 1;
		bra OUT;
	SPIN:
		ld.volatile.shared.u32 %r3, [flag];
		setp.eq.u32 %p3, %r3, 0;
		@%p3 bra SPIN;
		barrier.sync 1;
	OUT:
		st.global.u32 [%rd1], %r12;`), 2, 64, 0, func(i uint32) uint32 {
		if i%64 == 0 || i%64 >= 32 {
			return 99
		}
		return 5
	})
}
