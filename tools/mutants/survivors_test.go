package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tried is a text in which each kernel multiplies by a half twice.
const tried = `.visible .entry one(
	mul.rn.f32 	%f1, %f2, 0f3F000000;
	mul.rn.f32 	%f7, %f8, 0f3F000000;
.visible .entry two(
	mul.rn.f32 	%f3, %f4, 0f3F000000;
`

// half returns the mutants that round to zero.
func halves(t *testing.T, text string) (list []mutant) {
	list = all(text)
	name(list)
	return draw(list, 0, 1, "round to zero", regexp.MustCompile(""))
}

func TestSurvivors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list")
	const text = `# A list.

reason exact: a half is exact
reason twice (may be stopped): it does so twice

exact	round to zero	mul.rn.f32 %f, %f, 0f3F000000; => mul.rz.f32 %f, %f, 0f3F000000;
	one	1
	two	1

twice	round to zero	mul.rn.f32 %f, %f, 0f3F000000; => mul.rz.f32 %f, %f, 0f3F000000;
	one	2
`
	require.NoError(t, os.WriteFile(file, []byte(text), 0o666))
	s, err := readSurvivors(file)
	require.NoError(t, err)
	require.NoError(t, s.write(file))
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, text, string(again))

	mutants := halves(t, tried)
	require.Len(t, mutants, 3)
	require.NoError(t, s.check(mutants))
	ways := func(how string) (got []string) {
		for _, m := range []id{mutants[0].id, mutants[1].id, mutants[2].id} {
			for _, x := range mutants {
				if x.id == m {
					got = append(got, s.judged(verdict{mutant: x, how: how}).how+" "+s.why[m])
				}
			}
		}
		return got
	}
	assert.ElementsMatch(t, []string{equivalent + " exact", equivalent + " twice", equivalent + " exact"}, ways(survived))
	assert.ElementsMatch(t, []string{misjudged + " exact", stopped + " twice", misjudged + " exact"}, ways(stopped))
	assert.ElementsMatch(t, []string{misjudged + " exact", misjudged + " twice", misjudged + " exact"}, ways(differs))

	// The second kernel is gone, and the first has a third half, which survives; its first is caught, and its second was not judged.
	changed := halves(t, ".visible .entry one(\n\tmul.rn.f32 	%f1, %f2, 0f3F000000;\n\tmul.rn.f32 	%f1, %f2, 0f3F000000;\n\tmul.rn.f32 	%f9, %f9, 0f3F000000;\n")
	require.ErrorContains(t, s.check(changed), "1 listed survivors are not in the PTX")
	var verdicts []verdict
	for _, m := range changed {
		switch m.id.ordinal {
		case 1:
			verdicts = append(verdicts, s.judged(verdict{mutant: m, how: differs}))
		case 3:
			verdicts = append(verdicts, s.judged(verdict{mutant: m, how: survived}))
		}
	}
	s.update(changed, verdicts)
	assert.Len(t, s.why, 2)
	require.EqualError(t, s.check(changed), "1 survivors are listed without a reason")
	require.NoError(t, s.write(file))
	s, err = readSurvivors(file)
	require.NoError(t, err)
	for k, why := range s.why {
		assert.Equal(t, map[int]string{2: "twice", 3: unknown}[k.ordinal], why)
	}

	for _, bad := range []string{"reason exact", "exact\tround to zero\tx => y", "\tone\t1 x", "\tone\t1\n\tone\t1", "exact"} {
		require.NoError(t, os.WriteFile(file, []byte(bad+"\n"), 0o666))
		_, err := readSurvivors(file)
		assert.Error(t, err, bad)
	}
}

// TestTheListIsOfTheKernels checks that the committed list belongs to the committed PTX, and that -update would write it the same way.
func TestTheListIsOfTheKernels(t *testing.T) {
	files, err := filepath.Glob("../../kernels/*.ptx")
	require.NoError(t, err)
	more, err := filepath.Glob("../../kernels/ptx/*.ptx")
	require.NoError(t, err)
	var everything []mutant
	for _, file := range append(files, more...) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		everything = append(everything, all(string(text))...)
	}
	name(everything)
	s, err := readSurvivors("survivors.txt")
	require.NoError(t, err)
	require.NoError(t, s.check(everything))
	file := filepath.Join(t.TempDir(), "list")
	require.NoError(t, s.write(file))
	want, err := os.ReadFile("survivors.txt")
	require.NoError(t, err)
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "write it with -update")
}

