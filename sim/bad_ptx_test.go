package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

// code checks that err is a driver error with this code, whose text contains all the parts.
func code(t testing.TB, want int, err error, parts ...string) {
	t.Helper()
	var e *sim.Error
	require.ErrorAs(t, err, &e)
	require.Equalf(t, want, e.Code, "%v", err)
	require.NotEmpty(t, e.Name)
	require.NotEmpty(t, e.Call)
	for _, part := range parts {
		require.Contains(t, err.Error(), part)
	}
}

// Instructions that do not load. Each is on line 7; the error names the line and the instruction.
func TestBadInstructions(t *testing.T) {
	for inst, why := range map[string]string{
		"nosuch.u32 %r1, %r2":                      "nosuch",
		"wgmma.mma_async.sync %r1":                 "wgmma",
		"tex.2d.v4.f32.f32 %f1, [%rd1]":            "tex",
		"add":                                      "",
		"add.u32":                                  "operands",
		"add.u32 %r1, %r2":                         "operands",
		"add.u32 %r1, %r2, %r3, %r4":               "operands",
		"add.nosuch.u32 %r1, %r2, %r3":             "nosuch",
		"add.u32.rn %r1, %r2, %r3":                 "rn",
		"add.u17 %r1, %r2, %r3":                    "u17",
		"add.rn.u32 %r1, %r2, %r3":                 "rn",
		"add.b32 %r1, %r2, %r3":                    "b32",
		"fma.f32 %f1, %f2, %f3, %f4":               "",
		"div.f32 %f1, %f2, %f3":                    "",
		"div.approx.f32 %f1, %f2, %f3":             "approx",
		"add.u32 %r1, %r2, %r99":                   "%r99",
		"add.u32 %x, %r2, %r3":                     "%x",
		"add.u32 %r01, %r2, %r3":                   "%r01",
		"add.u32 %r1, %r2, x":                      "x",
		"add.u32 %r1, %r2, %f3":                    "%f3",
		"add.u64 %rd1, %rd2, %r3":                  "%r3",
		"add.u32 5, %r2, %r3":                      "5",
		"add.u32 %tid.x, %r2, %r3":                 "%tid.x",
		"add.u32 %r1, %r2, %p1":                    "%p1",
		"setp.eq.u32 %r1, %r2, %r3":                "%r1",
		"setp.nosuch.u32 %p1, %r2, %r3":            "nosuch",
		"setp.eq.and.u32 %p1, %r2, %r3":            "operands",
		"mov.u32 %r1, %nosuch":                     "%nosuch",
		"mov.u32 %r1, %tid.q":                      "%tid.q",
		"mov.b64 %rd1, {%r1, %r2, %r3}":            "",
		"bra NOWHERE":                              "NOWHERE",
		"bra %r1":                                  "%r1",
		"@%p1 bra NOWHERE":                         "NOWHERE",
		"@%r1 bra L":                               "%r1",
		"@%p77 bra L":                              "%p77",
		"@bra L":                                   "",
		"bra L, L":                                 "operand",
		"brx.idx %r1, L":                           "L",
		"call nosuch":                              "nosuch",
		"call k":                                   "k",
		"call (%r1), %rd1, (%r2)":                  "",
		"ld.global.u32 %r1, %rd1":                  "%rd1",
		"ld.global.u32 %r1, [%r1]":                 "%r1",
		"ld.global.u32 %r1, [%f1]":                 "%f1",
		"ld.global.u32 %r1, [nosuch]":              "nosuch",
		"ld.global.v3.u32 {%r1, %r2, %r3}, [%rd1]": "v3",
		"ld.global.v4.u64 {%rd1, %rd2, %rd3, %rd4}, [%rd1]": "16",
		"ld.global.v2.u32 {%r1}, [%rd1]":                    "2",
		"ld.nosuch.u32 %r1, [%rd1]":                         "nosuch",
		"st.const.u32 [%rd1], %r1":                          "constant",
		"st.param.u32 [out], %r1":                           "param",
		"st.global.u32 [%rd1], %rd2, %rd3":                  "operands",
		"atom.global.nosuch.u32 %r1, [%rd1], %r2":           "",
		"atom.global.add.u16 %r1, [%rd1], %r2":              "u16",
		"atom.local.add.u32 %r1, [%rd1], %r2":               "local",
		"red.global.exch.b32 [%rd1], %r2":                   "",
		"shfl.sync.bfly.b32 %r1, %r2, 1, 31":                "operands",
		"shfl.sync.b32 %r1, %r2, 1, 31, -1":                 "mode",
		"shfl.bfly.b32 %r1, %r2, 1, 31":                     ".sync",
		"shfl.sync.bfly.b64 %rd1, %rd2, 1, 31, -1":          "b64",
		"vote.sync.most.pred %p1, %p2, -1":                  "",
		"bar.sync 16":                                       "16",
		"bar.sync 0, 33":                                    "33",
		"bar.arrive 0":                                      "operands",
		"bar.nosuch 0":                                      "",
		"membar.nosuch":                                     "",
		"fence.acq_rel":                                     "scope",
		"cvt.f32.f64 %f1, %fd1":                             "",
		"cvt.rn.u32.f32 %r1, %f1":                           "",
		"mov.u32 %r1, 0x1ffffffffffffffff":                  "0x1ffffffffffffffff",
		"mov.f32 %f1, 0f3F80":                               "0f3F80",
		"mov.u32 %r1, 08":                                   "08",
		"mov.u32 %r1, 1/0":                                  "zero",
		"mov.u32 %r1, %r2,":                                 "",
		"mov.u32 %r1 %r2":                                   "",
		"mov.u32 %r1, [%rd1":                                "",
		"mov.u32 %r1, `":                                    "`",
		"mov.u32 %r1, \xff":                                 "",
		".nosuch 5":                                         "nosuch",
		"mov.u32 %r1, \"text\"":                             "",
		"L2: ret; L2: ret":                                  "L",
		"trap 5":                                            "operand",
		"ret 5":                                             "operand",
		"{ mov.u32 %r1, 1; bra INNER; } { INNER: ret; }":    "INNER",
		"mov.u32 %r1, " + strings.Repeat("(", 1000) + "1":   "deep",
		strings.Repeat("{", 1000):                           "deep",
		".reg .b32 %r<5>":                                   "%r",
		".reg .nosuch %q":                                   "nosuch",
		".reg .b32 %q; .reg .b32 %q":                        "%q",
		".shared .u32 s[0x7fffffffffffffff]":                "s",
		".local .u32 s[-1]":                                 "s",
		".local .align 3 .u32 s":                            "",
	} {
		ptx := strings.Replace(body(inst+";\nL:"), ".sm_80", ".sm_90", 1)
		d := device(t, sim.Seed(1))
		_, err := d.Load(ptx)
		if assert.Error(t, err, inst) {
			parts := []string{"line 7"}
			if why != "" {
				parts = append(parts, why)
			}
			code(t, driver.CodeInvalidPTX, err, parts...)
			if op, _, _ := strings.Cut(inst, " "); op[0] != '.' && op[0] != '{' && op[0] != 'L' && op[0] != '@' {
				assert.Containsf(t, err.Error(), op, "%s", inst)
			}
			assert.Less(t, len(err.Error()), 600)
		}
		require.NoError(t, d.Close())
	}
}

