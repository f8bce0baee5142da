package sim_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/sim"
)

// strictCase is a body that strict mode must reject, and a similar one that it must accept. Both get 256 words
// of zeros at [%rd0], the address of the thread's own word of the next 1024 in %rd1, and 64 unwritten words at [%rd2].
type strictCase struct {
	name            string
	bad, good       string
	blocks, threads uint32
	says            []string
}

const strictPrologue = prologue + `
add.u64 %rd1, %rd1, 1024;
ld.param.u32 %r3, [n];
cvt.u64.u32 %rd2, %r3;
add.u64 %rd2, %rd0, %rd2;
`

// strictRun runs a body on a strict device and returns the error.
func strictRun(t testing.TB, text string, blocks, threads uint32, options ...sim.Option) error {
	t.Helper()
	d := device(t, options...)
	const words = 256 + 1024
	mem, err := d.Alloc(4 * (words + 64))
	require.NoError(t, err)
	require.NoError(t, d.Zero(mem, 4*words, 0))
	launch(t, d, kernel(t, d, body(strictPrologue+text), "k"), sim.Linear(blocks, threads), uint64(mem), 4*words)
	return d.Wait(0)
}

func runStrict(t *testing.T, cases []strictCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(8) {
				assert.NoErrorf(t, strictRun(t, c.good, c.blocks, c.threads, sim.Seed(seed)), "seed %d", seed)
				err := strictRun(t, c.bad, c.blocks, c.threads, sim.Seed(seed))
				if assert.Errorf(t, err, "seed %d", seed) {
					for _, s := range append(c.says, "kernel k", "PTX line", "thread (", "seed ") {
						assert.Containsf(t, err.Error(), s, "seed %d", seed)
					}
				}
			}
		})
	}
}

// Reads of unwritten memory.
func TestUnwritten(t *testing.T) {
	const own = "shl.b32 %r4, %r2, 2; mov.u32 %r5, s; add.u32 %r5, %r5, %r4;"
	runStrict(t, []strictCase{
		{"device memory",
			"ld.global.u32 %r9, [%rd2];",
			"setp.eq.u32 %p0, %r2, 0; @%p0 st.global.u32 [%rd2], %r0; @%p0 ld.global.u32 %r9, [%rd2];",
			1, 32, []string{"load of 4 bytes", "that nothing has written", "CUDA_ERROR_LAUNCH_FAILED (719)", "address 0x"}},
		{"one byte of four",
			"st.global.u16 [%rd2], %h0; st.global.u8 [%rd2+3], %h0; ld.global.u32 %r9, [%rd2];",
			"st.global.u16 [%rd2], %h0; st.global.u8 [%rd2+3], %h0; st.global.u8 [%rd2+2], %h0; ld.global.u32 %r9, [%rd2];",
			1, 1, []string{"that nothing has written"}},
		{"the last of four words",
			"st.global.v2.u32 [%rd2+16], {%r0, %r0}; st.global.u32 [%rd2+24], %r0; ld.global.v4.u32 {%r5, %r6, %r7, %r8}, [%rd2+16];",
			"st.global.v2.u32 [%rd2+16], {%r0, %r0}; st.global.v2.u32 [%rd2+24], {%r0, %r0}; ld.global.v4.u32 {%r5, %r6, %r7, %r8}, [%rd2+16];",
			1, 1, []string{"load of 16 bytes"}},
		{"an atomic operation",
			"atom.global.add.u32 %r9, [%rd2+4], 1;",
			"atom.global.add.u32 %r9, [%rd0+4], 1;",
			2, 32, []string{"atomic operation of 4 bytes"}},
		{"through a generic address",
			"cvta.global.u64 %rd3, %rd2; ld.u32 %r9, [%rd3+8];",
			"cvta.global.u64 %rd3, %rd0; ld.u32 %r9, [%rd3+8];",
			1, 1, []string{"that nothing has written"}},
		{"shared memory",
			".shared .align 4 .b32 s[64];" + own + "@!%p9 bra L; L: setp.ne.u32 %p0, %r2, 5; @%p0 st.shared.u32 [%r5], %r2; ld.shared.u32 %r9, [%r5];",
			".shared .align 4 .b32 s[64];" + own + "@!%p9 bra L; L: setp.ne.u32 %p0, %r2, 5; @%p0 st.shared.u32 [%r5], %r2; @%p0 ld.shared.u32 %r9, [%r5];",
			2, 64, []string{"of .shared memory that nothing has written", "thread (5,0,0)"}},
		{"local memory",
			".local .align 4 .b32 l[4]; mov.u64 %rd3, l; st.local.u32 [%rd3+4], %r2; ld.local.u32 %r9, [%rd3+8];",
			".local .align 4 .b32 l[4]; mov.u64 %rd3, l; st.local.u32 [%rd3+8], %r2; ld.local.u32 %r9, [%rd3+8];",
			1, 32, []string{"of .local memory that nothing has written"}},
	})
}

