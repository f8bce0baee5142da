package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/sim"
)

// counted runs a body on 256 threads in 2 blocks, with 64 KiB of zeros at [%rd0], and returns the counts.
func counted(t *testing.T, text string) sim.KernelStats {
	t.Helper()
	d := device(t)
	mem := upload(t, d, make([]byte, 64<<10))
	launch(t, d, kernel(t, d, body(".shared .align 16 .b32 s[4096];"+prologue+text), "k"), sim.Linear(2, 128), mem, 0)
	require.NoError(t, d.Wait(0))
	return d.Stats().Kernel("k")
}

func TestTraffic(t *testing.T) {
	// 8 warps; the array at [%rd1] has a word for each thread.
	for _, c := range []struct {
		name, text string
		loads      sim.Traffic
	}{
		{"one run of words", "ld.global.u32 %r9, [%rd1];", sim.Traffic{Requests: 8, Bytes: 1024, Sectors: 32, Widths: [5]uint64{2: 8}}},
		{"off a sector by a word", "ld.global.u32 %r9, [%rd1+4];", sim.Traffic{Requests: 8, Bytes: 1024, Sectors: 40, Widths: [5]uint64{2: 8}}},
		{"16 bytes each", "mul.wide.u32 %rd3, %r0, 16; add.u64 %rd3, %rd3, %rd0; ld.global.v4.f32 {%f0, %f1, %f2, %f3}, [%rd3];",
			sim.Traffic{Requests: 8, Bytes: 4096, Sectors: 128, Widths: [5]uint64{4: 8}}},
		{"a sector each", "mul.wide.u32 %rd3, %r0, 32; add.u64 %rd3, %rd3, %rd0; ld.global.u8 %r9, [%rd3];",
			sim.Traffic{Requests: 8, Bytes: 256, Sectors: 256, Widths: [5]uint64{0: 8}}},
		{"all the same word", "ld.global.u64 %rd4, [%rd0];", sim.Traffic{Requests: 8, Bytes: 2048, Sectors: 8, Widths: [5]uint64{3: 8}}},
		{"backwards", "xor.b32 %r9, %r0, 31; mul.wide.u32 %rd3, %r9, 4; add.u64 %rd3, %rd3, %rd0; ld.global.u32 %r9, [%rd3];",
			sim.Traffic{Requests: 8, Bytes: 1024, Sectors: 32, Widths: [5]uint64{2: 8}}},
		{"half the lanes, every other", "and.b32 %r9, %r0, 1; setp.eq.u32 %p0, %r9, 0; @%p0 ld.global.u32 %r9, [%rd1];",
			sim.Traffic{Requests: 8, Bytes: 512, Sectors: 32, Widths: [5]uint64{2: 8}}},
		{"a run with a hole", "setp.eq.u32 %p0, %r2, 9; @!%p0 ld.global.u32 %r9, [%rd1];",
			sim.Traffic{Requests: 8, Bytes: 4 * 254, Sectors: 32, Widths: [5]uint64{2: 8}}},
		{"a generic address", "cvta.global.u64 %rd3, %rd1; ld.u32 %r9, [%rd3];", sim.Traffic{Requests: 8, Bytes: 1024, Sectors: 32, Widths: [5]uint64{2: 8}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := counted(t, c.text)
			assert.Equal(t, c.loads, k.Global.Loads)
			assert.Equal(t, sim.SpaceTraffic{Loads: c.loads}, k.Global)
			assert.InDelta(t, float64(c.loads.Bytes)/float64(32*c.loads.Sectors), k.Global.Loads.Coalescing(), 1e-12)
		})
	}
	k := counted(t, "st.global.u32 [%rd1], %r0; red.global.add.u32 [%rd0+4096], 1;")
	assert.Equal(t, sim.SpaceTraffic{
		Stores:  sim.Traffic{Requests: 8, Bytes: 1024, Sectors: 32, Widths: [5]uint64{2: 8}},
		Atomics: sim.Traffic{Requests: 8, Bytes: 1024, Sectors: 8, Widths: [5]uint64{2: 8}},
	}, k.Global)
}

