package sim_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

// Kernels that fault in one thread of one block, (5,1,0) of (1,2,0); the error names kernel, line, instruction, block, thread,
// address and seed.
func TestFaults(t *testing.T) {
	const head = `
		mov.u32 %r0, %ctaid.x; mov.u32 %r1, %ctaid.y; mov.u32 %r2, %tid.x; mov.u32 %r3, %tid.y;
		mad.lo.u32 %r0, %r0, 10, %r1; mad.lo.u32 %r0, %r0, 10, %r2; mad.lo.u32 %r0, %r0, 10, %r3;
		setp.ne.u32 %p1, %r0, 1251;
		ld.param.u64 %rd0, [out]; ld.param.u32 %r9, [n];
		@%p1 bra END;
		mov.u64 %rd8, LOCAL; mov.u32 %r8, SHARED; mov.u64 %rd9, CONST;
	`
	for inst, c := range map[string]struct {
		code  int
		parts []string
	}{
		"ld.global.u32 %r4, [%rd0+68]":                     {driver.CodeIllegalAddress, []string{"load of 4 bytes", "0 bytes after", "68 bytes at", "OUT+0x44"}},
		"ld.global.u64 %rd4, [%rd0+64]":                    {driver.CodeIllegalAddress, []string{"load of 8 bytes", "OUT+0x40"}},
		"ld.u64 %rd4, [%rd0+64]":                           {driver.CodeIllegalAddress, []string{"load of 8 bytes", "OUT+0x40"}},
		"atom.global.add.u64 %rd4, [%rd0+64], %rd0":        {driver.CodeIllegalAddress, []string{"atomic operation of 8 bytes", "OUT+0x40"}},
		"ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd0+64]": {driver.CodeIllegalAddress, []string{"load of 16 bytes", "OUT+0x40"}},
		"st.global.u8 [%rd0+-1], %r4":                      {driver.CodeIllegalAddress, []string{"store of 1 bytes", "OUT-0x1"}},
		"st.u64 [%rd0+4160], %rd0":                         {driver.CodeIllegalAddress, []string{"store of 8 bytes"}},
		"st.global.u32 [%rd1], %r4":                        {driver.CodeIllegalAddress, []string{"address 0x0;"}},
		"ld.u32 %r4, [%rd1]":                               {driver.CodeIllegalAddress, []string{"address 0x0;"}},
		"red.global.add.u32 [%rd1], 1":                     {driver.CodeIllegalAddress, []string{"atomic operation of 4 bytes"}},
		"atom.global.add.u64 %rd4, [%rd0+60], %rd0":        {driver.CodeMisaligned, []string{"atomic operation of 8 bytes", "misaligned", "OUT+0x3c"}},
		"ld.global.u32 %r4, [%rd0+2]":                      {driver.CodeMisaligned, []string{"load of 4 bytes", "OUT+0x2"}},
		"ld.global.v2.u32 {%r4, %r5}, [%rd0+4]":            {driver.CodeMisaligned, []string{"load of 8 bytes", "OUT+0x4"}},
		"ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd0+8]":  {driver.CodeMisaligned, []string{"load of 16 bytes", "OUT+0x8"}},
		"st.global.u16 [%rd0+1], %h1":                      {driver.CodeMisaligned, []string{"store of 2 bytes", "OUT+0x1"}},
		"ld.shared.u32 %r4, [%r8+36]":                      {driver.CodeIllegalAddress, []string{"36 bytes of .shared", "address 0x24;"}},
		"st.shared.u64 [%r8+32], %rd0":                     {driver.CodeIllegalAddress, []string{"36 bytes of .shared", "address 0x20;"}},
		"atom.shared.add.u64 %rd4, [%r8+32], %rd0":         {driver.CodeIllegalAddress, []string{"36 bytes of .shared", "address 0x20;"}},
		"st.shared.v4.u32 [%r8+4], {%r4, %r5, %r6, %r7}":   {driver.CodeMisaligned, []string{"store of 16 bytes"}},
		"ld.local.u32 %r4, [%rd8+16]":                      {driver.CodeIllegalAddress, []string{".local", "address 0x10;"}},
		"ld.const.u32 %r4, [%rd9+12]":                      {driver.CodeIllegalAddress, []string{".const", "address 0xc;"}},
		"ld.const.u64 %rd4, [%rd9+8]":                      {driver.CodeIllegalAddress, []string{".const", "address 0x8;"}},
		"cvta.local.u64 %rd8, %rd8; ld.u32 %r4, [%rd8+16]": {driver.CodeIllegalAddress, []string{"load of 4 bytes"}},
		"cvta.const.u64 %rd9, %rd9; st.u32 [%rd9], %r4":    {driver.CodeIllegalAddress, []string{"store of 4 bytes"}},
		"trap":                                 {driver.CodeLaunchFailed, []string{"trap"}},
		"bar.sync %r0":                         {driver.CodeIllegalInstr, []string{"barrier 1251"}},
		"bar.sync 0, %r0":                      {driver.CodeIllegalInstr, []string{"1251 threads"}},
		"brx.idx %r0, TARGETS":                 {driver.CodeIllegalInstr, []string{"target 1251 of 1"}},
		"shfl.sync.idx.b32 %r4, %r5, 0, 31, 1": {driver.CodeLaunchFailed, []string{"member mask"}},
		"activemask.b32 %r6; add.u32 %r7, %r6, -1; not.b32 %r7, %r7; and.b32 %r7, %r6, %r7; setp.eq.u32 %p2, %r7, %r6; @!%p2 bra END; shfl.sync.bfly.b32 %r4, %r5, 1, 31, %r6": {driver.CodeLaunchFailed, []string{"reads lane"}},
	} {
		ptx := body(".local .align 16 .b8 LOCAL[16]; .shared .align 16 .b8 SHARED[36]; mov.u64 %rd1, 0;\nTARGETS: .branchtargets END;" + head + inst + ";\nEND: ")
		ptx = ".version 7.8\n.target sm_80\n.address_size 64\n.const .align 8 .b8 CONST[12];\n" + ptx[len(".version 7.8\n.target sm_80\n.address_size 64\n"):]
		for _, options := range [][]sim.Option{nil, {sim.Fast()}, {sim.Fast(), sim.Serial()}} {
			d := device(t, append(options, sim.Seed(12345))...)
			f := kernel(t, d, ptx, "k")
			out := upload(t, d, make([]byte, 68))
			s, err := d.NewStream()
			require.NoError(t, err)
			require.NoError(t, d.Launch(f, sim.Geometry{Grid: [3]uint32{3, 4, 1}, Block: [3]uint32{9, 5, 1}}, s, []uint64{out, 0}), inst)
			err = d.Wait(s)
			parts := []string{"kernel k, PTX line 16: ", "block (1,2,0)", "seed 12345", "launch 1"}
			for _, p := range c.parts {
				var off int64
				if _, err := fmt.Sscanf(p, "OUT%v", &off); err == nil {
					p = fmt.Sprintf("address %#x;", int64(out)+off)
				}
				parts = append(parts, p)
			}
			if inst[:4] != "acti" {
				parts = append(parts, "thread (5,1,0)")
			}
			t.Log(err)
			code(t, c.code, err, parts...)

			// The device is unusable, and every call says why.
			for _, err := range []error{d.Wait(0), d.CopyOut(make([]byte, 4), sim.Ptr(out), 0), d.Free(sim.Ptr(out)), d.Launch(f, sim.Linear(1, 1), 0, []uint64{out, 0})} {
				code(t, c.code, err, parts...)
			}
			require.NoError(t, d.Close())
		}
	}
}

