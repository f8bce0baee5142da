package sass

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// chunks is a loop over chunks, 3 to 25, around one over rows, 4 to 20, with a division that calls for special values, a second output, and
// sums that end in shuffles. Its exits are those of code for sm_80: a call of the instruction behind the jump back.
const chunks = `Function : k
	/*0000*/ S2R R0, SR_TID.X ;
	/*0010*/ IMAD.MOV.U32 R8, RZ, RZ, RZ ;
	/*0020*/ @P2 BRA 0x1a0 ;
	/*0030*/ IADD3 R8, R8, 0x1, RZ ;
	/*0040*/ LDG.E.128 R4, [R2.64] ;
	/*0050*/ LDG.E.128 R12, [R2.64+0x10] ;
	/*0060*/ FADD R4, R4, R12 ;
	/*0070*/ MUFU.RCP R9, R5 ;
	/*0080*/ FCHK P0, R4, R5 ;
	/*0090*/ @!P0 BRA 0xd0 ;
	/*00a0*/ MOV R10, R4 ;
	/*00b0*/ CALL.REL.NOINC 0x1b0 ;
	/*00c0*/ MOV R9, R10 ;
	/*00d0*/ @!P1 BRA 0xf0 ;
	/*00e0*/ STG.E.128 [R6.64], R4 ;
	/*00f0*/ F2F.F64.F32 R16, R9 ;
	/*0100*/ DADD R18, R18, R16 ;
	/*0110*/ @!P3 BRA 0x130 ;
	/*0120*/ STG.E.128 [R20.64], R4 ;
	/*0130*/ @P4 CALL.REL.NOINC 0x150 ;
	/*0140*/ BRA 0x40 ;
	/*0150*/ BRA.DIV ~URZ, 0x1c0 ;
	/*0160*/ SHFL.BFLY PT, R22, R18, 0x10, 0x1f ;
	/*0170*/ SHFL.BFLY PT, R23, R19, 0x10, 0x1f ;
	/*0180*/ @P5 CALL.REL.NOINC 0x1a0 ;
	/*0190*/ BRA 0x30 ;
	/*01a0*/ EXIT ;
	/*01b0*/ RET.REL.NODEC R10 0x0 ;
	/*01c0*/ WARPSYNC.COLLECTIVE R4, 0x1d0 ;
	/*01d0*/ BRA 0x180 ;
`

func parsed(t *testing.T, text string) []Instruction {
	t.Helper()
	kernels, err := Kernels(text)
	require.NoError(t, err)
	return kernels["k"]
}

func isLoad(in Instruction) bool  { return strings.HasPrefix(in.Op, "LDG.E.128") }
func isStore(in Instruction) bool { return strings.HasPrefix(in.Op, "STG.E.128") }

func TestLoops(t *testing.T) {
	loops := Loops(parsed(t, chunks))
	require.Len(t, loops, 2)
	assert.Equal(t, 3, loops[0].Head)
	assert.Equal(t, 4, loops[1].Head)
	assert.True(t, loops[0].Contains(22), "the shuffles belong to the loop over chunks")
	assert.False(t, loops[1].Contains(22))
	assert.False(t, loops[1].Contains(27), "a call returns; what it calls is no part of the loop")
}

// The path avoids the call, and takes one of the stores.
func TestPath(t *testing.T) {
	code := parsed(t, chunks)
	loops := Loops(code)
	assert.Equal(t, []int{4, 5, 6, 7, 8, 9, 13, 15, 16, 17, 19, 20}, Path(code, loops[1], isLoad, isStore, 0))
	one := Path(code, loops[1], isLoad, isStore, 1)
	assert.Len(t, one, 13)
	assert.NotContains(t, one, 11)
	assert.Len(t, Path(code, loops[1], isLoad, isStore, 2), 14)
	outer := Path(code, loops[0], isLoad, isStore, 1)
	assert.Equal(t, append(append([]int{3}, one[:len(one)-1]...), 21, 22, 23, 24, 25), outer, "through the inner loop once, and past the branch of diverged threads")
}

func TestCount(t *testing.T) {
	code := parsed(t, chunks)
	m := Count(code, Path(code, Loops(code)[1], isLoad, isStore, 1))
	assert.Equal(t, Mix{FP32: 1, FP64: 1, Special: 3, Memory: 3, Other: 5}, m)
	assert.Equal(t, 13.0, m.Total())
	assert.Equal(t, 19.5, m.Plus(m, 0.5).Total())
	for op, class := range map[string]Class{"IMAD.MOV.U32": FP32, "F2FP.F16.F32.PACK_AB": ALU, "DSETP.GT.AND": FP64, "SHFL.BFLY": Shuffle, "ULDC.64": Other,
		"LDG.E.128.SYS": Memory, "BSYNC": Other} {
		assert.Equal(t, class, Instruction{Op: op}.Class(), op)
	}
}

// timing has latencies that are easily told apart: 4, 8 and 20 cycles.
func timing() Timing {
	t := Timing{Load: 500}
	for c := range Classes {
		t.Latency[c], t.Interval[c] = 4, 1
	}
	t.Latency[FP64], t.Interval[FP64], t.Latency[Special] = 8, 2, 20
	return t
}

func TestSchedule(t *testing.T) {
	for text, want := range map[string]float64{
		"FADD R1, R2, R3 ;":                                              1,
		"FADD R1, R2, R3 ; FADD R4, R1, R3 ;":                            5, // waits for R1
		"FADD R1, R2, R3 ; FADD R4, R5, R3 ;":                            2,
		"DADD R2, R2, R4 ; DADD R6, R8, R10 ;":                           3, // waits for the units
		"DADD R2, R2, R4 ; MOV R1, R3 ;":                                 9, // for the second half of a pair
		"LDG.E.128 R4, [R2.64] ; FADD R1, R7, R8 ;":                      501,
		"LDG.E.128 R4, [R2.64] ; FADD R1, R8, R9 ;":                      2,
		"F2F.F64.F32 R4, R1 ; DADD R6, R6, R4 ;":                         21,
		"FSETP.GEU.AND P0, PT, R1, R2, PT ; @P0 FADD R3, R4, R5 ;":       5, // for the predicate
		"FADD R7, R1, R2 ; STG.E.128 [R10.64], R4 ; MOV R4, R10 ;":       6, // a store waits for its data and writes no register
		"MUFU.RCP R3, R1 ; IADD3 R2, R2, 0x1, RZ ; IADD3 R3, R3, R4, RZ": 21,
	} {
		body := ""
		for i, line := range strings.Split(strings.TrimSuffix(text, ";"), ";") {
			body += "/*00" + string(rune('0'+i)) + "0*/ " + strings.TrimSpace(line) + " ;\n"
		}
		code, err := Parse(body)
		require.NoError(t, err)
		indexes := make([]int, len(code))
		for i := range indexes {
			indexes[i] = i
		}
		assert.Equal(t, want, Schedule(code, indexes, timing()), text)
	}
}
