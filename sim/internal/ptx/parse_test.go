package ptx_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

const head = ".version 7.8\n.target sm_80, debug\n.address_size 64\n"

func parse(t *testing.T, text string) *ptx.Module {
	t.Helper()
	m, err := ptx.Parse(head + text)
	require.NoError(t, err)
	return m
}

// Constant expressions have C's precedence, 64 bits, and the signedness of their operands.
func TestConstants(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "10": 10, "0x1F": 31, "0X1f": 31, "017": 15, "0b1011": 11, "5U": 5, "0x10U": 16,
		"0xffffffffffffffff": -1, "18446744073709551615": -1, "-9223372036854775808": math.MinInt64,
		"1+2*3": 7, "(1+2)*3": 9, "10-4-3": 3, "100/7/2": 7, "100%7": 2, "-7/2": -3, "-7%3": -1, "-7/2U": 0x7ffffffffffffffc,
		"1<<4+1": 32, "1|2^3&2": 1 | (2 ^ (3 & 2)), "-1>>1": -1, "-1>>63": -1, "0xffffffffffffffff>>1": math.MaxInt64,
		"~0": -1, "!0": 1, "!5": 0, "- -5": 5, "+5": 5, "1<2": 1, "2<=1": 0, "-1<0": 1, "-1<0U": 0, "3>=3": 1, "3!=3": 0, "3==3": 1,
		"1&&2": 1, "1&&0": 0, "0||3": 1, "0||0": 0, "1?2:3": 2, "0?2:3": 3, "0?1:0?2:3": 3, "(.s64)0xffffffffffffffff<0": 1, "(.u64)-1<0": 0,
		"WARP_SZ*2": 64, "-9223372036854775808/-1": math.MinInt64, "-9223372036854775808%-1": 0, "1<<64": 0,
	} {
		m := parse(t, ".global .b64 v[1] = {"+text+"};")
		require.Len(t, m.Vars, 1)
		assert.Equal(t, uint64(want), binary.LittleEndian.Uint64(m.Vars[0].Init), text)
	}
	for text, want := range map[string]float64{
		"1.5": 1.5, "1e3": 1000, "1.5e-3": 0.0015, "-2.0": -2, "0d3FF8000000000000": 1.5, "0D3ff8000000000000": 1.5,
		"1.0+2.0*3.0": 7, "1.0/3.0": 1. / 3, "-0.0": math.Copysign(0, -1), "1e400": math.Inf(1), "0d7FF0000000000000": math.Inf(1),
	} {
		m := parse(t, ".global .f64 v[1] = {"+text+"};")
		assert.Equal(t, math.Float64bits(want), binary.LittleEndian.Uint64(m.Vars[0].Init), text)
	}
	for _, text := range []string{"", "08", "0x", "0b2", "1.5.2", "0f3F80000", "0d3FF", "18446744073709551616", "1/0", "1%0", "1+", "(1", "1)", "1?2",
		"~1.5", "1.5+1", "1.5<<2", "0xg", strings.Repeat("(", 200) + "1" + strings.Repeat(")", 200), strings.Repeat("-", 200) + "1"} {
		_, err := ptx.Parse(head + ".global .b64 v[1] = {" + text + "};")
		if text == "" {
			continue // an empty list
		}
		var bad *ptx.Error
		if assert.ErrorAs(t, err, &bad, text) {
			assert.Equal(t, 4, bad.Line)
		}
	}
}

// Variables: their sizes, alignment and initial bytes.
func TestVariables(t *testing.T) {
	for text, want := range map[string]struct {
		bytes int64
		align int
		init  string
	}{
		".global .u32 v;":                                  {4, 4, ""},
		".global .align 16 .b8 v[3] = {1, 2};":             {3, 16, "010200"},
		".global .v4 .f32 v;":                              {16, 16, ""},
		".const .f32 v = 0f3F800000;":                      {4, 4, "0000803f"},
		".const .u16 v[2][3] = {{1, 2, 3}, {4, 5, 6}};":    {12, 2, "010002000300040005000600"},
		".const .s8 v[] = {-1, -2};":                       {2, 1, "fffe"},
		".visible .global .align 4 .u16 v[2] = {0xffff};":  {4, 4, "ffff0000"},
		".global .f32 v[2] = {1.0, -2.5};":                 {8, 4, "0000803f000020c0"},
		"/* .u8 */ .global // .u16\n.u64 v /**/ = 0x0102;": {8, 8, "0201000000000000"},
	} {
		m := parse(t, text)
		require.Len(t, m.Vars, 1, text)
		v := m.Vars[0]
		assert.Equal(t, "v", v.Name)
		assert.Equal(t, want.bytes, v.Bytes, text)
		assert.Equal(t, want.align, v.Align, text)
		got := fmt.Sprintf("%x", v.Init)
		assert.Equal(t, strings.TrimRight(want.init, "0"), strings.TrimRight(got, "0"), text)
	}
	m := parse(t, ".global .u32 a[4];\n.global .u64 v[3] = {a, generic(a)+8, a+4};")
	require.Len(t, m.Vars[1].Fixups, 3)
	for i, want := range []ptx.Fixup{{Offset: 0, Symbol: "a"}, {Offset: 8, Symbol: "a", Addend: 8, Generic: true}, {Offset: 16, Symbol: "a", Addend: 4}} {
		got := m.Vars[1].Fixups[i]
		want.Bytes, want.Line = 8, 5
		assert.Equal(t, want, got)
	}
}