// TestPlainly checks that mutants that do the same are not drawn.
func TestPlainly(t *testing.T) {
	drawn := func(text, operator string) (lines []int) {
		for _, m := range draw(all(text), 0, 1, operator, regexp.MustCompile("")) {
			lines = append(lines, m.line)
		}
		return lines
	}
	shuffle := "\tshfl.sync.bfly.b32 \t%r1|%p1, %r2, %r3, %r4, %r5;\n"
	const distance = "change a shuffle's distance"
	text := ".visible .entry one(\n\tmov.u32 \t%r3, 4;\n" + shuffle + "\tmov.u32 \t%r3, 2;\n" + shuffle + "\tmov.u32 \t%r3, 1;\n" + shuffle
	assert.ElementsMatch(t, []int{3, 7}, drawn(text, distance))
	text = ".visible .entry one(\n\tmov.u32 \t%r7, 2;\n" + shuffle + "\tmov.u32 \t%r3, 2;\n.visible .entry two(\n" + shuffle
	assert.ElementsMatch(t, []int{3, 6}, drawn(text, distance), "of another register, and of another kernel")

	division := ".visible .entry one(\n\tor.b64  \t%rd3, %rd1, %rd2;\n\tand.b64  \t%rd4, %rd3, -4294967296;\n\tsetp.eq.s64 \t%p1, %rd4, 0;\n\t@%p1 bra \t$L__BB0_1;\n"
	assert.Empty(t, drawn(division, ""))
	assert.NotEmpty(t, drawn(strings.ReplaceAll(division, "-4294967296", "-4294967295"), ""))
	assert.Len(t, drawn(".visible .entry one(\n\tmov.u16 \t%rs1, 32767;\n", ""), 1, "one more is -0")

	difference := ".visible .entry one(\n\tsub.rn.f32 \t%f3, %f1, %f2;\n\tabs.f32 \t%f4, %f3;\n\tsetp.eq.f32 \t%p1, %f3, 0f00000000;\n"
	assert.Empty(t, drawn(difference, "swap operands"))
	assert.Len(t, drawn(difference+"\tsetp.lt.f32 \t%p2, %f3, %f1;\n", "swap operands"), 1, "its sign is used")
	half := ".visible .entry one(\n\tabs.f32 \t%f4, %f3;\n\tmul.rn.f32 \t%f5, %f4, 0f3F000000;\n"
	const toZero = "round to zero"
	assert.Empty(t, drawn(half+"\tneg.f32 \t%f6, %f7;\n", toZero))
	assert.ElementsMatch(t, []int{4}, drawn(half+"\tmul.rn.f32 \t%f6, %f4, %f5;\n", toZero), "the square, but not its half")
	assert.Len(t, drawn(half+"\tmul.rn.f32 \t%f6, %f2, %f5;\n", toZero), 2, "another product")
	assert.Len(t, drawn(strings.Replace(half, "abs", "neg", 1)+"\tneg.f32 \t%f6, %f7;\n", toZero), 1, "of another number")
}

// TestPlainGuards checks that mutants that make more corrected quotients divisions are not drawn, and others are.
func TestPlainGuards(t *testing.T) {
	const text = `.visible .entry one(
	ld.param.f32 	%f3, [one_param_0+48];
	setp.geu.f32 	%p1, %f7, %f3;
	mov.pred 	%p9, -1;
	@%p1 bra 	$L__BB0_1;
	setp.lt.f32 	%p2, %f5, %f3;
	setp.neu.f32 	%p3, %f4, 0f00000000;
	mov.pred 	%p9, 0;
	and.pred  	%p4, %p3, %p2;
	@%p4 bra 	$L__BB0_1;
	setp.geu.f32 	%p5, %f6, %f3;
	setp.eq.f32 	%p6, %f8, 0f00000000;
	or.pred  	%p9, %p6, %p5;
$L__BB0_1:
	@%p9 bra 	$L__BB0_3;
	bra.uni 	$L__BB0_2;
$L__BB0_3:
	fma.rn.f32 	%f9, %f1, %f2, %f3;
	bra.uni 	$L__BB0_4;
$L__BB0_2:
	div.rn.f32 	%f9, %f1, %f2;
$L__BB0_4:
	ret;
`
	drawn := func(text string) (of []string) {
		for _, m := range draw(all(text), 0, 1, "", regexp.MustCompile("")) {
			of = append(of, fmt.Sprint(m.line, " ", m.operator))
		}
		return of
	}
	assert.ElementsMatch(t, []string{
		"5 negate a guard", "5 always branch",
		"6 less for greater",
		"8 a constant ±1", "8 a constant ±1",
		"10 negate a guard", "10 never branch",
		"12 eq for ne",
		"15 negate a guard", "15 always branch",
		"21 mul for div", "21 round to zero", "21 swap operands",
	}, drawn(text))
	got := drawn(strings.NewReplacer("fma", "add", "+48", "+40").Replace(text)) // quotients that are not corrected
	for _, operator := range []string{"4 a constant ±1", "5 never branch", "6 lt for le", "9 and for or", "10 always branch", "13 and for or", "15 never branch"} {
		assert.Contains(t, got, operator)
	}
}