// Threads that wait forever are reported, and so are those that never stop.
func TestHangs(t *testing.T) {
	for name, c := range map[string]struct {
		ptx   string
		parts []string
	}{
		"loop":               {body("L: bra L;"), []string{"step limit", "PTX line 7", `"bra L"`}},
		"loop with work":     {body(prologue + "L: add.u32 %r3, %r3, 1; setp.ne.u32 %p1, %r3, %r3; @!%p1 bra L;"), []string{"step limit"}},
		"loop with atomics":  {body(prologue + "L: red.global.add.u32 [%rd0], 1; bra L;"), []string{"step limit"}},
		"loop with sleep":    {body(prologue + "L: nanosleep.u32 20; bra L;"), []string{"step limit"}},
		"loop with barrier":  {body("L: bar.sync 0; bra L;"), []string{"step limit"}},
		"loop with shuffle":  {body(prologue + "L: shfl.sync.bfly.b32 %r3, %r0, 1, 31, -1; bra L;"), []string{"step limit"}},
		"loop of one lane":   {body(prologue + "setp.ne.u32 %p1, %r0, 7; @%p1 ret;\nL: bra L;"), []string{"step limit", "thread (7,0,0)"}},
		"never unlocked":     {body(prologue + "L: atom.global.cas.b32 %r3, [%rd0], 5, 6; setp.ne.u32 %p1, %r3, 5; @%p1 bra L;"), []string{"step limit"}},
		"barrier":            {body(prologue + "setp.lt.u32 %p1, %r2, 32; @%p1 bar.sync 1, 96; @!%p1 bar.sync 2;"), []string{"barrier", "wait", "PTX line 1"}},
		"barrier by too few": {body("bar.sync 3, 128;"), []string{"barrier 3 waits for 128 threads, but only 64 arrive"}},
		"shuffle": {body(prologue + "and.b32 %r3, %r0, 1; setp.eq.u32 %p1, %r3, 0; @%p1 bra E; shfl.sync.bfly.b32 %r3, %r0, 2, 31, -1; bra END;\nE: vote.sync.any.pred %p2, %p1, -1;\nEND: "),
			[]string{"waits for lanes", "never execute it"}},
		"vote": {body(prologue + "and.b32 %r3, %r0, 1; setp.eq.u32 %p1, %r3, 0; @%p1 bra E; vote.sync.all.pred %p2, %p1, -1;\nE: bar.warp.sync -1;"),
			[]string{"waits for lanes", "member mask 0xffffffff", "never execute it"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, options := range ways() {
				for limit, says := range map[string]string{"steps": "step limit", "work": "no thread has left the kernel for"} {
					o := sim.StepLimit(20000)
					if limit == "work" {
						o = sim.WorkLimit(20000)
					}
					d := device(t, append(options, o)...)
					out := upload(t, d, make([]uint32, 512))
					launch(t, d, kernel(t, d, c.ptx, "k"), sim.Linear(3, 64), out, 0)
					parts := []string{"kernel k", "block (", "thread (", "seed "}
					for _, p := range c.parts {
						if p == "step limit" {
							p = says
						}
						parts = append(parts, p)
					}
					code(t, driver.CodeLaunchTimeout, d.Wait(0), parts...)
				}
			}
		})
	}
}

