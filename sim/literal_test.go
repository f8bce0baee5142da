package sim_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An integer is allowed in the place of any predicate operand, and all but 0 are true.
func TestPredicateLiterals(t *testing.T) {
	for literal, yes := range map[string]uint32{"0": 0, "1": 1, "-1": 1, "2": 1, "0x80000000": 1, "~0": 1, "!0": 1, "!7": 0, "WARP_SZ": 1, "(3-3)": 0} {
		// Every instruction yields the literal itself, for a lane, a mask or a count.
		for inst, want := range map[string]uint32{
			"mov.pred %p1, L":                               yes,
			"and.pred %p1, L, %p9":                          yes,
			"or.pred %p1, !%p9, L":                          yes,
			"xor.pred %p1, L, !%p9":                         yes,
			"not.pred %p1, L":                               1 - yes,
			"setp.eq.and.u32 %p1, %r0, %r0, L":              yes,
			"setp.ne.and.u32 %p2|%p1, %r0, %r0, L":          yes,
			"setp.ne.or.f32 %p1, 0f00000000, 0f00000000, L": yes,
			"selp.b32 %r4, 1, 0, L":                         yes,
			"set.eq.and.u32.u32 %r4, %r0, %r0, L":           -yes,
			"vote.sync.any.pred %p1, L, -1":                 yes,
			"vote.sync.ballot.b32 %r4, L, -1":               -yes,
			"bar.red.or.pred %p1, 0, L":                     yes,
			"bar.red.popc.u32 %r4, 0, L":                    64 * yes,
		} {
			inst = strings.ReplaceAll(inst, "L", literal)
			text := "setp.eq.u32 %p9, %r0, %r0;\n" + inst + ";\n"
			if strings.Contains(inst, "%p1") {
				text += "selp.u32 %r4, 1, 0, %p1;\n"
			}
			for _, got := range run(t, device(t), body(prologue+text+"st.global.u32 [%rd1], %r4;"), 1, 64, 0) {
				require.Equal(t, want, got, inst)
			}
		}
	}
}