func TestBankConflicts(t *testing.T) {
	for _, c := range []struct {
		name    string
		address string // of thread %r2, into %r5
		store   string
		passes  uint64 // beyond one, of a warp
	}{
		{"a word each", "mul.lo.u32 %r5, %r2, 4;", "st.shared.u32 [%r5], %r2;", 0},
		{"every other word", "mul.lo.u32 %r5, %r2, 8;", "st.shared.u32 [%r5], %r2;", 1},
		{"one bank", "mul.lo.u32 %r5, %r2, 128;", "st.shared.u32 [%r5], %r2;", 31},
		{"one bank, padded", "mul.lo.u32 %r5, %r2, 132;", "and.b32 %r5, %r5, 0x3ffc; setp.lt.u32 %p0, %r2, 32; @%p0 st.shared.u32 [%r5], %r2;", 0},
		{"bytes of a word", "mov.u32 %r5, %r2;", "st.shared.u8 [%r5], %h0;", 0},
		{"8 bytes each", "mul.lo.u32 %r5, %r2, 8;", "st.shared.v2.u32 [%r5], {%r2, %r2};", 0},
		{"8 of every 16 bytes", "mul.lo.u32 %r5, %r2, 16;", "st.shared.v2.u32 [%r5], {%r2, %r2};", 2}, // each half warp takes two
		{"16 bytes each", "mul.lo.u32 %r5, %r2, 16;", "st.shared.v4.u32 [%r5], {%r2, %r2, %r2, %r2};", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := counted(t, c.address+c.store)
			assert.Equal(t, 8*c.passes, k.Shared.Stores.Conflicts)
			assert.Zero(t, k.Shared.Stores.Sectors)
		})
	}
	k := counted(t, "setp.eq.u32 %p0, %r2, 0; @%p0 st.shared.u32 [s+8], 5; bar.sync 0; ld.shared.u32 %r9, [s+8];")
	assert.Equal(t, uint64(8), k.Shared.Loads.Requests)
	assert.Zero(t, k.Shared.Loads.Conflicts) // one word for all
}

// Instructions are counted for each thread whose guard is true; branches whether taken or not.
func TestInstructionCounts(t *testing.T) {
	d := device(t)
	mem := upload(t, d, make([]uint32, 64))
	launch(t, d, kernel(t, d, body(`
		mov.u32 %r0, %tid.x;
		setp.lt.u32 %p0, %r0, 10;
		@%p0 add.f32 %f0, %f1, %f2;
		@%p0 bra L;
		mul.f64 %fd0, %fd1, %fd2;
	L:	cvt.f64.f32 %fd3, %f0;
		and.b32 %r1, %r0, 3;
		add.u32 %r2, %r0, 3;
		bar.sync 0;
		shfl.sync.idx.b32 %r3, %r2, 0, 31, -1;
		membar.gl;`), "k"), sim.Linear(1, 32), mem, 0)
	require.NoError(t, d.Wait(0))
	assert.Equal(t, sim.Instructions{"move": 32, "compare": 32, "float32": 10, "branch": 64, "float64": 22, "convert": 32, "logic": 32,
		"integer": 32, "barrier": 32, "warp": 32, "fence": 32}, d.Stats().Kernel("k").Instructions)
}

// Sub returns the difference of the stats of two moments.
func TestStats(t *testing.T) {
	d := device(t)
	p, err := d.Alloc(64)
	require.NoError(t, err)
	f := kernel(t, d, body("mov.u32 %r0, 1;"), "k")
	require.NoError(t, d.CopyIn(p, make([]byte, 48), 0))
	require.NoError(t, d.Copy(p+16, p, 8, 0))
	launch(t, d, f, sim.Linear(1, 32), uint64(p), 0)
	require.NoError(t, d.Wait(0))
	one := d.Stats()
	assert.Equal(t, []uint64{1, 1, 0, 1, 0, 48, 0}, []uint64{one.Launches, one.CopiesIn, one.CopiesOut, one.DeviceCopies, one.Clears, one.BytesIn, one.BytesOut})
	launch(t, d, f, sim.Linear(2, 64), uint64(p), 0)
	require.NoError(t, d.Zero(p, 8, 0))
	require.NoError(t, d.CopyOut(make([]byte, 24), p, 0))
	two := d.Stats().Sub(one)
	assert.Equal(t, []uint64{1, 0, 1, 0, 1, 0, 24}, []uint64{two.Launches, two.CopiesIn, two.CopiesOut, two.DeviceCopies, two.Clears, two.BytesIn, two.BytesOut})
	assert.Equal(t, sim.Instructions{"move": 128, "branch": 128}, two.Kernel("k").Instructions)
	assert.Empty(t, d.Stats().Sub(d.Stats()).Kernels)
}