// A launch below its step limit is not affected by it; the limit counts the operations of all warps.
func TestStepLimit(t *testing.T) {
	ptx := body(prologue + "mov.u32 %r3, 0;\nL: add.u32 %r3, %r3, 1; setp.lt.u32 %p1, %r3, 1000; @%p1 bra L;\n st.global.u32 [%rd1], %r3;")
	for _, fast := range []bool{false, true} {
		for blocks, fits := range map[int]bool{10: true, 40: false} {
			options := []sim.Option{sim.StepLimit(100000), sim.Seed(1)}
			if fast {
				options = append(options, sim.Fast())
			}
			d := device(t, options...)
			out := room[uint32](t, d, 40*64)
			launch(t, d, kernel(t, d, ptx, "k"), sim.Linear(uint32(blocks), 64), out, 0)
			if fits {
				require.NoError(t, d.Wait(0))
			} else {
				code(t, driver.CodeLaunchTimeout, d.Wait(0), "step limit")
			}
		}
	}
}

// The limit takes effect before a kernel does anything more than a little beyond it.
func TestStepLimitIsSoon(t *testing.T) {
	for _, options := range ways() {
		d := device(t, append(options, sim.StepLimit(20000))...)
		launch(t, d, kernel(t, d, body(prologue+"mov.u32 %r3, 0;\nL: add.u32 %r3, %r3, 1; setp.lt.u32 %p1, %r3, 100000; @%p1 bra L;\n trap;"), "k"), sim.Linear(1, 32), 0, 0)
		code(t, driver.CodeLaunchTimeout, d.Wait(0), "step limit")
	}
}