// Texts that do not load as a whole.
func TestBadModules(t *testing.T) {
	const head = ".version 7.8\n.target sm_80\n.address_size 64\n"
	many := strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		text string
		code int
		why  string
	}{
		"empty":                {"", driver.CodeInvalidPTX, ".version"},
		"only zeros":           {"\x00\x00", driver.CodeInvalidPTX, ".version"},
		"a cubin":              {"\x7fELF\x02\x01\x01", driver.CodeInvalidPTX, "line 1"},
		"no version":           {".target sm_80\n.address_size 64\n", driver.CodeInvalidPTX, ".version"},
		"newer":                {".version 10.0\n.target sm_80\n.address_size 64\n", driver.CodeUnsupportedPTX, "10.0"},
		"unknown and newer":    {".version 9.9\n.target sm_80\n.address_size 64\n.entry k() {\nfabric.submit; ret; }", driver.CodeInvalidPTX, "instruction fabric is not known"},
		"a cluster":            {".version 9.0\n.target sm_90\n.address_size 64\n.entry k() .explicitcluster .reqnctapercluster 2 { ret; }", driver.CodeInvalidPTX, "clusters of more than one block"},
		"no number":            {".version x.y\n", driver.CodeInvalidPTX, "x"},
		"no target":            {".version 7.8\n.address_size 64\n", driver.CodeInvalidPTX, ".target"},
		"other target":         {".version 7.8\n.target gfx90a\n.address_size 64\n", driver.CodeInvalidPTX, "gfx90a"},
		"newer target":         {".version 8.7\n.target sm_100\n.address_size 64\n", driver.CodeInvalidPTX, "sm_100"},
		"32 bits":              {".version 7.8\n.target sm_80\n.address_size 32\n", driver.CodeInvalidPTX, "32"},
		"unknown directive":    {head + ".nosuch x;", driver.CodeInvalidPTX, ".nosuch"},
		"texture":              {head + ".global .texref t;", driver.CodeInvalidPTX, "texref"},
		"garbage":              {head + "garbage", driver.CodeInvalidPTX, "line 4"},
		"open comment":         {head + "/* no end", driver.CodeInvalidPTX, "line 4"},
		"two kernels":          {head + ".entry k() { ret; }\n.entry k() { ret; }", driver.CodeInvalidPTX, "k is defined twice"},
		"two parameters":       {head + ".entry k(.param .u32 a, .param .u32 a) { ret; }", driver.CodeInvalidPTX, "a is declared twice"},
		"two labels":           {head + ".entry k() {\nL: ret;\nL: ret; }", driver.CodeInvalidPTX, "L is defined twice"},
		"two variables":        {head + ".global .u32 v;\n.global .u32 v;", driver.CodeInvalidPTX, "v"},
		"no body":              {head + ".entry k()", driver.CodeInvalidPTX, "k"},
		"open body":            {head + ".entry k() {\nret;\n", driver.CodeInvalidPTX, "k"},
		"undefined function":   {head + ".func f();\n.entry k() { call f; ret; }", driver.CodeInvalidPTX, "line 5"},
		"recursion":            {head + ".func f() { call f; ret; }\n.entry k() { call f; ret; }", driver.CodeInvalidPTX, "recursive"},
		"mutual recursion":     {head + ".func g();\n.func f() { call g; ret; }\n.func g() { call f; ret; }", driver.CodeInvalidPTX, "recursive"},
		"extern variable":      {head + ".extern .global .u32 v;\n.entry k() { .reg .u32 %r; ld.global.u32 %r, [v]; ret; }", driver.CodeInvalidPTX, "v is declared and not defined"},
		"static shared":        {head + ".entry k() { .shared .b8 s[49153]; .reg .u32 %r; mov.u32 %r, s; ret; }", driver.CodeInvalidPTX, "49153 bytes of static shared memory"},
		"constant memory":      {head + ".const .b8 c[65537];", driver.CodeInvalidPTX, "65536 bytes of constant memory"},
		"initial value":        {head + ".global .u8 c[2] = {1, 2, 3};", driver.CodeInvalidPTX, "c"},
		"device memory":        {head + ".global .b8 big[0x100000000];", driver.CodeOutOfMemory, "4294967296 bytes"},
		"huge":                 {head + ".global .b8 big[0x7fffffffffffffff];", driver.CodeInvalidPTX, "big"},
		"a long name":          {head + many, driver.CodeInvalidPTX, "line 4"},
		"exponential inlining": {head + inlineBomb(40), driver.CodeInvalidPTX, "operations"},
		"too much in all":      {head + inlineBomb(13) + strings.Repeat(".entry k@() { call f13; ret; }\n", 20), driver.CodeInvalidPTX, "operations in this text"},
	} {
		t.Run(name, func(t *testing.T) {
			d := device(t, sim.Seed(1))
			before := d.Info()
			for i := 0; strings.Contains(c.text, "k@"); i++ {
				c.text = strings.Replace(c.text, "k@", fmt.Sprint("k", i), 1)
			}
			_, err := d.Load(c.text)
			code(t, c.code, err, c.why)
			assert.Less(t, len(err.Error()), 600)
			assert.Equal(t, before, d.Info())
			_, err = d.Load(saxpy)
			require.NoError(t, err, "the device goes on")
		})
	}
}

