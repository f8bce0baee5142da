package main

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// small saves arrays of 2 × 3 and less for tests of flags.
func small(t *testing.T) string {
	dir := inMemory(t)
	save(t, dir, "p.npy", []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	save(t, dir, "t.npy", []float32{0, 0, 3, 0, 5, 9}, 2, 3)
	save(t, dir, "w.npy", []float32{1, 2}, 2, 1)
	save(t, dir, "column.npy", []float32{1, 2, 3}, 3)
	save(t, dir, "row.npy", []float32{10, 20}, 2)
	save(t, dir, "one.npy", []float32{8})
	save(t, dir, "r.npy", []float32{8, 7, 6}, 1, 3)
	save(t, dir, "four.npy", []float32{8, 7, 6, 5}, 4)
	save(t, dir, "zeros.npy", make([]float32, 6), 2, 3)
	save(t, dir, "double.npy", make([]float64, 6), 2, 3)
	const huge = math.MaxInt / 16
	save(t, dir, "long.npy", []float32{}, huge, 0)
	save(t, dir, "high.npy", []float32{}, huge, 1, 0)
	saveAs(t, dir, "m.npy", npy.Bool, []uint8{1, 0, 0, 1, 1, 0}, 2, 3)
	saveAs(t, dir, "none.npy", npy.Bool, []uint8{0}, 1, 1)
	saveAs(t, dir, "i.npy", npy.Int32, []int32{2, 0}, 2)
	saveAs(t, dir, "bytes.npy", npy.Uint8, []uint8{0, 1}, 2)
	saveAs(t, dir, "bits.npy", npy.Uint16, make([]smoothl1.BF16, 6), 2, 3)
	return dir
}

// TestEvalFlagsThatExcludeOrNeedOthers checks that each combination that means nothing is refused, by an error that names flag and rule,
// before a file is opened.
func TestEvalFlagsThatExcludeOrNeedOthers(t *testing.T) {
	for _, c := range []struct{ flags, text string }{
		{"--loss l1 --beta 0", "--beta and --loss l1 exclude each other"},
		{"--loss l1 --delta 1", "--delta and --loss l1 exclude each other"},
		{"--loss l1 --beta-file b.npy", "--beta-file and --loss l1 exclude each other"},
		{"--delta 2", "--delta is for --loss huber: that of smooth_l1 is --beta"},
		{"--loss huber --delta 2 --beta 2", "--beta and --delta are the same"},
		{"--beta-file b.npy --beta 1", "--beta-file has a beta for each element, and excludes --beta and --delta"},
		{"--loss huber --beta-file b.npy --delta 1", "--beta-file has a beta for each element"},
		{"--rows --reduction none --out o.npy", "--rows reduces each row, and --reduction none reduces nothing"},
		{"--terms o.npy --reduction none", "--terms o.npy is for a reduced loss: with --reduction none, --out"},
		{"--divisor elements --reduction sum", "--divisor elements is for a mean, and the reduction is sum"},
		{"--divisor 3 --reduction none --out o.npy", "--divisor 3 is for a mean, and the reduction is none"},
		{"--zero-if-empty --reduction sum", "--zero-if-empty is for a mean, and the reduction is sum"},
		{"--divisor kept", "--divisor kept is the number of elements that a mask keeps: name its file with --mask"},
		{"--divisor kept --weight w.npy", "name its file with --mask"},
		{"--divisor weights --mask w.npy", "--divisor weights is the sum of the weights: name their file with --weight"},
		{"--divisor 0", "a number must be positive and finite"},
		{"--divisor -3", "a number must be positive and finite"},
		{"--divisor inf", "a number must be positive and finite"},
		{"--divisor nan", "a number must be positive and finite"},
		{"--divisor count", `"count" is not a number; want elements, kept, weights or a number`},
		{"--dtype int32", "want float16, bfloat16, float32, float64"},
		{"--loss l2", "want smooth_l1, huber, l1"},
		{"--direction v.npy", "--direction and --second need each other"},
		{"--second s.npy", "--direction and --second need each other"},
		{"--accumulate-pred o.npy", "--accumulate-pred o.npy is added to a gradient that is not requested: name a file with --grad-pred"},
		{"--accumulate-target o.npy --grad-pred g.npy", "--accumulate-target o.npy is added to a gradient that is not requested: name a file with --grad-target"},
		{"--scale 2 --abs a.npy", "an upstream gradient scales the gradients, but none is requested"},
		{"--abs o.npy --terms o.npy", "--terms and --abs would write the same file"},
		{"--weight - --mask -", "--weight and --mask are both standard input"},
		{"--mask m.npy --abs m.npy", "--abs m.npy would replace an input"},
		{"--accumulate-pred g.npy --grad-pred g.npy", "--grad-pred g.npy would replace an input"},
	} {
		t.Run(c.flags, func(t *testing.T) {
			stdout, stderr, code := call(append([]string{"eval", "a.npy", "b.npy"}, strings.Fields(c.flags)...)...)
			requireRefused(t, exitUsage, c.text, stdout, stderr, code)
		})
	}
}

// TestEvalRefusesOperands checks that files that do not fit are refused by an error that names flag, file and rule, and that nothing is
// written.
func TestEvalRefusesOperands(t *testing.T) {
	dir := small(t)
	before := names(t, dir)
	for _, c := range []struct {
		line string
		code int
		text string
	}{
		{"@p.npy @column.npy", 1, "column.npy has the shape [3], but DIR/p.npy has [2 3]: the shapes must be equal, nothing is broadcast without --broadcast"},
		{"@p.npy @four.npy --broadcast", 1, "--broadcast: DIR/four.npy has the shape [4], and DIR/p.npy [2 3]: their dimensions must be equal or 1"},
		{"@p.npy @column.npy --broadcast --grad-target=@g.npy", 1, "--grad-target DIR/g.npy: TARGET DIR/column.npy has the shape [3], which is repeated to [2 3]: its derivative would be a sum"},
		{"@column.npy @t.npy --broadcast --grad-pred=@g.npy", 1, "--grad-pred DIR/g.npy: PRED DIR/column.npy has the shape [3], which is repeated to [2 3]"},
		{"@column.npy @t.npy --broadcast --direction=@p.npy --second=@g.npy", 1, "--second DIR/g.npy: PRED DIR/column.npy has the shape [3], which is repeated to [2 3]"},
		{"@long.npy @high.npy --broadcast", 1, "--broadcast: DIR/long.npy and DIR/high.npy: "},
		{"@p.npy @t.npy --weight=@four.npy", 1, "--weight DIR/four.npy has the shape [4], which cannot be repeated to [2 3]: its dimensions must be equal or 1\n"},
		{"@p.npy @t.npy --weight=@row.npy", 1, "--weight DIR/row.npy has the shape [2], which cannot be repeated to [2 3]: its dimensions must be equal or 1; for one per row, save it with shape [2 1]\n"},
		{"@p.npy @t.npy --mask=@bytes.npy", 1, "--mask DIR/bytes.npy has the shape [2], which cannot be repeated to [2 3]: its dimensions must be equal or 1; for one per row, save it with shape [2 1]\n"},
		{"@p.npy @t.npy --beta-file=@row.npy", 1, "must be equal or 1; for one per row, save it with shape [2 1]\n"},
		{"@column.npy @column.npy --mask=@m.npy", 1, "--mask DIR/m.npy has the shape [2 3], which cannot be repeated to [3]"},
		{"@p.npy @t.npy --beta-file=@four.npy", 1, "--beta-file DIR/four.npy has the shape [4]"},
		{"@p.npy @t.npy --upstream=@row.npy --grad-pred=@g.npy", 1, "--upstream DIR/row.npy has the shape [2], which cannot be repeated to [2 3]: its dimensions must be equal or 1; for one per row, save it with shape [2 1]\n"},
		{"@p.npy @t.npy --rows --upstream=@column.npy --grad-pred=@g.npy", 1, "--upstream DIR/column.npy has the shape [3]"},
		{"@p.npy @t.npy --direction=@four.npy --second=@s.npy", 1, "--direction DIR/four.npy has the shape [4]"},
		{"@p.npy @t.npy --accumulate-pred=@four.npy --grad-pred=@g.npy", 1, "--accumulate-pred DIR/four.npy has the shape [4]"},
		{"@p.npy @t.npy --index=@i.npy", 1, "--index DIR/i.npy: DIR/t.npy has the shape [2 3], but with an index a row of TARGET has one element"},
		{"@p.npy @row.npy --index=@m.npy", 1, "--index DIR/m.npy holds bool, want integers: convert it with NumPy's astype"},
		{"@p.npy @row.npy --index=@row.npy", 1, "--index DIR/row.npy holds float32, want integers: convert it with NumPy's astype"},
		{"@p.npy @four.npy --index=@i.npy", 1, "DIR/four.npy has the shape [4], but DIR/p.npy has [2 3]: the shapes must be equal"},
		{"@p.npy @row.npy --index=@i.npy --weight=@column.npy", 1, "--weight DIR/column.npy has the shape [3], which cannot be repeated to [2 1]"},
		{"@one.npy @one.npy --index=@i.npy", 1, "--index DIR/i.npy chooses a column of PRED, but DIR/one.npy has no dimensions"},
		{"@one.npy @one.npy --rows", 1, "--rows: DIR/one.npy has no dimensions, and thus no rows"},
		{"@p.npy @t.npy --mask=@w.npy", 1, "--mask DIR/w.npy holds float32, want bool or integers: convert it with NumPy, such as by mask != 0"},
		{"@p.npy @t.npy --weight=@bits.npy", 1, "bits.npy holds uint16: say with --dtype bfloat16 that these are bit patterns"},
		{"@bits.npy @bits.npy", 1, "bits.npy holds uint16: say with --dtype bfloat16"},
		{"@p.npy @t.npy --divisor=1e-45 --grad-pred=@g.npy", 2, "--divisor 1e-45: 1/1e-45 is +Inf in float32, the arrays' type"},
		{"@p.npy @t.npy --divisor=1e60 --grad-pred=@g.npy --dtype=float16", 2, "--divisor 1e+60: 1/1e+60 is 0 in float32, the type that float16 is computed in"},
		{"@p.npy @t.npy --scale=1e60 --grad-pred=@g.npy --dtype=bfloat16", 2, "--scale 1e+60: is +Inf in float32, the type that bfloat16 is computed in"},
		{"@p.npy @t.npy --beta=1e-60 --dtype=float16", 2, "is 0 in float32"},
		{"@p.npy @t.npy --weight=@missing.npy", 1, "missing.npy: no such file or directory; check the path"},
		{"@p.npy @t.npy --second=@no/s.npy --direction=@p.npy", 1, "no such file or directory; check the path"},
	} {
		t.Run(c.line, func(t *testing.T) {
			stdout, stderr, code := evalIn(dir, c.line)
			requireRefused(t, c.code, c.text, stdout, strings.ReplaceAll(stderr, dir, "DIR"), code)
			assert.Equal(t, before, names(t, dir))
		})
	}
}

// TestEvalFlags checks what each flag does on arrays of which the results can be seen.
func TestEvalFlags(t *testing.T) {
	dir := small(t)
	// The losses of the elements are 0.5, 1.5, 0 and 3.5, 0, 2.5.
	for _, c := range []struct{ line, want string }{
		{"@p.npy @t.npy --reduction=sum", "8"},
		{"@p.npy @t.npy --reduction=sum --rows", "2 6"},
		{"@p.npy @t.npy --divisor=4", "2"},
		{"@p.npy @t.npy --divisor=elements --reduction=mean --rows --loss=l1", "1 2.3333333333333335"},
		{"@p.npy @t.npy --reduction=sum --loss=l1", "10"},
		{"@p.npy @t.npy --reduction=sum --loss=huber --delta=2", "12.5"}, // 0.5, 2, 0 and 6, 0, 4
		{"@p.npy @t.npy --mask=@m.npy --divisor=kept", "1.3333333333333333"},
		{"@p.npy @t.npy --mask=@m.npy --reduction=sum --rows", "0.5 3.5"},
		{"@p.npy @t.npy --mask=@none.npy --divisor=kept", "NaN"},
		{"@p.npy @t.npy --mask=@none.npy --divisor=kept --zero-if-empty", "0"},
		{"@p.npy @t.npy --mask=@none.npy --divisor=kept --zero-if-empty --rows", "0 0"},
		{"@p.npy @t.npy --weight=@w.npy --reduction=sum", "14"},
		{"@p.npy @t.npy --weight=@w.npy --divisor=weights", "1.5555555555555556"},
		{"@p.npy @t.npy --weight=@w.npy --divisor=weights --rows", "0.6666666666666666 2"},
		{"@p.npy @t.npy --weight=@column.npy --reduction=sum", "14.5"}, // 0.5, 3, 0 and 3.5, 0, 7.5
		{"@p.npy @t.npy --weight=@one.npy --reduction=sum", "64"},
		{"@p.npy @t.npy --beta-file=@column.npy --reduction=sum", "6.5"}, // 0.5, 1, 0 and 3.5, 0, 1.5
		{"@p.npy @column.npy --broadcast --reduction=sum --loss=l1", "9"},
		{"@p.npy @row.npy --index=@i.npy --reduction=sum --loss=l1", "23"}, // 10 − 3 and 20 − 4
		{"@p.npy @w.npy --index=@i.npy --reduction=sum --loss=l1 --rows", "2 2"},
	} {
		t.Run(c.line, func(t *testing.T) {
			stdout, stderr, code := evalIn(dir, c.line)
			require.Zero(t, code, stderr)
			require.Empty(t, stderr)
			require.Equal(t, strings.Fields(c.want), strings.Fields(stdout))
			stdout, _, _ = evalIn(dir, c.line+" --json")
			want := strings.ReplaceAll(strings.ReplaceAll(c.want, "NaN", `"NaN"`), " ", ",")
			if strings.Contains(c.line, "--rows") {
				want = "[" + want + "]"
			}
			require.True(t, strings.HasPrefix(stdout, `{"loss":`+want+`,"kind":`), stdout)
			require.Equal(t, strings.Contains(c.line, "beta-file"), strings.Contains(stdout, `"beta":null,`))
		})
	}
	stdout, stderr, code := evalIn(dir, "@p.npy @t.npy --rows --out=@o.npy")
	require.Zero(t, code, stderr)
	require.Empty(t, stdout, "the losses are in the file")
	requireSame(t, []float64{2.0 / 3, 2}, load[float64](t, filepath.Join(dir, "o.npy"), 2))
	stdout, _, _ = evalIn(dir, "@p.npy @t.npy --json --mask=@m.npy --divisor=kept --zero-if-empty --device=cpu")
	require.Contains(t, stdout, `"reduction":"mean","divisor":"kept, 0 if empty","divided_by":3,"count":6,`)
	require.Contains(t, stdout, fmt.Sprintf(`"files":{"mask":%q}}`, filepath.Join(dir, "m.npy")))
}

// TestEvalIndexOfAnyInteger chooses columns by indices of each integer type, and refuses those that are out of range.
func TestEvalIndexOfAnyInteger(t *testing.T) {
	dir := small(t)
	requireIndex[int8](t, dir, npy.Int8, -1)
	requireIndex[int16](t, dir, npy.Int16, -1, 1<<14)
	requireIndex[int32](t, dir, npy.Int32, -1, math.MaxInt32)
	requireIndex[int64](t, dir, npy.Int64, -1, 1<<32, math.MinInt64)
	requireIndex[uint8](t, dir, npy.Uint8, 255)
	requireIndex[uint16](t, dir, npy.Uint16, 1<<15)
	requireIndex[uint32](t, dir, npy.Uint32, 1<<31, 1<<32-1)
	requireIndex[uint64](t, dir, npy.Uint64, 1<<32, 1<<63, 1<<64-1)
}

func requireIndex[I integer](t *testing.T, dir string, dtype npy.DType, refused ...I) {
	const line = "@p.npy @row.npy --index=@index.npy --reduction=sum --loss=l1"
	saveAs(t, dir, "index.npy", dtype, []I{2, 0}, 2)
	stdout, stderr, code := evalIn(dir, line)
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	require.Equal(t, "23\n", stdout, "10 − 3 and 20 − 4")
	for _, x := range append(refused, 3) {
		saveAs(t, dir, "index.npy", dtype, []I{2, x}, 2)
		stdout, stderr, code = evalIn(dir, line)
		requireRefused(t, exitFailed, fmt.Sprintf("index.npy: the index of row 1 is %d, but PRED has 3 columns\n", x), stdout, stderr, code)
	}
}

// TestEvalUpstream gives a reduced loss upstream gradients of all shapes.
func TestEvalUpstream(t *testing.T) {
	dir := small(t)
	for _, c := range []struct {
		line string
		want []float32 // for the loss L1, reduced by sum, of p and 0: the upstream gradient of each element
	}{
		{"--upstream=@one.npy", []float32{8, 8, 8, 8, 8, 8}},
		{"--upstream=@w.npy", []float32{1, 1, 1, 2, 2, 2}},
		{"--upstream=@column.npy", []float32{1, 2, 3, 1, 2, 3}},
		{"--upstream=@p.npy", []float32{1, 2, 3, 4, 5, 6}},
		{"--rows --upstream=@row.npy", []float32{10, 10, 10, 20, 20, 20}},
		{"--rows --upstream=@w.npy", []float32{1, 1, 1, 2, 2, 2}},
		{"--rows --upstream=@one.npy", []float32{8, 8, 8, 8, 8, 8}},
		{"--scale=8", []float32{8, 8, 8, 8, 8, 8}},
	} {
		_, stderr, code := evalIn(dir, "@p.npy @zeros.npy --loss=l1 --reduction=sum --grad-pred=@g.npy --second=@s.npy --direction=@p.npy "+c.line)
		require.Zero(t, code, stderr)
		requireSame(t, c.want, load[float32](t, filepath.Join(dir, "g.npy"), 2, 3))
		requireSame(t, make([]float32, 6), load[float32](t, filepath.Join(dir, "s.npy"), 2, 3))
	}
}

// TestEvalShapesOfOutputs checks that a gradient has the shape of its array, and that what an index chooses has that of TARGET.
func TestEvalShapesOfOutputs(t *testing.T) {
	dir := small(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	_, stderr, code := evalIn(dir, "@p.npy @row.npy --index=@i.npy --grad-pred=@g.npy --grad-target=@h.npy --reduction=none --out=@o.npy --accumulate-pred=@t.npy")
	require.Zero(t, code, stderr)
	requireSame(t, []float32{0, 0, 2, -1, 5, 9}, load[float32](t, at("g.npy"), 2, 3))
	requireSame(t, []float32{1, 1}, load[float32](t, at("h.npy"), 2))
	requireSame(t, []float32{6.5, 15.5}, load[float32](t, at("o.npy"), 2))
	_, stderr, code = evalIn(dir, "@r.npy @column.npy --broadcast --grad-pred=@g.npy --grad-target=@h.npy --abs=@a.npy")
	require.Zero(t, code, stderr)
	load[float32](t, at("g.npy"), 1, 3)
	load[float32](t, at("h.npy"), 3)
	requireSame(t, []float32{7, 5, 3}, load[float32](t, at("a.npy"), 1, 3))
}
