package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// check runs a body on devices of all the ways, and compares each thread's word.
func check(t *testing.T, ptx string, blocks, threads int, n uint32, want func(thread uint32) uint32) {
	t.Helper()
	everywhere(t, func(t *testing.T, d *sim.Device) {
		for i, got := range run(t, d, ptx, blocks, threads, n) {
			require.Equalf(t, want(uint32(i)), got, "thread %d, seed %d", i, d.Seed())
		}
	})
}

// Two levels of if and else, with code after each.
func TestIfElse(t *testing.T) {
	check(t, body(prologue+`
		and.b32 %r3, %r0, 1;
		setp.eq.u32 %p1, %r3, 0;
		@%p1 bra EVEN;
		mad.lo.u32 %r4, %r0, 3, 1;
		and.b32 %r3, %r0, 2;
		setp.ne.u32 %p2, %r3, 0;
		@!%p2 bra ONE;
		add.u32 %r4, %r4, 1000;
		bra.uni JOIN1;
	ONE:
		add.u32 %r4, %r4, 2000;
	JOIN1:
		xor.b32 %r4, %r4, 5;
		bra.uni JOIN;
	EVEN:
		shr.u32 %r4, %r0, 1;
		setp.gt.u32 %p3, %r4, 20;
		@%p3 add.u32 %r4, %r4, 100;
		@!%p3 sub.u32 %r4, %r4, 7;
	JOIN:
		add.u32 %r4, %r4, 1;
		st.global.u32 [%rd1], %r4;`), 3, 75, 0, func(i uint32) uint32 {
		var v uint32
		switch {
		case i&1 == 0 && i/2 > 20:
			v = i/2 + 100
		case i&1 == 0:
			v = i/2 - 7
		case i&2 != 0:
			v = (3*i + 1 + 1000) ^ 5
		default:
			v = (3*i + 1 + 2000) ^ 5
		}
		return v + 1
	})
}

// A loop in a loop; both trip counts depend on the data, and some lanes enter neither.
func TestNestedLoops(t *testing.T) {
	check(t, body(prologue+`
		rem.u32 %r3, %r0, 7;
		mov.u32 %r4, 0;
		mov.u32 %r5, 0;
		bra.uni OUTER_TEST;
	OUTER:
		mad.lo.u32 %r6, %r0, 8, %r4;
		bra.uni INNER_TEST;
	INNER:
		add.u32 %r5, %r5, 1;
		and.b32 %r7, %r6, 1;
		setp.eq.u32 %p1, %r7, 0;
		@%p1 bra EVEN;
		mad.lo.u32 %r6, %r6, 3, 1;
		bra.uni INNER_TEST;
	EVEN:
		shr.u32 %r6, %r6, 1;
	INNER_TEST:
		setp.gt.u32 %p2, %r6, 1;
		@%p2 bra INNER;
		add.u32 %r4, %r4, 1;
	OUTER_TEST:
		setp.lt.u32 %p3, %r4, %r3;
		@%p3 bra OUTER;
		st.global.u32 [%rd1], %r5;`), 2, 70, 0, func(i uint32) (steps uint32) {
		for k := range i % 7 {
			for v := 8*i + k; v > 1; steps++ {
				if v%2 == 0 {
					v /= 2
				} else {
					v = 3*v + 1
				}
			}
		}
		return steps
	})
}

// Lanes exit early: by a guarded ret, by exit in a branch, in the middle of a loop. The others continue.
func TestEarlyExit(t *testing.T) {
	check(t, body(prologue+`
		rem.u32 %r3, %r0, 5;
		setp.eq.u32 %p1, %r3, 3;
		@%p1 ret;
		mov.u32 %r4, 0;
	LOOP:
		add.u32 %r4, %r4, 1;
		st.global.u32 [%rd1], %r4;
		setp.eq.u32 %p2, %r4, %r3;
		@!%p2 bra ON;
		and.b32 %r5, %r0, 4;
		setp.ne.u32 %p3, %r5, 0;
		@%p3 bra ON;
		exit;
	ON:
		setp.lt.u32 %p4, %r4, 6;
		@%p4 bra LOOP;
		add.u32 %r4, %r4, 100;
		st.global.u32 [%rd1], %r4;`), 2, 45, 0, func(i uint32) uint32 {
		r := i % 5
		switch {
		case r == 3:
			return untouched
		case r != 0 && i&4 == 0:
			return r
		}
		return 106
	})
}

