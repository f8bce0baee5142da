package sim_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/sim"
)

// seeds returns short texts for the fuzzers: hand-written kernels, and the smallest one compiled by nvcc.
func seeds(t testing.TB) []string {
	list := []string{saxpy, sumKernel, calling(".func (.param .b32 r) f(.param .b32 a) { .reg .b32 %t; ld.param.b32 %t, [a]; st.param.b32 [r], %t; ret; }",
		"{ .param .b32 p; .param .b32 q; st.param.b32 [p], %r0; call (q), f, (p); ld.param.b32 %r9, [q]; }"),
		callsHead + ".const .align 8 .f64 c[2] = {1.0, 0d4000000000000000};\n.global .u32 a[4] = {1, 0x2+3*(4-1), ~5};\n.global .u64 v[2] = {generic(c)+8, a};"}
	for _, instructions := range []string{
		"mov.b64 {%r1, %r2}, %rd1; prmt.b32 %r1, %r2, %r3, 0x3210; bfe.u32 %r1, %r2, 3, 4;",
		"shfl.sync.bfly.b32 %r1|%p1, %r2, 1, 31, -1; vote.sync.ballot.b32 %r3, !%p1, -1; activemask.b32 %r4;",
		"bar.sync 1, 64; bar.red.popc.u32 %r1, 0, %p1; barrier.sync 2;",
		"atom.global.cas.b32 %r1, [%rd0], 5, 6; red.shared.add.u32 [%r8], 1; membar.gl;",
		"cvt.rni.sat.u8.f32 %r1, %f1; fma.rn.ftz.f32 %f1, %f2, %f3, %f4; setp.ltu.and.f64 %p1, %fd1, %fd2, !%p3;",
		"L: add.u32 %r1, %r1, 1; setp.lt.u32 %p1, %r1, 9; @%p1 bra L; brx.idx %r1, T;\nT: .branchtargets L, E;\nE:",
		"{ .reg .b32 %r<5>; .shared .align 8 .b8 s[16]; mov.u32 %r1, s+4; }",
	} {
		list = append(list, body(prologue+instructions))
	}
	entry := regexp.MustCompile(`(?s)\.visible \.entry .*?\n}\n`)
	shortest, text := "", shipped(t, smoothl1.Float64)
	for _, e := range entry.FindAllString(text, -1) {
		if shortest == "" || len(e) < len(shortest) {
			shortest = e
		}
	}
	require.NotEmpty(t, shortest)
	head, _, _ := strings.Cut(text, ".visible")
	head = head[strings.Index(head, ".version"):]
	// Its loads, stores and arithmetic, without all its rows.
	lines := strings.Split(shortest, "\n")
	if len(lines) > 150 {
		lines = append(lines[:120:120], "ret;", "}")
	}
	return append(list, head+shortest[:min(len(shortest), 4000)], head+strings.Join(lines, "\n"))
}

var errorLine = regexp.MustCompile(`line [0-9]+|for sm_[0-9]+|[0-9]+ bytes`)

// Any text either loads or is rejected with an error that names a line, quickly, and the device stays usable.
func FuzzLoad(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := sim.New(sim.Seed(1), sim.MemoryBytes(1<<20))
		defer d.Close()
		began := time.Now()
		m, err := d.Load(text)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%d bytes took %v", len(text), took)
		}
		if err != nil {
			var e *sim.Error
			require.ErrorAs(t, err, &e)
			require.Regexp(t, errorLine, err.Error())
			require.Less(t, len(err.Error()), 2000)
			return
		}
		require.NoError(t, d.Unload(m))
		p, err := d.Alloc(1 << 20)
		require.NoError(t, err, "all memory is back")
		require.NoError(t, d.Free(p))
	})
}

// Whatever a kernel does, a launch of it ends with a result or with an error of the device. A kernel that is run twice in the same
// order does the same.
func FuzzRun(f *testing.F) {
	for _, s := range seeds(f) {
		_, inner, ok := strings.Cut(s, "ld.param.u64 %rd0, [out];")
		if inner, _, found := strings.Cut(inner, "\nret;\n}"); ok && found {
			f.Add(inner, uint8(2), uint8(64), uint8(5), uint64(1))
		}
	}
	for _, name := range []string{"control_test.go", "warp_test.go", "barrier_test.go", "calls_test.go", "memory_test.go"} {
		source, err := os.ReadFile(filepath.Join(".", name))
		require.NoError(f, err)
		for _, m := range regexp.MustCompile("(?s)prologue ?\\+ ?`(.*?)`").FindAllSubmatch(source, -1) {
			f.Add(string(m[1]), uint8(2), uint8(70), uint8(3), uint64(2))
		}
	}
	f.Fuzz(func(t *testing.T, instructions string, blocks, threads, n uint8, seed uint64) {
		if len(instructions) > 4000 {
			return
		}
		ptx := strings.Replace(body(".shared .align 16 .b8 s[256]; .local .align 8 .b8 l[32];"+prologue+instructions), ".target sm_80", ".target sm_90", 1)
		var memory [2]string
		for i := range memory {
			options := []sim.Option{sim.Seed(seed), sim.StepLimit(5000), sim.MemoryBytes(4 << 20), sim.Approximate()}
			if seed%2 == 0 {
				options = append(options, sim.Fast(), sim.Serial())
			}
			d := sim.New(options...)
			m, err := d.Load(ptx)
			if err != nil {
				return
			}
			k, err := d.Function(m, "k")
			if err != nil {
				return // the text closed the kernel and began another
			}
			p, err := d.Alloc(4096)
			if err != nil {
				return
			}
			require.NoError(t, d.Zero(p, 4096, 0))
			g := sim.Linear(uint32(blocks%8)+1, uint32(threads)+1)
			g.SharedBytes = uint32(n)
			var e *sim.Error
			if err := d.Launch(k, g, 0, []uint64{uint64(p), uint64(n)}); err != nil {
				require.ErrorAs(t, err, &e)
				return
			}
			out := make([]byte, 4096)
			if err := d.CopyOut(out, p, 0); err != nil {
				require.ErrorAs(t, err, &e)
				require.NotZero(t, e.Code)
				require.NotEmpty(t, e.Name)
				require.Contains(t, err.Error(), "kernel k")
				out = []byte(err.Error())
			}
			memory[i] = string(out)
			_ = d.Close()
		}
		require.Equal(t, memory[0], memory[1])
	})
}
