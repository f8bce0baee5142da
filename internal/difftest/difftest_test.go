package difftest

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

var (
	resultsFile  = flag.String("results", "", "write what was run, and on which device, to this JSON file")
	replayCase   = flag.String("case", "", "the case that TestReplay runs, as a failure prints it")
	replayColumn = flag.String("column", "", "the column that TestReplay runs the case in")
)

// columns returns the implementations that this machine can run against the reference: CUDA too where there is a device.
func columns(t *testing.T) []Column {
	open := func(choice gpu.OpenOption) *gpu.Device {
		dev, err := gpu.Open(choice)
		if err != nil {
			return nil
		}
		t.Cleanup(func() { assert.NoError(t, dev.Close()) })
		return dev
	}
	all := []Column{Fallback(), On("gpu on the CPU", open(gpu.CPU()))}
	if dev := open(gpu.CUDA(0)); dev != nil {
		all = append(all, On("CUDA", dev))
	}
	return all
}

// hold runs the case in the column and against the reference, and takes it down for the results.
func hold(t *testing.T, c Case, column Column) {
	t.Helper()
	err := Run(c, column, Reference())
	record(column.Name, c, err)
	require.NoError(t, err)
}

func TestTable(t *testing.T) {
	for _, column := range columns(t) {
		t.Run(column.Name, func(t *testing.T) {
			for i, c := range Table() {
				if testing.Short() && i%16 != 0 {
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
			for i := range 500 {
				hold(t, Random(1, i, 200_000), column)
			}
		})
	}
}

// TestLarge needs a third level of the canonical sum.
func TestLarge(t *testing.T) {
	for _, column := range columns(t) {
		for _, n := range []int{2048*2048 - 1, 2048 * 2048, 2048*2048 + 1} {
			c := Case{Op: Forward, Loss: smoothl1.Loss{Beta: 0.1}, N: n, Seed: uint64(n)}
			hold(t, c, column)
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
