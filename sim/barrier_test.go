package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// A block reverses its words through shared memory; its last warp is partial.
func TestBarrier(t *testing.T) {
	check(t, body(`.shared .align 4 .b32 s[256];`+prologue+`
		mov.u32 %r3, s;
		shl.b32 %r4, %r2, 2;
		add.u32 %r5, %r3, %r4;
		mul.lo.u32 %r6, %r0, 17;
		st.shared.u32 [%r5], %r6;
		bar.sync 0;
		sub.u32 %r7, %r1, %r2;
		shl.b32 %r7, %r7, 2;
		add.u32 %r7, %r3, %r7;
		ld.shared.u32 %r8, [%r7+-4];
		st.global.u32 [%rd1], %r8;`), 9, 200, 0, func(i uint32) uint32 { return (i/200*200 + 199 - i%200) * 17 })
}

// A running sum with two barriers in each round of a loop.
func TestScan(t *testing.T) {
	value := func(i uint32) uint32 { return i*i + 3 }
	check(t, body(`.shared .align 4 .b32 s[1024];`+prologue+`
		mov.u32 %r3, s;
		shl.b32 %r4, %r2, 2;
		add.u32 %r5, %r3, %r4;
		mad.lo.u32 %r6, %r0, %r0, 3;
		mov.u32 %r7, 1;
	LOOP:
		st.shared.u32 [%r5], %r6;
		bar.sync 0;
		setp.lt.u32 %p1, %r2, %r7;
		@%p1 bra SKIP;
		sub.u32 %r8, %r2, %r7;
		shl.b32 %r8, %r8, 2;
		add.u32 %r8, %r3, %r8;
		ld.shared.u32 %r9, [%r8];
		add.u32 %r6, %r6, %r9;
	SKIP:
		bar.sync 0;
		shl.b32 %r7, %r7, 1;
		setp.lt.u32 %p2, %r7, %r1;
		@%p2 bra LOOP;
		st.global.u32 [%rd1], %r6;`), 3, 300, 0, func(i uint32) (sum uint32) {
		for k := i / 300 * 300; k <= i; k++ {
			sum += value(k)
		}
		return sum
	})
}

// Barriers do not wait for threads that have exited, here two whole warps and some lanes of another. That is how hardware behaves;
// strict mode reports it as an error.
func TestBarrierAfterExit(t *testing.T) {
	text := body(`.shared .align 4 .b32 s[160];` + prologue + `
		mov.u32 %r3, s;
		shl.b32 %r4, %r2, 2;
		add.u32 %r5, %r3, %r4;
		st.shared.u32 [%r5], %r0;
		bar.sync 0;
		setp.ge.u32 %p1, %r2, 90;
		@%p1 exit;
		ld.shared.u32 %r6, [%r5+276];
		bar.sync 0;
		add.u32 %r6, %r6, %r0;
		st.shared.u32 [%r5], %r6;
		bar.sync 0;
		xor.b32 %r4, %r4, 4;
		add.u32 %r5, %r3, %r4;
		ld.shared.u32 %r6, [%r5];
		st.global.u32 [%rd1], %r6;`)
	for seed := range uint64(6) {
		for i, got := range run(t, device(t, sim.Seed(seed), sim.Fast()), text, 4, 160, 0) {
			want := 2*(uint32(i)^1) + 69
			if i%160 >= 90 {
				want = untouched
			}
			require.Equalf(t, want, got, "thread %d, seed %d", i, seed)
		}
	}
}