// The destination of a copy on the device is as written as its source.
func TestUnwrittenCopy(t *testing.T) {
	for _, written := range []uint64{12, 16} {
		d := device(t)
		src, err := d.Alloc(16)
		require.NoError(t, err)
		dst, err := d.Alloc(64)
		require.NoError(t, err)
		require.NoError(t, d.Zero(src, written, 0))
		require.NoError(t, d.Copy(dst+8, src, 16, 0))
		launch(t, d, kernel(t, d, body(prologue+"ld.global.u32 %r9, [%rd0+20];"), "k"), sim.Linear(1, 1), uint64(dst), 0)
		err = d.Wait(0)
		if written == 16 {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, "that nothing has written")
		}
	}
	t.Run("over itself", func(t *testing.T) { // the first four words move up by two
		d := device(t)
		p, err := d.Alloc(32)
		require.NoError(t, err)
		require.NoError(t, d.Zero(p, 8, 0))
		require.NoError(t, d.Copy(p+8, p, 16, 0))
		f := kernel(t, d, body(prologue+"cvt.u64.u32 %rd5, %r0; ld.param.u32 %r4, [n]; cvt.u64.u32 %rd5, %r4; add.u64 %rd0, %rd0, %rd5; ld.global.u32 %r9, [%rd0];"), "k")
		for at, ok := range map[uint64]bool{0: true, 8: true, 12: true} {
			launch(t, d, f, sim.Linear(1, 1), uint64(p), at)
			assert.Equal(t, ok, d.Wait(0) == nil, at)
		}
		launch(t, d, f, sim.Linear(1, 1), uint64(p), 16)
		assert.ErrorContains(t, d.Wait(0), "that nothing has written")
	})
}