// A loop with three exits, which lead to different places and then reconverge.
func TestLoopExits(t *testing.T) {
	check(t, body(prologue+`
		ld.param.u32 %r9, [n];
		mov.u32 %r3, %r0;
		mov.u32 %r4, 0;
	LOOP:
		mad.lo.u32 %r3, %r3, 1664525, 1013904223;
		add.u32 %r4, %r4, 1;
		shr.u32 %r5, %r3, 28;
		setp.eq.u32 %p1, %r5, 3;
		@%p1 bra A;
		setp.eq.u32 %p2, %r5, 9;
		@%p2 bra B;
		setp.lt.u32 %p3, %r4, %r9;
		@%p3 bra LOOP;
		mov.u32 %r6, 7;
		bra.uni END;
	A:
		add.u32 %r6, %r4, 1000;
		bra END;
	B:
		add.u32 %r6, %r4, 2000;
	END:
		st.global.u32 [%rd1], %r6;`), 1, 256, 9, func(i uint32) uint32 {
		v := i
		for n := uint32(1); ; n++ {
			v = v*1664525 + 1013904223
			switch {
			case v>>28 == 3:
				return n + 1000
			case v>>28 == 9:
				return n + 2000
			case n >= 9:
				return 7
			}
		}
	})
}

// Unstructured jumps: into the middle of another path, and backwards over it.
func TestUnstructured(t *testing.T) {
	check(t, body(prologue+`
		mov.u32 %r3, 0;
		mov.u32 %r4, %r0;
		and.b32 %r5, %r0, 3;
		setp.eq.u32 %p1, %r5, 1;
		@%p1 bra MIDDLE;
		setp.eq.u32 %p1, %r5, 2;
		@%p1 bra LAST;
	FIRST:
		add.u32 %r3, %r3, 1;
		shr.u32 %r4, %r4, 1;
		and.b32 %r6, %r4, 1;
		setp.ne.u32 %p2, %r6, 0;
		@%p2 bra LAST;
	MIDDLE:
		add.u32 %r3, %r3, 100;
		shr.u32 %r4, %r4, 1;
		and.b32 %r6, %r4, 1;
		setp.ne.u32 %p2, %r6, 0;
		@%p2 bra FIRST;
	LAST:
		add.u32 %r3, %r3, 10000;
		shr.u32 %r4, %r4, 1;
		setp.gt.u32 %p3, %r4, 4;
		@%p3 bra MIDDLE;
		st.global.u32 [%rd1], %r3;`), 2, 128, 0, func(i uint32) (sum uint32) {
		v, at := i, [4]int{0, 1, 2, 0}[i&3]
		for {
			switch at {
			case 0:
				sum, v = sum+1, v/2
				if at = 1; v&1 != 0 {
					at = 2
				}
			case 1:
				sum, v = sum+100, v/2
				if at = 2; v&1 != 0 {
					at = 0
				}
			default:
				sum, v = sum+10000, v/2
				if v <= 4 {
					return sum
				}
				at = 1
			}
		}
	})
}

// brx.idx: lanes go to different targets of a list.
func TestBranchTable(t *testing.T) {
	check(t, body(prologue+`
		rem.u32 %r3, %r0, 5;
	TABLE: .branchtargets A, B, C, B, D;
		mov.u32 %r4, 0;
		brx.idx %r3, TABLE;
	A:
		add.u32 %r4, %r4, 1;
	B:
		add.u32 %r4, %r4, 10;
		bra D;
	C:
		add.u32 %r4, %r4, 100;
	D:
		add.u32 %r4, %r4, 1000;
		st.global.u32 [%rd1], %r4;`), 1, 64, 0, func(i uint32) uint32 {
		return []uint32{1011, 1010, 1100, 1010, 1000}[i%5]
	})
}
