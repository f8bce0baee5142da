package difftest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/memory"
)

// wrongAt returns a target whose second column is wrong in the cases for which wrong returns true.
func wrongAt(wrong func(Case) bool) Target {
	spoil := Column{"spoilt", func(c Case, x *Arrays) (float64, error) {
		value, err := Fallback().run(c, x)
		if wrong(c) {
			value = -1
		}
		return value, err
	}}
	return Target{Limit: 100, workers: 3, open: func(uint64, int) (*opened, error) {
		return &opened{columns: []Column{Fallback(), spoil}, close: func() error { return nil }}, nil
	}}
}

func TestSweepCountsMismatches(t *testing.T) {
	wrong := func(c Case) bool { return c.N%17 == 3 }
	s := Sweep{Seed: 3, First: 40, Cases: 700, Target: wrongAt(wrong)}
	var want []int
	elements := 0
	for i := 40; i < 740; i++ {
		if wrong(s.Case(i)) {
			want = append(want, i)
		}
		elements += s.Case(i).Elements()
	}
	require.Greater(t, len(want), keptFailures)
	steps := 0
	s.Progress = func() { steps++ }
	got, err := s.Run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 700, steps)
	assert.Equal(t, 700, got.Done)
	assert.Equal(t, len(want), got.Mismatches())
	assert.Equal(t, []Tally{{"cpu", 700, elements, 0}, {"spoilt", 700, elements, len(want)}}, got.Columns)
	require.Len(t, got.Failures, keptFailures)
	for i, f := range got.Failures {
		assert.Equal(t, want[i], f.Index)
		var m *Mismatch
		require.ErrorAs(t, f.Err, &m)
		assert.Equal(t, s.Case(f.Index), m.Case)
		first, cases := f.Block()
		assert.Equal(t, 0, first%Block)
		assert.Equal(t, f.Index, first+cases-1)
	}
	total := 0
	for _, c := range got.Sizes {
		total += c.Cases
	}
	assert.Equal(t, 700, total)
}

func TestSweepRunsAllFixedCases(t *testing.T) {
	s := Sweep{Target: OnSim()}
	seen := map[string]int{}
	for i := range 5 * Fixed() {
		if i%5 == 4 {
			seen[s.Case(i).String()]++
		}
	}
	for _, c := range slices.Concat(Table(), Corners(), Deep()) {
		seen[c.String()]--
	}
	for c, n := range seen {
		require.Zero(t, n, c)
	}
}

func TestSweepStops(t *testing.T) {
	s := Sweep{Cases: 5000, Target: wrongAt(func(Case) bool { return false })}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	steps := 0
	s.Progress = func() {
		if steps++; steps == 300 {
			cancel()
		}
	}
	got, err := s.Run(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, steps, got.Done)
	assert.Less(t, got.Done, 310)

	broken := errors.New("broken")
	s.Progress = nil
	s.Target.open = func(uint64, int) (*opened, error) { return nil, broken }
	_, err = s.Run(t.Context())
	require.ErrorIs(t, err, broken)

	s.Cases = 3
	s.Target.open = func(uint64, int) (*opened, error) {
		return &opened{columns: []Column{Fallback()}, close: func() error { return broken }}, nil
	}
	got, err = s.Run(t.Context())
	require.ErrorIs(t, err, broken, "a fault that only closing shows")
	assert.Equal(t, 3, got.Done)
}

// TestTargets runs a few cases on each target that needs no GPU.
func TestTargets(t *testing.T) {
	cpus := []string{Fallback().Name}
	for _, column := range OtherSets() {
		cpus = append(cpus, column.Name)
	}
	for _, c := range []struct {
		target  Target
		columns []string
	}{{OnSim(), []string{"sim"}}, {OnTheCPU(), append(cpus, "gpu on the CPU")}} {
		s := Sweep{Seed: 9, Cases: 60, Target: c.target}
		got, err := s.Run(t.Context())
		require.NoError(t, err)
		var names []string
		for _, column := range got.Columns {
			names = append(names, column.Column)
			assert.Equal(t, 60, column.Cases)
		}
		assert.Equal(t, c.columns, names)
		assert.Equal(t, c.target.Name == "sim", got.Coverage != nil)
		require.NoError(t, c.target.Run(s.Case(7), 1))
	}
}

func TestCheckOfCases(t *testing.T) {
	for i := range 500 {
		require.NoError(t, Random(3, i, 1000).Check())
	}
	for _, c := range slices.Concat(Table(), Corners(), Deep()) {
		require.NoError(t, c.Check())
	}
	for _, text := range []string{
		"op=forward,n=-1", "op=forward,n=999999999999", "op=forward,n=3,beta=-1", "op=forward,n=3,count=-1", "op=backward,n=3",
		"op=forward,n=3,shift=-1", "op=forward,n=3,reduction=none", "op=forward,rows=-1,cols=2", "op=forward,rows=99999999,cols=99999999",
		"op=forward,rows=3,cols=2,actions=2",
		"op=forward,n=3,blocks=99999999999",
	} {
		c, err := Parse(text)
		require.NoError(t, err, text)
		require.Error(t, c.Check(), text)
	}
}

// TestCaseLargerThanMemory runs the largest case in too little memory, which must be an error before the system kills the process.
func TestCaseLargerThanMemory(t *testing.T) {
	c := Case{Op: ForwardBackward, DType: smoothl1.Float64, N: 1 << 28, Grads: GradPred, Upstream: 1}
	c.Loss.Beta = 1
	require.NoError(t, c.Check())
	if memory.Check(1<<35) == nil {
		t.Skip("a machine on which it fits")
	}
	err := OnTheCPU().Run(c, 1)
	require.ErrorIs(t, err, smoothl1.ErrMemory)
	require.ErrorContains(t, err, "difftest: n=268435456: out of memory: it needs ")
}
