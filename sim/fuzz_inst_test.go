package sim_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// grammar reads a list of instructions that the decoder accepts, one per line, which have been checked with ptxas.
func grammar(t testing.TB) (list []string) {
	file, err := os.Open("internal/vm/testdata/grammar.txt")
	require.NoError(t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		inst, ok := strings.CutPrefix(lines.Text(), "yes\t")
		if !ok {
			continue
		}
		// Make most addresses valid: %q3 is one in global memory, %q4 one in the small memories.
		address := "[%q3"
		for _, space := range []string{".shared", ".local", ".const", ".param"} {
			if strings.Contains(inst, space) {
				address = "[%q4"
			}
		}
		inst = strings.NewReplacer("[%q0+8]", address+"]", "[%q0", address).Replace(inst)
		list = append(list, inst)
	}
	require.Greater(t, len(list), 2000)
	return list
}

// mixed returns a kernel of instructions picked by data, with jumps among them. Registers start with numbers of all kinds, %q1 to %q3
// with addresses.
func mixed(instructions []string, data []byte) string {
	var b strings.Builder
	b.WriteString(`.version 7.8
.target sm_90
.address_size 64
.global .align 8 .u32 gv[4];
.shared .align 16 .u32 sv[4];
.const .align 16 .u32 cv[4] = {1, 2, 3, 4};
.func fn() { ret; }
.func (.reg .b32 o) fn1(.reg .b32 i) { add.u32 o, i, 1; ret; }
.visible .entry k(.param .u32 kp, .param .u64 out)
{
.local .align 16 .b8 lv[16]; .reg .pred %p<10>; .reg .b16 %h<10>; .reg .b32 %r<10>; .reg .b64 %q<10>; .reg .f32 %f<10>; .reg .f64 %d<10>;
TS: .branchtargets L, M;
ld.param.u64 %q1, [out]; cvta.global.u64 %q2, gv; mov.u64 %q3, %q1; mov.u32 %r1, %tid.x; mov.u32 %r2, %laneid; mov.u32 %r3, 3;
mov.b32 %f1, %r1; mov.f32 %f2, 0f3FC00000; mov.f32 %f3, 0fFF800000; cvt.rn.f64.u32 %d1, %r1; mov.f64 %d2, 0d4000000000000000;
setp.lt.u32 %p1, %r1, 7; setp.eq.u32 %p2, %r2, 0;
mov.b32 %r4, -1; mov.b32 %r5, sv; mov.u64 %q4, lv;
`)
	for i := 0; i+1 < len(data); i += 2 {
		n := int(data[i]) | int(data[i+1])<<8
		switch pick := n % len(instructions); {
		case n >= 60000: // a jump, on a predicate or its negation
			not := ""
			if n&1 == 1 {
				not = "!"
			}
			fmt.Fprintf(&b, "@%s%%p%d bra %c;\n", not, n/2%3, "LM"[n/8%2])
		case n%31 == 7 && !strings.Contains(instructions[pick], "@") && !strings.Contains(instructions[pick], "{"):
			fmt.Fprintf(&b, "@%%p%d %s;\n", n/31%3, instructions[pick])
		default:
			fmt.Fprintf(&b, "{ %s; }\n", instructions[pick])
		}
		if i == len(data)/4*2 {
			b.WriteString("L:\n")
		}
	}
	if len(data) < 2 {
		b.WriteString("L:\n")
	}
	b.WriteString("M:\nst.global.u32 [%q3+64], %r1;\nret;\n}\n")
	return b.String()
}

// Instructions that load, in any order, with any registers: a launch ends with a result or an error of the device, and does the
// same when repeated, on one goroutine or many.
func FuzzInstructions(f *testing.F) {
	list := grammar(f)
	f.Add([]byte{}, uint64(1))
	for i := range mixedSeeds {
		f.Add(mixedSeed(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		if len(data) > 200 {
			return
		}
		ptx := mixed(list, data)
		var outcome [2]string
		for i := range outcome {
			options := []sim.Option{sim.Seed(seed), sim.StepLimit(3000), sim.Approximate()}
			if seed%2 == 0 {
				options = append(options, sim.Fast(), sim.Serial())
			}
			d := sim.New(options...)
			m, err := d.Load(ptx)
			if err != nil {
				var e *sim.Error
				require.ErrorAs(t, err, &e)
				return // an instruction with a label of its own occurs twice
			}
			k, err := d.Function(m, "k")
			require.NoError(t, err)
			p, err := d.Alloc(512)
			require.NoError(t, err)
			require.NoError(t, d.Launch(k, sim.Linear(3, 40), 0, []uint64{9, uint64(p)}))
			out := make([]byte, 512)
			if err := d.CopyOut(out, p, 0); err != nil {
				var e *sim.Error
				require.ErrorAs(t, err, &e)
				require.NotEmpty(t, e.Name)
				require.Contains(t, err.Error(), "kernel k")
				require.Contains(t, err.Error(), fmt.Sprintf("seed %d", seed))
				out = []byte(err.Error())
			}
			outcome[i] = string(out)
			_ = d.Close()
		}
		require.Equal(t, outcome[0], outcome[1])
	})
}

// The seeds of FuzzInstructions are useful: their texts load, and many run to completion.
func TestMixed(t *testing.T) {
	list := grammar(t)
	ended := 0
	for i := range mixedSeeds {
		d := device(t, sim.Seed(1), sim.StepLimit(3000), sim.Approximate(), sim.Fast(), sim.Serial()) // they race
		m, err := d.Load(mixed(list, mixedSeed(i)))
		require.NoError(t, err)
		k, err := d.Function(m, "k")
		require.NoError(t, err)
		out := upload(t, d, make([]byte, 512))
		launch(t, d, k, sim.Linear(3, 40), 9, out)
		if err := d.Wait(0); err == nil {
			ended++
		} else {
			t.Log(err)
		}
	}
	assert.Greater(t, ended, mixedSeeds/2)
}

const mixedSeeds = 40

func mixedSeed(i int) []byte {
	data := make([]byte, 24)
	for k := range data {
		data[k] = byte(mix(uint32(i*100 + k)))
	}
	return data
}