// Races in shared memory.
func TestSharedRaces(t *testing.T) {
	const s = ".shared .align 16 .b32 s[256]; shl.b32 %r4, %r2, 2; mov.u32 %r5, s; add.u32 %r5, %r5, %r4; xor.b32 %r6, %r4, 4; mov.u32 %r7, s; add.u32 %r6, %r6, %r7; xor.b32 %r8, %r4, 128; add.u32 %r8, %r8, %r7;"
	const race = "race: "
	runStrict(t, []strictCase{
		{"read of another warp's word",
			s + "st.shared.u32 [%r5], %r2; bar.sync 0; st.shared.u32 [%r5], %r3; ld.shared.u32 %r9, [%r8];",
			s + "st.shared.u32 [%r5], %r2; bar.sync 0; st.shared.u32 [%r5], %r3; bar.sync 0; ld.shared.u32 %r9, [%r8];",
			2, 64, []string{race, "of .shared memory", "conflicts with", "no barrier, fence or atomic orders them"}},
		{"read of a neighbour's word",
			s + "st.shared.u32 [%r5], %r2; ld.shared.u32 %r9, [%r6];",
			s + "st.shared.u32 [%r5], %r2; bar.warp.sync -1; ld.shared.u32 %r9, [%r6];",
			1, 64, []string{race + "load of 4 bytes", "conflicts with a write by thread ("}},
		{"a shuffle orders nothing",
			s + "st.shared.u32 [%r5], %r2; shfl.sync.bfly.b32 %r9, %r2, 1, 31, -1; ld.shared.u32 %r9, [%r6];",
			s + "st.shared.u32 [%r5], %r2; shfl.sync.bfly.b32 %r9, %r2, 1, 31, -1; ld.shared.u32 %r9, [%r5];",
			1, 32, []string{race}},
		{"half a warp waits",
			s + "st.shared.u32 [%r5], %r2; and.b32 %r10, %r2, 31; setp.lt.u32 %p0, %r10, 16; @%p0 bar.warp.sync 0xffff; ld.shared.u32 %r9, [%r6];",
			s + "st.shared.u32 [%r5], %r2; and.b32 %r10, %r2, 31; setp.lt.u32 %p0, %r10, 16; @%p0 bar.warp.sync 0xffff; @%p0 ld.shared.u32 %r9, [%r6];",
			1, 32, []string{race}},
		{"write after a read",
			s + "st.shared.u32 [%r5], %r2; bar.sync 0; ld.shared.u32 %r9, [%r8]; st.shared.u32 [%r5], %r9;",
			s + "st.shared.u32 [%r5], %r2; bar.sync 0; ld.shared.u32 %r9, [%r8]; bar.sync 0; st.shared.u32 [%r5], %r9;",
			1, 64, []string{race, "PTX line 19: \"st.shared.u32 [%r5], %r9\""}},
		{"write after many reads",
			s + "setp.eq.u32 %p0, %r2, 0; @%p0 st.shared.u32 [s], 7; bar.sync 0; ld.shared.u32 %r9, [s]; setp.eq.u32 %p0, %r2, 77; @%p0 st.shared.u32 [s], %r2;",
			s + "setp.eq.u32 %p0, %r2, 0; @%p0 st.shared.u32 [s], 7; bar.sync 0; ld.shared.u32 %r9, [s]; bar.sync 0; setp.eq.u32 %p0, %r2, 77; @%p0 st.shared.u32 [s], %r2;",
			1, 128, []string{race, "conflicts with"}},
		{"two writes",
			s + "setp.gt.u32 %p0, %r2, 61; @%p0 st.shared.u32 [s], %r2;",
			s + "setp.gt.u32 %p0, %r2, 61; @%p0 st.shared.u32 [s], 5;", // the same value: no order decides
			1, 64, []string{race + "store", "conflicts with a write"}},
		{"bytes of a word",
			s + "mov.u32 %r7, s; add.u32 %r7, %r7, %r2; and.b32 %r7, %r7, -2; cvt.u16.u32 %h0, %r2; st.shared.u8 [%r7], %h0;",
			s + "mov.u32 %r7, s; add.u32 %r7, %r7, %r2; cvt.u16.u32 %h0, %r2; st.shared.u8 [%r7], %h0; bar.sync 0; ld.shared.u32 %r9, [s];",
			1, 64, []string{race + "store of 1 bytes"}},
		{"a wide load over another's byte",
			s + "st.shared.v4.u32 [s], {%r2, %r2, %r2, %r2}; bar.sync 0; setp.eq.u32 %p0, %r2, 3; setp.eq.u32 %p1, %r2, 40; @%p0 st.shared.u8 [s+14], %h0; @%p1 ld.shared.v4.u32 {%r10, %r11, %r12, %r13}, [s];",
			s + "st.shared.v4.u32 [s], {%r3, %r3, %r3, %r3}; bar.sync 0; setp.eq.u32 %p0, %r2, 3; setp.eq.u32 %p1, %r2, 40; @%p0 st.shared.u8 [s+14], %h0; @%p1 ld.shared.v2.u32 {%r10, %r11}, [s];",
			1, 64, []string{race}},
		{"an atomic beside a store",
			s + "setp.eq.u32 %p0, %r2, 0; @%p0 st.shared.u32 [s], 0; bar.sync 0; red.shared.add.u32 [s], 1; setp.eq.u32 %p0, %r2, 9; @%p0 ld.shared.u32 %r9, [s];",
			s + "setp.eq.u32 %p0, %r2, 0; @%p0 st.shared.u32 [s], 0; bar.sync 0; red.shared.add.u32 [s], 1; bar.sync 0; setp.eq.u32 %p0, %r2, 9; @%p0 ld.shared.u32 %r9, [s];",
			1, 64, []string{race}},
		{"an atomic of another before one's own",
			s + "setp.eq.u32 %p0, %r2, 0; @%p0 st.shared.u32 [s], 0; bar.sync 0; red.shared.add.u32 [s], 1; @%p0 ld.shared.u32 %r9, [s];",
			s + "setp.eq.u32 %p0, %r2, 0; @%p0 st.shared.u32 [s], 0; bar.sync 0; red.shared.add.u32 [s], 1; bar.warp.sync 3; @%p0 ld.shared.u32 %r9, [s];",
			1, 2, []string{race}},
		{"a barrier for two warps of three",
			s + "st.shared.u32 [%r5], %r2; bar.sync 0; st.shared.u32 [%r5], %r3; setp.lt.u32 %p0, %r2, 64; @%p0 bar.sync 1, 64; ld.shared.u32 %r9, [%r8];",
			s + "st.shared.u32 [%r5], %r2; bar.sync 0; st.shared.u32 [%r5], %r3; setp.lt.u32 %p0, %r2, 64; @%p0 bar.sync 1, 64; @%p0 ld.shared.u32 %r9, [%r8];",
			1, 128, []string{race}},
		{"producer and consumer",
			s + "setp.lt.u32 %p0, %r2, 32; @!%p0 bra C; bar.arrive 1, 64; st.shared.u32 [%r5], %r2; bra E; C: bar.sync 1, 64; ld.shared.u32 %r9, [%r8]; E:",
			s + "setp.lt.u32 %p0, %r2, 32; @!%p0 bra C; st.shared.u32 [%r5], %r2; bar.arrive 1, 64; bra E; C: bar.sync 1, 64; ld.shared.u32 %r9, [%r8]; E:",
			1, 64, []string{}},
	})
}