// traffic returns the counts of a launch of one of the project's kernels, with all arrays aligned.
func traffic(t *testing.T, v kernels.Variant, n int, blocks uint32) sim.KernelStats {
	t.Helper()
	d := device(t, sim.Seed(1))
	array := func() uint64 { return upload(t, d, make([]byte, v.DType.Size()*n)) }
	number := func(x float64) op.Number {
		if v.DType.Computing() == smoothl1.Float32 {
			return op.NumberOf(float32(x))
		}
		return op.NumberOf(x)
	}
	p := op.Params{N: uint64(n), Threshold: number(0.5), Inverse: number(2), Outer: number(1), Norm: number(1), G: number(1), Divisor: 1,
		Pred: array(), Target: array()}
	switch {
	case v.Elementwise:
		p.Upstream = array()
	case v.Pass == kernels.ForwardTerms:
		p.Terms = array()
	}
	if v.Pass.Differentiates() {
		p.GradPred = array()
	}
	if v.Pass.Reduces() {
		p.Sums, p.Value, p.Tickets = upload(t, d, make([]float64, n/2048+8)), upload(t, d, make([]float64, 1)), upload(t, d, make([]uint32, 1))
	}
	launch(t, d, kernel(t, d, shipped(t, v.DType), v.Name()), sim.Linear(blocks, 256), p.Words()...)
	require.NoError(t, d.Wait(0))
	s := d.Stats()
	require.Equal(t, uint64(1), s.Launches)
	return s.Kernel(v.Name())
}

// The kernels of this project move no more data than they must: each element of each array once, 16 bytes at a time (8 for elements of 16
// bits), in fully used sectors, and 8 bytes for every 2048 elements of a sum.
func TestKernelTraffic(t *testing.T) {
	const chunks = 64
	const n = 2048 * chunks
	for _, v := range kernels.All() {
		if v.Divide || v.Rich || v.Divisor {
			continue // a division has the same loads and stores; for the rich kernels see difftest
		}
		t.Run(v.Name(), func(t *testing.T) {
			size := uint64(v.DType.Size())
			rows := 16 * chunks * max(size, 4) / 4 // requests of one array: for each row of 128 elements, of a piece a lane
			piece := 4                             // logarithm of the size of a piece
			if size == 2 {
				piece = 3
			}
			reads, writes := uint64(2), uint64(1) // arrays
			if v.Elementwise {
				reads++
			}
			if v.Pass == kernels.Forward {
				writes = 0
			}
			k := traffic(t, v, n, 5)
			loads, stores := k.Global.Loads, k.Global.Stores
			var sumLoads, sumStores sim.Traffic
			if v.Pass.Reduces() { // the last warp reads the chunk sums, 64 of the 128 lanes of a row
				sumLoads = sim.Traffic{Requests: 2, Bytes: 8 * chunks, Sectors: 8 * chunks / 32}
				sumStores = sim.Traffic{Requests: chunks + 2, Bytes: 8 * (chunks + 2), Sectors: chunks + 2}
				assert.Equal(t, sim.Traffic{Requests: chunks, Bytes: 4 * chunks, Sectors: chunks, Widths: [5]uint64{2: chunks}}, k.Global.Atomics, "a ticket for each chunk")
			} else {
				assert.Zero(t, k.Global.Atomics)
			}
			loaded, stored := loads.Widths[piece], stores.Widths[piece]
			if piece == 3 { // the width of sums too
				loaded, stored = loaded-sumLoads.Requests, stored-sumStores.Requests
			}
			assert.Equal(t, reads*rows, loaded, "loads of whole pieces")
			assert.Equal(t, writes*rows, stored, "stores of whole pieces")
			assert.Equal(t, reads*size*n+sumLoads.Bytes, loads.Bytes)
			assert.Equal(t, reads*size*n/32+sumLoads.Sectors, loads.Sectors)
			assert.Equal(t, reads*rows+sumLoads.Requests, loads.Requests)
			assert.Equal(t, writes*size*n+sumStores.Bytes, stores.Bytes)
			assert.Equal(t, writes*size*n/32+sumStores.Sectors, stores.Sectors)
			assert.Equal(t, writes*rows+sumStores.Requests, stores.Requests)
			assert.Zero(t, k.Local, "no registers are spilled to local memory")
		})
	}
}
