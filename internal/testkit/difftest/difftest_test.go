package difftest

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/sim"
)

var (
	resultsFile  = flag.String("results", "", "write what was run, and on which device, to this JSON file")
	seed         = flag.Uint64("seed", 1, "of the random cases, and of what the simulated device draws")
	ptxFolders   = flag.String("ptx", "", "folders of further PTX files, separated by commas, to run on simulated devices")
	replayCase   = flag.String("case", "", "the case that TestReplay runs, as a failure prints it")
	replayColumn = flag.String("column", "", "the column that TestReplay runs the case in")
	onlyColumn   = flag.String("only", "", "leave out all columns but this one")
	limit        = flag.Duration("for", 0, "begin no more cases after this time; 0: no limit")
)

// hold compares the case in the columns with the reference, and records the outcome in the results.
func hold(t *testing.T, c Case, columns []Column) {
	t.Helper()
	if timeIsUp() {
		return
	}
	for i, err := range RunAll(c, columns, Reference()) {
		failed := record(columns[i].Name, c, err)
		if assert.NoError(t, err); failed >= 10 {
			t.FailNow() // more failures would add nothing
		}
	}
}

// plain reports whether a case is for the lean kernels of float32 or float64.
func plain(c Case) bool { return c.Lean() && c.DType <= smoothl1.Float64 }

// TestTable runs a part of the fixed cases, with some for each kernel. With -long it runs all of those of lean kernels in float32 and
// float64, and checks that the simulated devices have executed all of the PTX that can be executed.
func TestTable(t *testing.T) {
	all, simulated := columns(t)
	cases, first := Ordered()
	every := 12 // of neighbours, which have little in common
	if testing.Short() {
		every = 16 // a tool such as compute-sanitizer slows the kernels down a hundredfold
	}
	for i, c := range cases {
		if i >= first && i%every != 0 && !(testkit.Long() && plain(c)) {
			continue
		}
		hold(t, c, all)
	}
	if !testkit.Long() {
		return
	}
	for i, c := range Deep() {
		if plain(c) || i%8 == 1 {
			hold(t, c, onDevices(all))
		}
	}
	if *onlyColumn != "" || timeIsUp() {
		return
	}
	var coverage sim.Coverage
	for _, d := range simulated {
		coverage = coverage.Merge(d.Coverage())
	}
	holdCoverage(t, coverage)
}

func TestRandom(t *testing.T) {
	all, _ := columns(t)
	cases := 100
	if testkit.Long() {
		cases = 1000
	}
	for i := range cases {
		hold(t, Random(*seed, i, 200_000), all)
	}
}

// TestWild runs the cases with an index out of range, which devices report afterwards.
func TestWild(t *testing.T) {
	all, _ := columns(t)
	for _, c := range Wild() {
		hold(t, c, onDevices(all))
	}
	c := Wild()[0]
	c.Wild = false
	for _, d := range onDevices(all) {
		unreported := Column{d.Name, func(k Case, x *Arrays) (float64, error) {
			k.Wild = true
			return d.run(k, x)
		}}
		require.ErrorContains(t, Run(c, unreported, Reference()), "the index is not reported")
	}
}

// TestSignificands divides all significands of float32 by some values of beta.
func TestSignificands(t *testing.T) {
	testkit.NeedsLong(t)
	all, _ := columns(t)
	for _, c := range significandCases() {
		hold(t, c, onDevices(all))
	}
}

// TestLarge has barely enough elements for a third level of the canonical sum, as does TestContractOfLargeArrays.
func TestLarge(t *testing.T) {
	testkit.NeedsLong(t)
	all, _ := columns(t)
	for _, n := range []int{2048*2048 + 1, 2048 * 2048, 2048*2048 - 1} {
		hold(t, Case{Op: Forward, Loss: smoothl1.Loss{Beta: 0.1}, N: n, Seed: uint64(n)}, all)
	}
}

// TestLevels runs the cases of Levels, which matter only for devices.
func TestLevels(t *testing.T) {
	testkit.NeedsLong(t)
	all, _ := columns(t)
	for i, c := range Levels() {
		if plain(c) || i%24 == 0 {
			hold(t, c, onDevices(all))
		}
	}
}

func TestReplay(t *testing.T) {
	if *replayCase == "" {
		return // no case was given
	}
	c, err := Parse(*replayCase)
	require.NoError(t, err)
	ran := false
	all, _ := columns(t)
	for _, column := range all {
		if *replayColumn == "" || *replayColumn == column.Name {
			assert.NoError(t, Run(c, column, Reference()))
			ran = true
		}
	}
	require.Truef(t, ran, "no column %q", *replayColumn)
}

// TestOrdered checks that Ordered begins with each kernel, on aligned and on unaligned arrays, and loses no case.
func TestOrdered(t *testing.T) {
	cases, first := Ordered()
	early := [2]map[kernels.Variant]bool{{}, {}}
	for _, c := range cases[:first] {
		assert.Greater(t, c.N, cpu.Chunk)
		for _, v := range c.Variants() {
			early[min(c.Shift, 1)][v] = true
		}
	}
	assert.Len(t, early[0], len(kernels.All()))
	assert.Len(t, early[1], len(kernels.All()))
	assert.LessOrEqual(t, first, 2*len(kernels.All()))
	text := func(cases []Case) (all []string) {
		for _, c := range cases {
			all = append(all, fmt.Sprintf("%+v", c))
		}
		slices.Sort(all)
		return slices.Compact(all) // a case can be in both tables
	}
	assert.Equal(t, text(slices.Concat(Table(), Corners())), text(cases))
}

func TestCaseIsReadBackFromItsText(t *testing.T) {
	cases := Wild()
	for i := range 200 {
		cases = append(cases, Random(7, i, 1000))
	}
	for _, c := range cases {
		if !c.Op.Differentiates() { // String omits what the operation does not use
			c.Grads, c.Upstream, c.Elementwise = 0, 0, false
		} else if c.Elementwise {
			c.Upstream = 0
		}
		got, err := Parse(c.String())
		require.NoError(t, err)
		require.Equal(t, c, got)
	}
	for _, text := range []string{"", "op", "op=forward", "op=fold,n=1", "n=many", "n=1,data=none", "n=1,key=1"} {
		_, err := Parse(text)
		require.Error(t, err, text)
	}
}