// Barriers that some threads of a block do not reach.
func TestMissedBarriers(t *testing.T) {
	runStrict(t, []strictCase{
		{"threads that have left",
			"setp.eq.u32 %p0, %r2, 70; @%p0 exit; bar.sync 0;",
			"bar.sync 0; setp.eq.u32 %p0, %r2, 70; @%p0 exit; st.global.u32 [%rd1], %r0;",
			1, 96, []string{"barrier 0: 1 of the block's 96 threads have left the kernel without reaching it, the first of them (70,0,0)", "719"}},
		{"a warp that goes another way",
			"setp.lt.u32 %p0, %r2, 32; @%p0 bra L; bar.sync 0; bra E; L: exit; E:",
			"setp.lt.u32 %p0, %r2, 32; @%p0 bra L; bar.sync 0; bra E; L: bar.sync 0; E:",
			1, 96, []string{"barrier 0: 32 of the block's 96 threads have left"}},
		{"two barriers in a warp that has parted",
			"setp.lt.u32 %p0, %r2, 16; @%p0 bra L; bar.sync 0; bra E; L: bar.sync 0; E:",
			"setp.lt.u32 %p0, %r2, 16; @%p0 bra L; barrier.sync 0; bra E; L: barrier.sync 0; E:",
			1, 64, []string{"barrier 0: lanes of a warp reach it at different instructions"}},
		{"a barrier that is never full",
			"bar.sync 3, 96;",
			"bar.sync 3, 64;",
			2, 64, []string{"barrier 3 waits for 96 threads, but only 64 arrive", "702"}},
		{"a shuffle that names a lane which has left the group",
			"and.b32 %r9, %r2, 31; setp.lt.u32 %p0, %r9, 20; @%p0 shfl.sync.down.b32 %r8, %r2, 5, 31, 0xfffff;",
			"and.b32 %r9, %r2, 31; setp.lt.u32 %p0, %r9, 20; @%p0 shfl.sync.down.b32 %r8, %r2, 5, 19, 0xfffff;",
			1, 64, []string{"shfl.down reads lane 20, which does not execute it (executing lanes 0x000fffff)"}},
		{"a shuffle whose mask names a lane that does not come",
			"and.b32 %r9, %r2, 31; setp.lt.u32 %p0, %r9, 20; @%p0 bra L; bar.sync 0; bra E; L: shfl.sync.idx.b32 %r8, %r2, 0, 31, -1; bar.sync 0; E:",
			"and.b32 %r9, %r2, 31; setp.lt.u32 %p0, %r9, 20; @%p0 bra L; bar.warp.sync 0xfff00000; bra E; L: shfl.sync.idx.b32 %r8, %r2, 0, 31, 0xfffff; E: bar.sync 0;",
			1, 64, []string{"shfl.idx waits for lanes 0xfff00000 of its member mask 0xffffffff, which never execute it"}},
		{"a shuffle by a lane that its mask does not name",
			"shfl.sync.idx.b32 %r8, %r2, 0, 31, 0x7fffffff;",
			"and.b32 %r9, %r2, 31; setp.lt.u32 %p0, %r9, 31; @%p0 shfl.sync.idx.b32 %r8, %r2, 0, 31, 0x7fffffff;",
			1, 32, []string{"by a lane that is not in its member mask 0x7fffffff", "thread (31,0,0)"}},
	})
}

