package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// shuffled returns the lane that a lane reads in a shuffle, and the predicate, according to the PTX manual's pseudocode.
func shuffled(mode string, lane, b, c int) (int, bool) {
	b &= 31
	clamp, segment := c&31, c>>8&31
	last := lane&segment | clamp&^segment
	first := lane & segment
	j, ok := 0, false
	switch mode {
	case "up":
		j = lane - b
		ok = j >= last
	case "down":
		j = lane + b
		ok = j <= last
	case "bfly":
		j = lane ^ b
		ok = j <= last
	case "idx":
		j = first | b&^segment
		ok = j <= last
	}
	if !ok {
		j = lane
	}
	return j, ok
}

// All modes, all widths of CUDA's __shfl_sync and two unusual clamps, with one distance for all lanes and with one for each.
func TestShuffle(t *testing.T) {
	for _, mode := range []string{"up", "down", "bfly", "idx"} {
		for _, width := range []int{32, 16, 8, 4, 2, 1} {
			c := (32-width)<<8 | 31
			if mode == "up" {
				c = (32 - width) << 8
			}
			for _, c := range []int{c, (32-width)<<8 | 11} {
				ptx := body(prologue + fmt.Sprintf(`
					ld.param.u32 %%r3, [n];
					and.b32 %%r4, %%r0, %%r3;
					mad.lo.u32 %%r5, %%r0, 77, 5;
					mov.u32 %%r8, 0;
					shfl.sync.%s.b32 %%r6|%%p1, %%r5, %%r4, %d, 0xffffffff;
					selp.u32 %%r7, 0x40000000, 0, %%p1;
					or.b32 %%r6, %%r6, %%r7;
					st.global.u32 [%%rd1], %%r6;`, mode, c))
				for way, options := range ways() {
					distances := uint32([]int{31, 5, 2, 7, 15, 1}[way])
					for i, got := range run(t, device(t, options...), ptx, 1, 64, distances) {
						j, ok := shuffled(mode, i%32, i&int(distances), c)
						want := uint32(i/32*32+j)*77 + 5
						if ok {
							want |= 0x40000000
						}
						require.Equalf(t, want, got, "shfl.%s %d, %#x of thread %d", mode, i&int(distances), c, i)
					}
				}
			}
		}
	}
}

// A butterfly of shuffles sums over a warp, whatever the order of the lanes, and a shuffle may write the register that it reads.
func TestShuffleReduction(t *testing.T) {
	var steps strings.Builder
	for distance := 16; distance > 0; distance /= 2 {
		fmt.Fprintf(&steps, "shfl.sync.bfly.b32 %%r4, %%r3, %d, 31, -1;\nadd.u32 %%r3, %%r3, %%r4;\n", distance)
	}
	ptx := body(prologue + "mul.lo.u32 %r3, %r0, %r0;" + steps.String() + "add.u32 %r3, %r3, %r2; shfl.sync.up.b32 %r3, %r3, 1, 0, -1; st.global.u32 [%rd1], %r3;")
	check(t, ptx, 3, 96, 0, func(i uint32) (sum uint32) {
		for lane := range uint32(32) {
			v := i&^31 + lane
			sum += v * v
		}
		if i%32 == 0 {
			return sum + i%96
		}
		return sum + i%96 - 1
	})
}

