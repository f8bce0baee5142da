package difftest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/sim"
)

var (
	resultsFile  = flag.String("results", "", "write what was run, and on which device, to this JSON file")
	seed         = flag.Uint64("seed", 1, "of the random cases, and of what the simulated device draws")
	ptxFiles     = flag.String("ptx", "", "further PTX files, separated by commas, to run on simulated devices")
	replayCase   = flag.String("case", "", "the case that TestReplay runs, as a failure prints it")
	replayColumn = flag.String("column", "", "the column that TestReplay runs the case in")
	onlyColumn   = flag.String("only", "", "leave out all columns but this one")
	limit        = flag.Duration("for", 0, "leave out the cases that are not begun after this time; 0: none")
)

// columns returns the implementations that this machine can run against the reference: the fallback, with each instruction
// set, gpu on the CPU, gpu on simulated devices, and gpu on CUDA where there is a device.
func columns(t *testing.T) []Column {
	all := append([]Column{Fallback()}, OtherSets()...)
	add := func(name string, choice gpu.OpenOption) {
		dev, err := gpu.Open(choice)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, dev.Close()) })
		all = append(all, On(name, dev))
	}
	add("gpu on the CPU", gpu.CPU())
	add("sim", gpu.On(sim.New(sim.Seed(*seed))))
	for _, file := range strings.FieldsFunc(*ptxFiles, func(r rune) bool { return r == ',' }) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		add("sim with "+filepath.Base(file), gpu.On(Modified{Device: sim.New(sim.Seed(*seed)), PTX: string(text)}))
	}
	if dev, err := gpu.Open(gpu.CUDA(0)); err == nil {
		require.NoError(t, dev.Close())
		add("CUDA", gpu.CUDA(0))
	} else {
		require.ErrorIs(t, err, smoothl1.ErrNoCUDA, "a CUDA device that does not work is not the same as none")
	}
	if *onlyColumn != "" {
		all = slices.DeleteFunc(all, func(c Column) bool { return c.Name != *onlyColumn })
		require.NotEmptyf(t, all, "there is no column %q here", *onlyColumn)
	}
	return all
}

// hold runs the case in the column and against the reference, and takes it down for the results.
func hold(t *testing.T, c Case, column Column) {
	t.Helper()
	if timeIsUp() {
		return
	}
	err := Run(c, column, Reference())
	failed := record(column.Name, c, err)
	if assert.NoError(t, err); failed >= 10 {
		t.FailNow() // it is known by now what is wrong
	}
}

func TestTable(t *testing.T) {
	for _, column := range columns(t) {
		t.Run(column.Name, func(t *testing.T) {
			cases, first := Ordered()
			for i, c := range cases {
				if testing.Short() && i >= first && i%16 != 0 {
					continue // a tool looks over the kernels' shoulder, and slows them a hundredfold
				}
				hold(t, c, column)
			}
		})
	}
}

func TestRandom(t *testing.T) {
	for _, column := range columns(t) {
		t.Run(column.Name, func(t *testing.T) {
			cases := 500
			if testing.Short() {
				cases = 100
			}
			for i := range cases {
				hold(t, Random(*seed, i, 200_000), column)
			}
		})
	}
}

// TestLarge needs a third level of the canonical sum.
func TestLarge(t *testing.T) {
	for _, column := range columns(t) {
		counts := []int{2048*2048 + 1, 2048 * 2048, 2048*2048 - 1}
		if testing.Short() {
			counts = counts[:1]
		}
		for _, n := range counts {
			c := Case{Op: Forward, Loss: smoothl1.Loss{Beta: 0.1}, N: n, Seed: uint64(n)}
			hold(t, c, column)
		}
	}
}

// TestLevels runs on simulated devices what no other implementation has places for.
func TestLevels(t *testing.T) {
	if testing.Short() {
		t.Skip("70 million elements")
	}
	for _, column := range columns(t) {
		if strings.HasPrefix(column.Name, "sim") || column.Name == "CUDA" {
			for _, c := range Levels() {
				hold(t, c, column)
			}
		}
	}
}

func TestReplay(t *testing.T) {
	if *replayCase == "" {
		return // nothing to run again
	}
	c, err := Parse(*replayCase)
	require.NoError(t, err)
	ran := false
	for _, column := range columns(t) {
		if *replayColumn == "" || *replayColumn == column.Name {
			assert.NoError(t, Run(c, column, Reference()))
			ran = true
		}
	}
	require.Truef(t, ran, "no column %q", *replayColumn)
}

// TestOrdered sees each kernel early, on aligned and on unaligned arrays, and loses no case.
func TestOrdered(t *testing.T) {
	cases, first := Ordered()
	require.Equal(t, 2*kernels.Entries, first)
	for round := range 2 {
		early := map[string]bool{}
		for _, c := range cases[round*kernels.Entries:][:kernels.Entries] {
			early[c.Kernel()] = true
			assert.Equal(t, round == 1, c.Shift != 0)
			assert.Greater(t, c.N, cpu.Chunk)
		}
		assert.Len(t, early, kernels.Entries)
	}
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
	for i := range 200 {
		c := Random(7, i, 1000)
		if !c.Op.HasGradients() { // what the operation does not use is not printed
			c.Grads, c.Upstream, c.Elementwise = 0, 0, false
		} else if c.Elementwise {
			c.Upstream = 0
		}
		got, err := Parse(c.String())
		require.NoError(t, err)
		require.Equal(t, c, got)
	}
	for _, text := range []string{"", "op", "op=fold", "n=many", "data=none", "key=1"} {
		_, err := Parse(text)
		require.Error(t, err, text)
	}
}