// Accesses at the edges of an allocation, after its end, and misaligned ones.
func TestEdges(t *testing.T) {
	const words = 256 + 1024 + 64
	runStrict(t, []strictCase{
		{"past the end",
			fmt.Sprintf("st.global.u32 [%%rd0+%d], %%r3;", 4*words),
			fmt.Sprintf("st.global.u32 [%%rd0+%d], %%r3;", 4*words-4),
			1, 32, []string{"CUDA_ERROR_ILLEGAL_ADDRESS (700)", "store of 4 bytes outside every allocation, 0 bytes after the one of 5376 bytes"}},
		{"across the end",
			fmt.Sprintf("ld.global.v2.u32 {%%r5, %%r6}, [%%rd0+%d];", 4*words),
			fmt.Sprintf("st.global.v2.u32 [%%rd0+%d], {%%r3, %%r3}; ld.global.v2.u32 {%%r5, %%r6}, [%%rd0+%d];", 4*words-8, 4*words-8),
			1, 1, []string{"700"}},
		{"before the beginning",
			"ld.global.u32 %r5, [%rd0+-4];",
			"ld.global.u32 %r5, [%rd0];",
			1, 32, []string{"4 bytes before the one of 5376 bytes"}},
		{"misaligned",
			"ld.global.v2.u32 {%r5, %r6}, [%rd0+4];",
			"ld.global.v2.u32 {%r5, %r6}, [%rd0+8];",
			1, 32, []string{"CUDA_ERROR_MISALIGNED_ADDRESS (716)", "load of 8 bytes"}},
		{"shared memory",
			".shared .align 4 .b8 s[12]; st.shared.u32 [s+12], 1;",
			".shared .align 4 .b8 s[12]; st.shared.u32 [s+8], 1;",
			1, 1, []string{"outside the 12 bytes of .shared memory"}},
	})
	t.Run("after free", func(t *testing.T) {
		d := device(t)
		p := upload(t, d, []uint32{1, 2})
		q := upload(t, d, []uint32{1, 2})
		f := kernel(t, d, body(prologue+"ld.global.u32 %r9, [%rd0];"), "k")
		require.NoError(t, d.Free(sim.Ptr(p)))
		launch(t, d, f, sim.Linear(1, 1), q, 0)
		require.NoError(t, d.Wait(0))
		launch(t, d, f, sim.Linear(1, 1), p, 0)
		assert.ErrorContains(t, d.Wait(0), fmt.Sprintf("load of 4 bytes in an allocation of 8 bytes at %#x that was freed", p))
	})
}

// Strict mode takes a bounded amount of memory for a launch.
func TestStrictMemory(t *testing.T) {
	testkit.NeedsLong(t)
	heap := func() uint64 { // the most that there was
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapSys
	}
	for name, text := range map[string]string{
		"fences":  "membar.gl;",
		"tickets": "membar.gl; atom.global.add.u32 %r9, [%rd0], 1; membar.gl;",
		"flags":   "st.volatile.global.u32 [%rd1], %r8; membar.gl; ld.volatile.global.u32 %r9, [%rd0+1024];",
		"readers": "ld.global.u32 %r9, [%rd0+4]; bar.sync 0;",
	} {
		t.Run(name, func(t *testing.T) {
			d := device(t, sim.Seed(1))
			mem := upload(t, d, make([]byte, 8192))
			before := heap()
			launch(t, d, kernel(t, d, body(strictPrologue+"mov.u32 %r8, 0;\nL: "+text+"add.u32 %r8, %r8, 1; setp.lt.u32 %p0, %r8, 600; @%p0 bra L;"), "k"), sim.Linear(2, 32), mem, 0)
			require.NoError(t, d.Wait(0))
			assert.Less(t, int64(heap()-before), int64(96<<20))
		})
	}
}