// Members of a mask shuffle among themselves: from two branches with a mask each, from one instruction with a mask for each
// half, and from two instructions in different branches that together make one shuffle.
func TestMemberMasks(t *testing.T) {
	t.Run("branches", func(t *testing.T) {
		check(t, body(prologue+`
			and.b32 %r3, %r0, 1;
			setp.eq.u32 %p1, %r3, 0;
			@%p1 bra EVEN;
			shfl.sync.bfly.b32 %r4, %r0, 2, 31, 0xaaaaaaaa;
			add.u32 %r4, %r4, 1000;
			bra END;
		EVEN:
			shfl.sync.bfly.b32 %r4, %r0, 4, 31, 0x55555555;
		END:
			st.global.u32 [%rd1], %r4;`), 1, 64, 0, func(i uint32) uint32 {
			if i&1 == 1 {
				return i ^ 2 + 1000
			}
			return i ^ 4
		})
	})
	t.Run("halves", func(t *testing.T) {
		check(t, body(prologue+`
			and.b32 %r3, %r0, 16;
			setp.eq.u32 %p1, %r3, 0;
			selp.b32 %r5, 0x0000ffff, 0xffff0000, %p1;
			shfl.sync.bfly.b32 %r4, %r0, 15, 31, %r5;
			st.global.u32 [%rd1], %r4;`), 1, 64, 0, func(i uint32) uint32 { return i ^ 15 })
	})
	t.Run("together", func(t *testing.T) {
		check(t, body(prologue+`
			and.b32 %r3, %r0, 1;
			setp.eq.u32 %p1, %r3, 0;
			mul.lo.u32 %r6, %r0, 3;
			@%p1 bra EVEN;
			shfl.sync.bfly.b32 %r4, %r0, 1, 31, -1;
			bra.uni END;
		EVEN:
			shfl.sync.bfly.b32 %r4, %r6, 1, 31, -1;
			add.u32 %r4, %r4, 500;
		END:
			st.global.u32 [%rd1], %r4;`), 1, 64, 0, func(i uint32) uint32 {
			if i&1 == 1 {
				return (i ^ 1) * 3
			}
			return i ^ 1 + 500
		})
	})
}

// voter is a predicate that is true for all, no or some lanes, depending on the warp.
func voter(i uint32) bool { return i/32%4 == 1 || i/32%4 > 1 && mix(i)%7 > 3 }

func TestVote(t *testing.T) {
	head := prologue + `
		and.b32 %r10, %r0, 31;
		shr.u32 %r3, %r0, 5;
		and.b32 %r3, %r3, 3;
		setp.gt.u32 %p1, %r3, 1;
		shr.u32 %r4, %r0, 16; xor.b32 %r5, %r0, %r4; mul.lo.u32 %r5, %r5, 0x7feb352d;
		shr.u32 %r4, %r5, 15; xor.b32 %r5, %r5, %r4; mul.lo.u32 %r5, %r5, 0x846ca68b;
		shr.u32 %r4, %r5, 16; xor.b32 %r5, %r5, %r4; rem.u32 %r5, %r5, 7;
		setp.gt.and.u32 %p2, %r5, 3, %p1;
		setp.eq.or.u32 %p3, %r3, 1, %p2;`
	tail := `
		selp.u32 %r20, 1, 0, %p4; selp.u32 %r21, 2, 0, %p5; selp.u32 %r22, 4, 0, %p6; selp.u32 %r23, 8, 0, %p7;
		or.b32 %r20, %r20, %r21; or.b32 %r20, %r20, %r22; or.b32 %r20, %r20, %r23; shl.b32 %r20, %r20, 28;
		xor.b32 %r20, %r20, %r24;
		st.global.u32 [%rd1], %r20;`
	want := func(i, member uint32) uint32 {
		var yes uint32
		for lane := range uint32(32) {
			if member>>lane&1 == 1 && voter(i&^31+lane) {
				yes |= 1 << lane
			}
		}
		w := yes
		if yes == member {
			w ^= 1 << 28
		}
		if yes != 0 {
			w ^= 2 << 28
		}
		if yes == 0 || yes == member {
			w ^= 4 << 28
		}
		if yes != member { // any of the negated ones
			w ^= 8 << 28
		}
		return w
	}
	votes := func(member string) string {
		return strings.ReplaceAll(`
			vote.sync.all.pred %p4, %p3, M;
			vote.sync.any.pred %p5, %p3, M;
			vote.sync.uni.pred %p6, %p3, M;
			vote.sync.any.pred %p7, !%p3, M;
			vote.sync.ballot.b32 %r24, %p3, M;`, "M", member)
	}
	t.Run("full", func(t *testing.T) {
		check(t, body(head+votes("-1")+tail), 2, 256, 0, func(i uint32) uint32 { return want(i, ^uint32(0)) })
	})
	t.Run("branches", func(t *testing.T) {
		check(t, body(head+`
			and.b32 %r11, %r0, 1;
			setp.eq.u32 %p9, %r11, 0;
			@%p9 bra EVEN;`+votes("0xaaaaaaaa")+"bra END;\nEVEN:"+votes("0x55555555")+"\nEND:"+tail), 1, 256, 0, func(i uint32) uint32 {
			return want(i, 0x55555555<<(i&1))
		})
	})
	// One vote from two instructions, one of them with a negated predicate.
	t.Run("together", func(t *testing.T) {
		check(t, body(head+`
			and.b32 %r11, %r0, 1;
			setp.eq.u32 %p9, %r11, 0;
			@%p9 bra EVEN;
			vote.sync.ballot.b32 %r24, !%p3, -1;
			bra END;
		EVEN:
			vote.sync.ballot.b32 %r24, %p3, -1;
		END:
			st.global.u32 [%rd1], %r24;`), 1, 256, 0, func(i uint32) (yes uint32) {
			for lane := range uint32(32) {
				if voter(i&^31+lane) != (lane&1 == 1) {
					yes |= 1 << lane
				}
			}
			return yes
		})
	})
}