// The limit also applies to a grid of too many short blocks.
func TestStepLimitOfGrid(t *testing.T) {
	for _, options := range ways() {
		d := device(t, append(options, sim.StepLimit(100000))...)
		launch(t, d, kernel(t, d, body(""), "k"), sim.Linear(1<<31-1, 1024), 0, 0)
		code(t, driver.CodeLaunchTimeout, d.Wait(0), "step limit", "kernel k", "block (", "seed ")
	}
}

// Invalid launches.
func TestBadLaunches(t *testing.T) {
	d := device(t, sim.Seed(1), sim.MemoryBytes(1<<20))
	const limits = `.version 7.8
.target sm_80
.address_size 64
.extern .shared .align 16 .b8 dyn[];
.visible .entry most(.param .u32 n) .maxntid 64, 2, 1 { ret; }
.visible .entry exact() .reqntid 32, 4 { ret; }
.visible .entry params(.param .u8 a, .param .s16 b, .param .f32 c, .param .f64 d) { ret; }
.visible .entry big(.param .u32 n, .param .align 4 .b8 a[12]) { ret; }
.visible .entry first(.param .align 8 .b8 a[16], .param .u32 n) { ret; }
.visible .entry shared() { .reg .b32 %r; .shared .b8 s[1024]; mov.u32 %r, s; mov.u32 %r, dyn; ret; }
`
	f := func(name string) sim.Function { return kernel(t, d, limits, name) }
	g := func(x, y, z, bx, by, bz uint32) sim.Geometry {
		return sim.Geometry{Grid: [3]uint32{x, y, z}, Block: [3]uint32{bx, by, bz}}
	}
	for _, c := range []struct {
		f    string
		g    sim.Geometry
		args []uint64
		code int
		part string
	}{
		{"most", g(0, 1, 1, 1, 1, 1), []uint64{1}, driver.CodeInvalidValue, "(0,1,1)"},
		{"most", g(1, 0, 1, 1, 1, 1), []uint64{1}, driver.CodeInvalidValue, "(1,0,1)"},
		{"most", g(1, 1, 0, 1, 1, 1), []uint64{1}, driver.CodeInvalidValue, "(1,1,0)"},
		{"most", g(1, 1, 1, 0, 1, 1), []uint64{1}, driver.CodeInvalidValue, "(0,1,1)"},
		{"most", g(1, 1, 1, 1, 0, 1), []uint64{1}, driver.CodeInvalidValue, "(1,0,1)"},
		{"most", g(1<<31, 1, 1, 1, 1, 1), []uint64{1}, driver.CodeInvalidValue, "2147483648"},
		{"most", g(1, 65536, 1, 1, 1, 1), []uint64{1}, driver.CodeInvalidValue, "65536"},
		{"most", g(1, 1, 65536, 1, 1, 1), []uint64{1}, driver.CodeInvalidValue, "65536"},
		{"exact", g(1, 1, 1, 1025, 1, 1), nil, driver.CodeInvalidValue, "1025"},
		{"exact", g(1, 1, 1, 33, 32, 1), nil, driver.CodeInvalidValue, "(33,32,1)"},
		{"exact", g(1, 1, 1, 1, 1, 65), nil, driver.CodeInvalidValue, "(1,1,65)"},
		{"exact", g(1, 1, 1, math.MaxUint32, math.MaxUint32, math.MaxUint32), nil, driver.CodeInvalidValue, "4294967295"},
		{"exact", g(1, 1, 1, 1<<16, 1<<16, 1), nil, driver.CodeInvalidValue, "65536"},
		{"exact", g(1, 1, 1, 4, 32, 1), nil, driver.CodeInvalidValue, "(32,4,1)"},
		{"most", g(1, 1, 1, 129, 1, 1), []uint64{1}, driver.CodeOutOfResources, "128 threads"},
		{"most", g(1, 1, 1, 1, 1, 1), nil, driver.CodeInvalidValue, "1 arguments, not 0"},
		{"most", g(1, 1, 1, 1, 1, 1), []uint64{1, 2}, driver.CodeInvalidValue, "1 arguments, not 2"},
		{"exact", g(1, 1, 1, 32, 4, 1), []uint64{1}, driver.CodeInvalidValue, "0 arguments, not 1"},
		{"most", g(1, 1, 1, 1, 1, 1), []uint64{1 << 32}, driver.CodeInvalidValue, "0x100000000, does not fit parameter n"},
		{"params", g(1, 1, 1, 1, 1, 1), []uint64{256, 0, 0, 0}, driver.CodeInvalidValue, "parameter a of 1 bytes"},
		{"params", g(1, 1, 1, 1, 1, 1), []uint64{0, 1 << 16, 0, 0}, driver.CodeInvalidValue, "parameter b of 2 bytes"},
		{"params", g(1, 1, 1, 1, 1, 1), []uint64{0, 0, math.Float64bits(1.5), 0}, driver.CodeInvalidValue, "parameter c of 4 bytes"},
		{"big", g(1, 1, 1, 1, 1, 1), []uint64{0, 0}, driver.CodeInvalidValue, "3 arguments (2 of them the words of parameter a of 12 bytes), not 2"},
		{"big", g(1, 1, 1, 1, 1, 1), make([]uint64, 4), driver.CodeInvalidValue, "parameter a of 12 bytes), not 4"},
		{"big", g(1, 1, 1, 1, 1, 1), []uint64{0, 1 << 63, 1 << 32}, driver.CodeInvalidValue, "argument 2, 0x100000000, does not fit parameter a of 12 bytes"},
		{"first", g(1, 1, 1, 1, 1, 1), make([]uint64, 3), driver.CodeInvalidValue, "parameter a of 16 bytes: only the last"},
		{"shared", sim.Geometry{Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{1, 1, 1}, SharedBytes: 226<<10 + 1}, nil, driver.CodeInvalidValue, "shared memory"},
		{"shared", sim.Geometry{Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{1, 1, 1}, SharedBytes: math.MaxUint32}, nil, driver.CodeInvalidValue, "shared memory"},
	} {
		code(t, c.code, d.Launch(f(c.f), c.g, 0, c.args), "kernel "+c.f, c.part)
	}
	require.NoError(t, d.Launch(f("most"), g(1, 1, 1, 64, 2, 1), 0, []uint64{math.MaxUint64}), "-1 fits 32 bits")
	require.NoError(t, d.Launch(f("most"), g(2, 3, 4, 1, 1, 64), 0, []uint64{1}))
	require.NoError(t, d.Launch(f("exact"), g(1, 1, 1, 32, 4, 1), 0, nil))
	require.NoError(t, d.Launch(f("params"), g(1, 1, 1, 1, 1, 1), 0, []uint64{255, math.MaxUint64, 1, math.MaxUint64}))
	require.NoError(t, d.Launch(f("shared"), sim.Geometry{Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{1, 1, 1}, SharedBytes: 226 << 10}, 0, nil))
	code(t, driver.CodeInvalidHandle, d.Launch(99999, sim.Linear(1, 1), 0, nil), "99999")
	code(t, driver.CodeInvalidHandle, d.Launch(f("exact"), sim.Linear(1, 1), 77, nil), "stream 77")
	require.NoError(t, d.Wait(0), "the device is as good as before")
}

