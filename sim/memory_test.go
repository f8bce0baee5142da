package sim_test

import (
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// Vectors of two and four elements of every size are reversed, with each cache hint; every other one is skipped by
// its guard.
func TestVectors(t *testing.T) {
	for _, c := range []struct {
		load, store string
		bytes, vec  int
	}{
		{"ld.global.v2.u8", "st.global.v2.u8", 1, 2},
		{"ld.global.nc.v4.u8", "st.global.cs.v4.b8", 1, 4},
		{"ld.volatile.global.v2.u16", "st.volatile.global.v2.u16", 2, 2},
		{"ld.global.cg.v4.u16", "st.v4.u16", 2, 4},
		{"ld.v2.u32", "st.global.wt.v2.u32", 4, 2},
		{"ld.global.L1::no_allocate.v4.f32", "st.global.v4.f32", 4, 4},
		{"ld.global.nc.v2.u64", "st.global.v2.u64", 8, 2},
		{"ld.relaxed.gpu.global.v2.f64", "st.relaxed.sys.global.v2.f64", 8, 2},
	} {
		t.Run(fmt.Sprintf("%dx%d", c.bytes, c.vec), func(t *testing.T) {
			reg := map[int]string{1: "b16", 2: "b16", 4: "b32", 8: "b64"}[c.bytes]
			if c.bytes > 2 && c.load[len(c.load)-3] == 'f' {
				reg = "f" + reg[1:]
			}
			from, to := "{%v0, %v1}", "{%v1, %v0}"
			if c.vec == 4 {
				from, to = "{%v0, %v1, %v2, %v3}", "{%v3, %v2, %v1, %v0}"
			}
			size := c.bytes * c.vec
			ptx := body(fmt.Sprintf(`.reg .%s %%v<4>;`, reg) + prologue + fmt.Sprintf(`
				mul.wide.u32 %%rd2, %%r0, %d;
				add.u64 %%rd3, %%rd0, %%rd2;
				and.b32 %%r3, %%r0, 1;
				setp.ne.u32 %%p1, %%r3, 0;
				@%%p1 %s %s, [%%rd3+%d];
				@%%p1 %s [%%rd3+%d], %s;`, size, c.load, from, size, c.store, size, to))
			const n = 2 * 40
			everywhere(t, func(t *testing.T, d *sim.Device) {
				in := make([]byte, (n+1)*size)
				for i := range in {
					in[i] = byte(mix(uint32(i)))
				}
				out := upload(t, d, in)
				launch(t, d, kernel(t, d, ptx, "k"), sim.Linear(2, 40), out, 0)
				got := download[byte](t, d, out, len(in))
				for i := range in {
					thread, e := i/size-1, i%size/c.bytes
					from := i
					if thread >= 0 && thread%2 == 1 {
						from = i + (c.vec-1-2*e)*c.bytes
					}
					require.Equalf(t, in[from], got[i], "byte %d", i)
				}
			})
		})
	}
}

// Loads into wider registers sign- or zero-extend; stores from wider registers take the low part.
func TestExtension(t *testing.T) {
	const ptx = `
		and.b32 %r3, %r0, 3;
		cvt.u64.u32 %rd2, %r3;
		add.u64 %rd3, %rd0, %rd2;
		ld.global.s8 %r4, [%rd3];
		ld.global.u8 %r5, [%rd3];
		ld.global.s8 %rd4, [%rd3];
		shr.u64 %rd4, %rd4, 32;
		cvt.u32.u64 %r6, %rd4;
		ld.global.s16 %r7, [%rd0+2];
		add.u32 %r4, %r4, %r5;
		mad.lo.u32 %r4, %r6, 3, %r4;
		mad.lo.u32 %r4, %r7, 5, %r4;
		st.global.u32 [%rd1+4], %r4;
		st.global.u8 [%rd1+7], %r0;`
	everywhere(t, func(t *testing.T, d *sim.Device) {
		const n = 64
		bytes := [4]byte{0x7f, 0x80, 0xff, 0x81}
		out := room[uint32](t, d, n+1)
		require.NoError(t, d.CopyIn(sim.Ptr(out), bytes[:], 0))
		launch(t, d, kernel(t, d, body(prologue+ptx), "k"), sim.Linear(1, n), out, 0)
		for i, got := range download[uint32](t, d, out, n+1)[1:] {
			b := bytes[i%4]
			v := uint32(int32(int8(b))) + uint32(b) + 3*uint32(int32(int8(b))>>31) - 5*0x7e01
			require.Equal(t, v&0xffffff|uint32(i)<<24, got)
		}
	})
}

// Each thread has local memory of its own: an insertion sort, at addresses that depend on the data.
func TestLocalMemory(t *testing.T) {
	check(t, body(`.local .align 4 .b32 a[16];`+prologue+`
		mov.u64 %rd5, a;
		mov.u32 %r3, 0;
		mov.u32 %r4, %r0;
	FILL:
		mad.lo.u32 %r4, %r4, 1664525, 1013904223;
		shr.u32 %r5, %r4, 16;
		mov.u32 %r6, %r3;
	SHIFT:
		setp.eq.u32 %p1, %r6, 0;
		@%p1 bra PUT;
		mul.wide.u32 %rd2, %r6, 4;
		add.u64 %rd3, %rd5, %rd2;
		ld.local.u32 %r7, [%rd3+-4];
		setp.le.u32 %p2, %r7, %r5;
		@%p2 bra PUT;
		st.local.u32 [%rd3], %r7;
		sub.u32 %r6, %r6, 1;
		bra SHIFT;
	PUT:
		mul.wide.u32 %rd2, %r6, 4;
		add.u64 %rd3, %rd5, %rd2;
		st.local.u32 [%rd3], %r5;
		add.u32 %r3, %r3, 1;
		setp.lt.u32 %p3, %r3, 16;
		@%p3 bra FILL;
		and.b32 %r8, %r0, 15;
		mul.wide.u32 %rd2, %r8, 4;
		cvta.local.u64 %rd6, %rd5;
		add.u64 %rd6, %rd6, %rd2;
		ld.u32 %r9, [%rd6];
		st.global.u32 [%rd1], %r9;`), 3, 50, 0, func(i uint32) uint32 {
		var a [16]uint32
		v := i
		for n := range a {
			v = v*1664525 + 1013904223
			k := n
			for ; k > 0 && a[k-1] > v>>16; k-- {
				a[k] = a[k-1]
			}
			a[k] = v >> 16
		}
		return a[i&15]
	})
}

// The special registers in a three-dimensional grid of three-dimensional blocks.
func TestSpecialRegisters(t *testing.T) {
	names := []string{"%tid.x", "%tid.y", "%tid.z", "%ctaid.x", "%ctaid.y", "%ctaid.z", "%ntid.x", "%ntid.y", "%ntid.z",
		"%nctaid.x", "%nctaid.y", "%nctaid.z", "%laneid", "%warpid", "%nwarpid", "%lanemask_eq", "%lanemask_le", "%lanemask_lt", "%lanemask_ge",
		"%lanemask_gt", "%dynamic_smem_size", "%total_smem_size"}
	g := sim.Geometry{Grid: [3]uint32{3, 2, 4}, Block: [3]uint32{5, 7, 2}, SharedBytes: 40}
	const threads = 5 * 7 * 2
	stores := ""
	for i, name := range names {
		stores += fmt.Sprintf("mov.u32 %%r9, %s;\nst.global.u32 [%%rd3+%d], %%r9;\n", name, 4*i)
	}
	ptx := body(`.shared .align 8 .b8 s[16];
		ld.param.u64 %rd0, [out];
		mov.u32 %r0, %ctaid.z; mov.u32 %r1, %nctaid.y; mov.u32 %r2, %ctaid.y; mad.lo.u32 %r0, %r0, %r1, %r2;
		mov.u32 %r1, %nctaid.x; mov.u32 %r2, %ctaid.x; mad.lo.u32 %r0, %r0, %r1, %r2;
		mov.u32 %r1, %ntid.z; mov.u32 %r2, %tid.z; mad.lo.u32 %r0, %r0, %r1, %r2;
		mov.u32 %r1, %ntid.y; mov.u32 %r2, %tid.y; mad.lo.u32 %r0, %r0, %r1, %r2;
		mov.u32 %r1, %ntid.x; mov.u32 %r2, %tid.x; mad.lo.u32 %r0, %r0, %r1, %r2;
		st.shared.u32 [s], 1;
		mul.wide.u32 %rd2, %r0, ` + fmt.Sprint(4*len(names)) + `;
		add.u64 %rd3, %rd0, %rd2;
		` + stores)
	everywhere(t, func(t *testing.T, d *sim.Device) {
		n := 3 * 2 * 4 * threads
		out := room[uint32](t, d, n*len(names))
		launch(t, d, kernel(t, d, ptx, "k"), g, out, 0)
		got := download[uint32](t, d, out, n*len(names))
		at := 0
		for b := range uint32(24) {
			for i := range uint32(threads) {
				lane := i % 32
				want := []uint32{i % 5, i / 5 % 7, i / 35, b % 3, b / 3 % 2, b / 6, 5, 7, 2, 3, 2, 4, lane, i / 32, 3,
					1 << lane, 2<<lane - 1, 1<<lane - 1, ^uint32(0) << lane, ^uint32(0) << lane << 1, 40, 56}
				require.Equalf(t, want, got[at:at+len(names)], "block %d, thread %d", b, i)
				at += len(names)
			}
		}
	})
}

// TestMoreThanTheHostHas allocates memory that the device is configured to have but the machine lacks.
func TestMoreThanTheHostHas(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("a machine may well have all that can be addressed")
	}
	d := device(t, sim.Seed(1), sim.MemoryBytes(math.MaxInt/2))
	for bits := strconv.IntSize - 4; bits > strconv.IntSize/2+8; bits-- {
		_, err := d.Alloc(1 << bits)
		require.ErrorContains(t, err, "CUDA_ERROR_OUT_OF_MEMORY", "2^%d bytes", bits)
	}
	_, err := d.Alloc(1 << 16)
	require.NoError(t, err)
}