// match and redux, which compute_70 and compute_80 have.
func TestMatchAndRedux(t *testing.T) {
	value := func(i uint32) uint32 { return mix(i/32) >> 8 & (i % 3) * 0x10001 }
	head := prologue + `
		shr.u32 %r3, %r0, 5;
		shr.u32 %r4, %r3, 16; xor.b32 %r5, %r3, %r4; mul.lo.u32 %r5, %r5, 0x7feb352d;
		shr.u32 %r4, %r5, 15; xor.b32 %r5, %r5, %r4; mul.lo.u32 %r5, %r5, 0x846ca68b;
		shr.u32 %r4, %r5, 16; xor.b32 %r5, %r5, %r4; shr.u32 %r5, %r5, 8;
		rem.u32 %r6, %r0, 3; and.b32 %r5, %r5, %r6; mul.lo.u32 %r5, %r5, 0x10001;`
	fold := func(i uint32, f func(lane, v uint32)) {
		for lane := range uint32(32) {
			f(lane, value(i&^31+lane))
		}
	}
	check(t, body(head+"match.any.sync.b32 %r7, %r5, -1; st.global.u32 [%rd1], %r7;"), 1, 256, 0, func(i uint32) (same uint32) {
		fold(i, func(lane, v uint32) {
			if v == value(i) {
				same |= 1 << lane
			}
		})
		return same
	})
	check(t, body(head+`
		match.all.sync.b32 %r7|%p1, %r5, -1;
		selp.u32 %r8, 1, 2, %p1;
		xor.b32 %r7, %r7, %r8;
		st.global.u32 [%rd1], %r7;`), 1, 256, 0, func(i uint32) uint32 {
		all := true
		fold(i, func(_, v uint32) { all = all && v == value(i) })
		if all {
			return ^uint32(0) ^ 1
		}
		return 2
	})
	for name, f := range map[string]func(a, b uint32) uint32{
		"add.u32": func(a, b uint32) uint32 { return a + b },
		"min.u32": func(a, b uint32) uint32 { return min(a, b) },
		"max.s32": func(a, b uint32) uint32 { return uint32(max(int32(a), int32(b))) },
		"and.b32": func(a, b uint32) uint32 { return a & b },
		"or.b32":  func(a, b uint32) uint32 { return a | b },
		"xor.b32": func(a, b uint32) uint32 { return a ^ b },
	} {
		op, typ, _ := strings.Cut(name, ".")
		check(t, body(head+fmt.Sprintf("xor.b32 %%r5, %%r5, 0x80000001; redux.sync.%s.%s %%r7, %%r5, -1; st.global.u32 [%%rd1], %%r7;", op, typ)), 1, 256, 0, func(i uint32) uint32 {
			sum := uint32(0)
			fold(i, func(lane, v uint32) {
				if v ^= 0x80000001; lane == 0 {
					sum = v
				} else {
					sum = f(sum, v)
				}
			})
			return sum
		})
	}
}