// Memory that was freed, that was never allocated, or that is too large.
func TestBadMemory(t *testing.T) {
	d := device(t, sim.Seed(1), sim.MemoryBytes(1<<20))
	f := kernel(t, d, body(prologue+"ld.global.u32 %r3, [%rd0];"), "k")
	p, err := d.Alloc(1 << 19)
	require.NoError(t, err)
	_, err = d.Alloc(1<<19 + 1)
	code(t, driver.CodeOutOfMemory, err, "524289 bytes", "524288 of 1048576")
	q, err := d.Alloc(1 << 19)
	require.NoError(t, err)
	_, err = d.Alloc(1)
	code(t, driver.CodeOutOfMemory, err, "1 bytes", "1048576 of 1048576")
	require.NoError(t, d.Free(q))
	code(t, driver.CodeInvalidValue, d.Free(q), fmt.Sprintf("%#x", q))
	code(t, driver.CodeInvalidValue, d.Free(p+256), fmt.Sprintf("%#x", p+256))
	code(t, driver.CodeInvalidValue, d.Zero(q, 1, 0), fmt.Sprintf("%#x", q))
	code(t, driver.CodeInvalidValue, d.CopyIn(p+1<<19-3, make([]byte, 4), 0), "4 bytes", fmt.Sprintf("%#x", p+1<<19-3))
	code(t, driver.CodeInvalidValue, d.CopyOut(make([]byte, 4), p-1, 0), fmt.Sprintf("%#x", p-1))
	code(t, driver.CodeInvalidValue, d.Copy(p, p+8, 1<<19, 0), "524288 bytes")
	code(t, driver.CodeInvalidValue, d.Copy(p, p, math.MaxUint64, 0), "18446744073709551615 bytes")
	again, err := d.Alloc(1 << 19)
	require.NoError(t, err, "memory that was freed can be had again")
	assert.NotEqual(t, q, again, "at another address, so that use after free is found")

	launch(t, d, f, sim.Linear(1, 1), uint64(q), 0)
	code(t, driver.CodeIllegalAddress, d.Wait(0), fmt.Sprintf("address %#x", q), "kernel k", "block (0,0,0), thread (0,0,0)")

	d = device(t, sim.Seed(1))
	p, err = d.Alloc(512)
	require.NoError(t, err)
	_, err = d.Alloc(512)
	require.NoError(t, err)
	launch(t, d, kernel(t, d, body(prologue+"ld.global.u32 %r3, [%rd0];"), "k"), sim.Linear(1, 1), uint64(p)+512, 0)
	code(t, driver.CodeIllegalAddress, d.Wait(0), "0 bytes after the one of 512 bytes") // not in the next allocation
}

// Global variables take memory, which is released with their module, or if the text does not load.
func TestModuleMemory(t *testing.T) {
	const head = ".version 7.8\n.target sm_80\n.address_size 64\n.global .align 4 .b8 v[600000];\n"
	d := device(t, sim.Seed(1), sim.MemoryBytes(1<<20))
	for range 5 {
		m, err := d.Load(head)
		require.NoError(t, err)
		_, err = d.Load(head)
		code(t, driver.CodeOutOfMemory, err, "600000 bytes")
		p, _, err := d.Global(m, "v")
		require.NoError(t, err)
		code(t, driver.CodeInvalidValue, d.Free(p), fmt.Sprintf("%#x", p))
		require.NoError(t, d.Unload(m))
		code(t, driver.CodeInvalidHandle, d.Unload(m), fmt.Sprint(m))
		_, _, err = d.Global(m, "v")
		code(t, driver.CodeInvalidHandle, err)
		_, err = d.Load(head + ".entry k() { nosuch; }")
		code(t, driver.CodeInvalidPTX, err, "nosuch")
	}
	_, err := d.Alloc(1 << 20)
	require.NoError(t, err)
}