// Names are scoped to their braces; comments do not upset line numbers; debug information is skipped.
func TestFunction(t *testing.T) {
	m := parse(t, `.file 1 "a.cu", 1, 2
.section .debug_info { .b32 1, 2 }
.entry k(.param .u64 p, .param .align 8 .b8 s[24]) .maxntid 128, 2 .minnctapersm 2
{	/* two
	lines */
	.reg .b32 %r<4>, %x; .reg .pred %p;
	.loc 1 3 4
	.loc 1 3 4, function_name info, inlined_at 1 2 3
	.pragma "nounroll";
	mov.u32   %r3,
		%tid.x;		// the line of an instruction is that of its beginning
	{
		.reg .b64 %r<4>; .reg .f32 %x;
		mov.u64 %r3, p;
	L:	@!%p bra L;
		bra M;
	}
	{
	L:	mov.u32 %r3, %x;
	M:	bra L;
	}
M:	ret;
}
`)
	require.Len(t, m.Funcs, 1)
	f := m.Funcs[0]
	assert.Equal(t, "k", f.Name)
	assert.True(t, f.Entry)
	assert.Equal(t, [3]int{128, 2, 1}, f.MaxThreads)
	require.Len(t, f.Params, 2)
	assert.Equal(t, []int64{8, 24}, []int64{f.Params[0].Bytes, f.Params[1].Bytes})
	var lines []int
	var texts []string
	for _, in := range f.Insts {
		lines, texts = append(lines, in.Line), append(texts, in.String())
	}
	assert.Equal(t, []int{13, 17, 18, 19, 22, 23, 25}, lines)
	assert.Equal(t, []string{"mov.u32 %r3, %tid.x", "mov.u64 %r3, p", "@!%p bra L", "bra M", "mov.u32 %r3, %x", "bra L", "ret"}, texts)

	reg := func(i, arg int) ptx.Type { return f.Insts[i].Args[arg].Reg.Type }
	assert.Equal(t, []ptx.Type{ptx.B32, ptx.B64, ptx.B32, ptx.B32}, []ptx.Type{reg(0, 0), reg(1, 0), reg(4, 0), reg(4, 1)})
	assert.Same(t, f.Insts[0].Args[0].Reg, f.Insts[4].Args[0].Reg)
	assert.NotSame(t, f.Insts[0].Args[0].Reg, f.Insts[1].Args[0].Reg)
	to := func(i int) int { return f.Insts[i].Args[0].Label.Index }
	assert.Equal(t, []int{2, 6, 4}, []int{to(2), to(3), to(5)}, "the branches' targets")
	assert.True(t, f.Insts[2].GuardNot)
	assert.Equal(t, "%p", f.Insts[2].Guard.Name)
}

// Registers of a family, and names that only look like one.
func TestRegisters(t *testing.T) {
	for text, ok := range map[string]bool{
		"%r0": true, "%r9": true, "%r10": false, "%r": false, "%r00": false, "%r01": false, "%r9a": false, "%R1": false,
		"%r1<": false, "$a1": true, "_b": true, "%_c": true, "%a11": true, "%a12": false, "%tid.x": true, "%tid.w": true, "%tid": false, "%laneid": true, "%laneid.x": false,
	} {
		_, err := ptx.Parse(head + ".entry k() {\n.reg .b32 %r<10>, $a<2>, _b, %_c, %a1<2>;\nmov.u32 %r1, " + text + ";\nret; }")
		if ok {
			assert.NoError(t, err, text)
			continue
		}
		var bad *ptx.Error
		if assert.ErrorAs(t, err, &bad, text) {
			assert.Equal(t, 6, bad.Line, text)
			assert.Contains(t, bad.Error(), "mov.u32 %r1")
		}
	}
}

// Error messages have a readable length, whatever the text.
func TestLongText(t *testing.T) {
	long := strings.Repeat("\u00e9x", 1<<16)
	for _, text := range []string{long, "." + strings.Repeat("y", 1<<16), ".entry k() { bra " + strings.Repeat("z", 1<<16) + "; }", ".entry k() { mov.u32 " + strings.Repeat("q, ", 1<<16) + "; }"} {
		_, err := ptx.Parse(head + text)
		require.Error(t, err)
		assert.Less(t, len(err.Error()), 700)
		assert.Contains(t, err.Error(), "line 4")
	}
}