// Two pairs of warps each use a barrier of their own; its number and thread count come from registers.
func TestNamedBarriers(t *testing.T) {
	check(t, body(`.shared .align 4 .b32 s[128];`+prologue+`
		mov.u32 %r3, s;
		shr.u32 %r4, %r2, 6;
		add.u32 %r10, %r4, 1;
		mov.u32 %r11, 64;
		mad.lo.u32 %r12, %r4, 40, 1;
		mov.u32 %r6, %r0;
	LOOP:
		shl.b32 %r5, %r2, 2;
		add.u32 %r5, %r3, %r5;
		mad.lo.u32 %r6, %r6, 5, 1;
		st.shared.u32 [%r5], %r6;
		bar.sync %r10, %r11;
		xor.b32 %r7, %r2, 32;
		shl.b32 %r7, %r7, 2;
		add.u32 %r7, %r3, %r7;
		ld.shared.u32 %r6, [%r7];
		bar.sync %r10, 64;
		sub.u32 %r12, %r12, 1;
		setp.ne.u32 %p1, %r12, 0;
		@%p1 bra LOOP;
		st.global.u32 [%rd1], %r6;`), 5, 128, 0, func(i uint32) uint32 {
		mine, other := i, i^32
		for range i%128/64*40 + 1 {
			mine, other = 5*other+1, 5*mine+1
		}
		return mine
	})
}

// Two warps pass numbers to two others, round after round: the writers arrive at one barrier
// without waiting there, and wait at others.
func TestArrive(t *testing.T) {
	check(t, body(`.shared .align 4 .b32 s[64];`+prologue+`
		and.b32 %r4, %r2, 63;
		shl.b32 %r4, %r4, 2;
		mov.u32 %r3, s;
		add.u32 %r5, %r3, %r4;
		mov.u32 %r6, 0;
		mov.u32 %r7, 0;
		setp.lt.u32 %p1, %r2, 64;
		@%p1 bra WRITE;
	READ:
		bar.sync 5, 128;			// deadlocks if the bar.arrive of the writers waits
		bar.sync 3, 128;
		ld.shared.u32 %r8, [%r5];
		bar.arrive 4, 128;
		mad.lo.u32 %r6, %r6, 3, %r8;
		add.u32 %r7, %r7, 1;
		setp.lt.u32 %p2, %r7, 5;
		@%p2 bra READ;
		bra.uni END;
	WRITE:
		mad.lo.u32 %r8, %r0, 9, %r7;
		st.shared.u32 [%r5], %r8;
		bar.arrive 3, 128;
		bar.sync 5, 128;
		bar.sync 4, 128;
		add.u32 %r7, %r7, 1;
		setp.lt.u32 %p2, %r7, 5;
		@%p2 bra WRITE;
	END:
		st.global.u32 [%rd1], %r6;`), 5, 128, 0, func(i uint32) (sum uint32) {
		if i%128 < 64 {
			return 0
		}
		for k := range uint32(5) {
			sum = 3*sum + 9*(i-64) + k
		}
		return sum
	})
}

// bar.red counts the threads of a block whose predicate is true, and tests whether all or any are.
func TestBarrierReduction(t *testing.T) {
	check(t, body(prologue+`
		mov.u32 %r9, %ctaid.x;
		setp.lt.u32 %p1, %r2, %r9;
		bar.red.popc.u32 %r3, 0, %p1;
		bar.red.popc.u32 %r4, 1, 96, !%p1;
		bar.red.and.pred %p2, 0, %p1;
		bar.red.or.pred %p3, 0, %p1;
		selp.u32 %r5, 0x10000, 0, %p2;
		selp.u32 %r6, 0x20000, 0, %p3;
		shl.b32 %r4, %r4, 20;
		add.u32 %r3, %r3, %r4;
		add.u32 %r3, %r3, %r5;
		add.u32 %r3, %r3, %r6;
		st.global.u32 [%rd1], %r3;`), 97, 96, 0, func(i uint32) uint32 {
		n := i / 96
		v := n + (96-n)<<20
		if n == 96 {
			v += 0x10000
		}
		if n > 0 {
			v += 0x20000
		}
		return v
	})
}

