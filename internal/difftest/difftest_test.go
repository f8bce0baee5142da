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
	replayCase   = flag.String("case", "", "the case that TestReplay runs, as a failure prints it")
	replayColumn = flag.String("column", "", "the column that TestReplay runs the case in")
)

// columns returns the implementations that this machine can run against the reference.
func columns(t *testing.T) []Column {
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, dev.Close()) })
	return []Column{Fallback(), On("gpu on the CPU", dev)}
}

func TestTable(t *testing.T) {
	for _, column := range columns(t) {
		t.Run(column.Name, func(t *testing.T) {
			for _, c := range Table() {
				require.NoError(t, Run(c, column, Reference()))
			}
		})
	}
}

func TestRandom(t *testing.T) {
	for _, column := range columns(t) {
		t.Run(column.Name, func(t *testing.T) {
			for i := range 500 {
				require.NoError(t, Run(Random(1, i, 200_000), column, Reference()))
			}
		})
	}
}

// TestLarge needs a third level of the canonical sum.
func TestLarge(t *testing.T) {
	for _, column := range columns(t)[:1] {
		for _, n := range []int{2048*2048 - 1, 2048 * 2048, 2048*2048 + 1} {
			c := Case{Op: Forward, Loss: smoothl1.Loss{Beta: 0.1}, N: n, Seed: uint64(n)}
			require.NoError(t, Run(c, column, Reference()))
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
