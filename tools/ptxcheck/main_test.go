package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/tools/sass"
)

func TestCheckRounding(t *testing.T) {
	var both string // float32 and float64
	for _, dtype := range kernels.DTypes() {
		text, err := kernels.PTX(dtype)
		require.NoError(t, err)
		both += text
	}
	require.NoError(t, checkRounding(both))
	for _, c := range []struct{ from, to, complaint string }{
		{"mul.rn.f32", "mul.f32", "has no rounding modifier: mul.f32"},
		{"add.rn.f64", "add.f64", "has no rounding modifier: add.f64"},
		{"sub.rn.f32", "sub.ftz.f32", "has no rounding modifier: sub.ftz.f32"},
		{"mul.rn.f64", "fma.rn.f64", "is fused: fma.rn.f64"},
		{"div.rn.f32", "div.approx.f32", "has no rounding modifier: div.approx.f32"},
	} {
		err := checkRounding(strings.Replace(both, c.from, c.to, 1))
		require.ErrorContains(t, err, c.complaint)
	}
	require.ErrorContains(t, checkRounding("ret;"), "no float arithmetic")
}

func TestCheckResources(t *testing.T) {
	var log strings.Builder
	for _, e := range kernels.All() {
		log.WriteString("ptxas info    : Compiling entry function '" + e.Name() + "' for 'sm_90'\n" +
			"    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\nptxas info    : Used 64 registers, 400 bytes cmem[0]\n")
	}
	require.NoError(t, checkResources("sm_90", log.String()))
	require.NoError(t, checkResources("sm_52", strings.Replace(log.String(), "0 bytes spill stores", "64 bytes spill stores", 1)))
	require.Error(t, checkResources("sm_52", strings.Replace(log.String(), "0 bytes spill stores", "65 bytes spill stores", 1)))
	require.ErrorContains(t, checkResources("sm_90", strings.Replace(log.String(), "0 bytes spill stores", "4 bytes spill stores", 1)),
		"smoothl1_forward_terms_f32_mul has 4 bytes spill stores")
	require.ErrorContains(t, checkResources("sm_90", ""), "reported 0 kernels")
}

// dump is a kernel with a body loop, a loop of single elements, and the loop over chunks around both, as cuobjdump prints it.
func dump(load, store string) string {
	return "Function : smoothl1_forward_terms_f32_mul\n" + strings.Join([]string{
		"/*0000*/ MOV R1, c[0x0][0x28] ;",
		"/*0010*/ @P0 BRA 0x60 ;", // chunk: whole or not
		"/*0020*/ LDG.E.128 R4, [R2.64] ;",
		"/*0030*/ " + load + " R8, [R2.64+0x200] ;",
		"/*0040*/ " + store + " [R6.64], R4 ;",
		"/*0050*/ @!P1 BRA 0x20 ;",
		"/*0058*/ BRA 0x90 ;",
		"/*0060*/ LDG.E R4, [R2.64] ;",
		"/*0070*/ STG.E [R6.64], R4 ;",
		"/*0080*/ @!P2 BRA 0x60 ;",
		"/*0090*/ @P3 BRA 0x10 ;",
		"/*00a0*/ EXIT ;",
		"/*00b0*/ BRA 0xb0;",
	}, "\n")
}

func TestCheckLoops(t *testing.T) {
	check := func(dump string) error {
		code, err := sass.Kernels(dump)
		require.NoError(t, err)
		return checkLoops(code)
	}
	require.EqualError(t, check(dump("LDG.E.128", "STG.E.128")), "smoothl1_forward_terms_f32_div: is not in the code")
	require.ErrorContains(t, check(dump("LDG.E.64", "STG.E.128")), "smoothl1_forward_terms_f32_mul: the body loop has 1 × LDG.E.64")
	require.ErrorContains(t, check(dump("LDG.E.128", "STG.E")), "the body loop has 1 × STG.E")
	require.ErrorContains(t, check(strings.ReplaceAll(dump("LDG.E", "STG.E"), ".128", "")), "smoothl1_forward_terms_f32_mul: found no loop with 16-byte loads")
	_, err := sass.Kernels(strings.ReplaceAll(dump("LDG.E.128", "STG.E.128"), "0x20 ", "0x24 "))
	if err == nil {
		err = check(strings.ReplaceAll(dump("LDG.E.128", "STG.E.128"), "0x20 ", "0x24 "))
	}
	require.ErrorContains(t, err, "which is not an instruction")
}