// barrier.sync is allowed in divergent code: lanes of a warp arrive from two instructions.
func TestDivergentBarrier(t *testing.T) {
	check(t, body(`.shared .align 4 .b32 s[96];`+prologue+`
		mov.u32 %r3, s;
		shl.b32 %r4, %r2, 2;
		add.u32 %r5, %r3, %r4;
		and.b32 %r6, %r2, 1;
		setp.eq.u32 %p1, %r6, 0;
		@%p1 bra EVEN;
		mul.lo.u32 %r7, %r0, 3;
		st.shared.u32 [%r5], %r7;
		barrier.sync 0;
		bra END;
	EVEN:
		mul.lo.u32 %r7, %r0, 5;
		st.shared.u32 [%r5], %r7;
		barrier.sync 0;
	END:
		xor.b32 %r4, %r4, 4;
		add.u32 %r5, %r3, %r4;
		ld.shared.u32 %r7, [%r5];
		st.global.u32 [%rd1], %r7;`), 3, 96, 0, func(i uint32) uint32 {
		if i&1 == 0 {
			return (i ^ 1) * 3
		}
		return (i ^ 1) * 5
	})
}

// Dynamic shared memory follows the static variables, aligned. A tile is transposed in it, by accesses of 4 and of 16 bytes, with shared
// and with generic addresses.
func TestDynamicShared(t *testing.T) {
	const ptx = `.version 7.0
.target sm_60
.address_size 64
.extern .shared .align 16 .b8 tile[];
.visible .entry k(.param .u64 out)
{
	.reg .pred %p1; .reg .b32 %r<20>; .reg .b64 %rd<10>;
	.shared .align 4 .b8 fixed[20];
	mov.u32 %r1, %tid.x;
	mov.u32 %r2, %tid.y;
	mov.u32 %r3, tile;
	mov.u32 %r15, fixed;
	mov.u32 %r16, 0xffffffff;
	mad.lo.u32 %r4, %r2, 16, %r1;
	mad.lo.u32 %r5, %r2, 17, %r1;		// rows of 17 words
	shl.b32 %r5, %r5, 2;
	add.u32 %r5, %r3, %r5;
	mul.lo.u32 %r6, %r4, 3;
	st.shared.u32 [%r5], %r6;
	setp.eq.u32 %p1, %r4, 0;
	@%p1 st.shared.v2.u32 [fixed+8], {%r16, %r16};	// disturbs nothing of the tile
	bar.sync 0;
	mad.lo.u32 %r7, %r1, 17, %r2;
	mul.wide.u32 %rd1, %r7, 4;
	cvta.shared.u64 %rd2, tile;
	add.u64 %rd3, %rd2, %rd1;
	ld.u32 %r8, [%rd3];
	sub.u32 %r9, %r3, %r15;
	mov.u32 %r10, %dynamic_smem_size;
	ld.param.u64 %rd4, [out];
	mul.wide.u32 %rd5, %r4, 16;
	add.u64 %rd6, %rd4, %rd5;
	and.b32 %r11, %r3, 15;
	st.global.v4.u32 [%rd6], {%r8, %r9, %r10, %r11};
	ret;
}
`
	everywhere(t, func(t *testing.T, d *sim.Device) {
		f := kernel(t, d, ptx, "k")
		out := room[uint32](t, d, 256*4)
		launch(t, d, f, sim.Geometry{Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{16, 16, 1}, SharedBytes: 16 * 17 * 4}, out)
		for i, got := range download[[4]uint32](t, d, out, 256) {
			require.Equal(t, uint32(i%16*16+i/16)*3, got[0])
			require.GreaterOrEqual(t, got[1], uint32(20), "behind the static part")
			require.Equal(t, [2]uint32{16 * 17 * 4, 0}, [2]uint32(got[2:]), "size and alignment")
		}
		launch(t, d, f, sim.Geometry{Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{16, 16, 1}, SharedBytes: 16*17*4 - 8}, out)
		require.ErrorContains(t, d.Wait(0), "thread (15,15,0)", "the last word is outside")
	})
}