// inlineBomb returns functions each of which calls the previous one twice.
func inlineBomb(depth int) string {
	var b strings.Builder
	b.WriteString(".func f0() { ret; }\n")
	for i := range depth {
		fmt.Fprintf(&b, ".func f%d() { call f%d; call f%d; ret; }\n", i+1, i, i)
	}
	return b.String()
}

// A text truncated anywhere gives an error that names a line, or is still complete.
func TestTruncated(t *testing.T) {
	d := device(t, sim.Seed(1))
	for _, ptx := range []string{saxpy, sumKernel, callsHead + ".const .align 8 .f64 p[2] = {1.0, 2.0};\n.func (.param .b32 r) f(.param .b32 a) { ret; }\n"} {
		for n := range len(ptx) {
			_, err := d.Load(ptx[:n])
			if err != nil {
				code(t, driver.CodeInvalidPTX, err, "line ")
				continue
			}
			rest := strings.TrimSpace(ptx[n:])
			require.Truef(t, rest == "" || rest[0] == '.' || rest == ptx[strings.Index(ptx, rest):] && strings.HasPrefix(rest, "."), "without its end %q the text loads", rest)
		}
	}
	if testing.Short() {
		return
	}
	text := shipped(t, smoothl1.Float32)
	for n := 0; n < len(text); n += len(text)/24 + 1 {
		if _, err := d.Load(text[:n]); err != nil {
			code(t, driver.CodeInvalidPTX, err, "line ")
		} else {
			between := strings.TrimSpace(text[strings.LastIndex(text[:n], "\n}"):n])
			require.Truef(t, strings.HasPrefix(between, "}") && !strings.Contains(between, ";"), "cut behind %q the text loads", between)
		}
	}
}
