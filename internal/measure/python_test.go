package measure

import (
	"context"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// asPython makes the test binary stand in for Python with its libraries; its value is the behaviour. hanging names a folder that stand-ins
// that hang leave a file in.
const (
	asPython = "SMOOTHL1_TEST_AS_PYTHON"
	hanging  = "SMOOTHL1_TEST_HANGING"
)

func TestMain(m *testing.M) {
	if how := os.Getenv(asPython); how != "" {
		standIn(how)
		os.Exit(0)
	}
	os.Setenv("OMP_NUM_THREADS", "1") // PyTorch's threads spin, and would occupy all processors
	os.Exit(m.Run())
}

// whenHanging replaces the passing of time: it calls a function when a stand-in begins to hang, however slow the machine is. timeUp is what
// would be called when the time is up.
func whenHanging(t *testing.T, do func(timeUp func())) {
	t.Setenv(hanging, t.TempDir())
	old := afterFunc
	t.Cleanup(func() { afterFunc = old })
	afterFunc = func(c *exec.Cmd, _ time.Duration, timeUp func()) (stop func() bool) {
		stopped := make(chan struct{})
		go func() {
			for {
				select {
				case <-stopped:
					return
				case <-time.After(2 * time.Millisecond):
				}
				if _, err := os.Stat(hangs(c.Process.Pid)); err == nil {
					do(timeUp)
					return
				}
			}
		}()
		return func() bool { close(stopped); return true }
	}
}

// runWith measures a small workload with a stand-in for Python.
func runWith(t *testing.T, ctx context.Context, how string) (*Result, []string, error) {
	t.Setenv(asPython, how)
	dev := open(t, gpu.CPU())
	var lines []string
	c := Config{Device: dev, Samples: 2, Rotate: 1, Python: os.Args[0],
		Workloads: Sizes([]int{1000}, []smoothl1.DType{smoothl1.Float32}, []float64{1}),
		Report:    func(line string) { lines = append(lines, line) }}
	r, err := Run(ctx, c)
	return r, lines, err
}

// TestWithoutPyTorch checks that the rest is measured, and that the result says why there is no PyTorch.
func TestWithoutPyTorch(t *testing.T) {
	for how, why := range map[string]string{
		"missing": "python3 has no PyTorch",
		"garbage": `answer "Python 2.7\n"`,
		"dies":    "no answer: EOF: ImportError: libcudart.so",
	} {
		r, lines, err := runWith(t, t.Context(), how)
		require.NoError(t, err, how)
		assert.Len(t, r.Peers, 1, "its variants are not mentioned")
		assert.Contains(t, r.Absent(Eager), why)
		assert.Contains(t, lines[0], "without pytorch: "+why)
		require.Len(t, r.Groups, 1)
		assert.Len(t, r.Groups[0].Entries, 6)
		assert.Nil(t, r.Peer(Eager))
	}
	r, err := Run(t.Context(), Config{Device: open(t, gpu.CPU()), Python: "/nowhere/python3"})
	require.NoError(t, err)
	assert.Contains(t, r.Absent(Eager), "no such file")
	_, err = startPeer(t.Context(), os.Args[0], "cpu", "fortran", time.Minute)
	require.ErrorContains(t, err, `there is no contender "fortran"`)
}

// TestPeersOn checks the lists of contenders by device.
func TestPeersOn(t *testing.T) {
	assert.Equal(t, []string{Eager, Compiled, Preallocated}, PeersOn("cpu"))
	assert.Equal(t, []string{Eager, Compiled, Whole, Graphed}, PeersOn("cuda"))
	files, err := os.ReadDir("peers")
	require.NoError(t, err)
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".py")
		assert.Contains(t, append(PeersOn("cpu"), PeersOn("cuda")...), name, "a file whose contenders take part nowhere")
	}
}

func TestPyTorchTakesTurns(t *testing.T) {
	t.Setenv(asPython, "well")
	p, err := startPeer(t.Context(), os.Args[0], "cpu", Eager, time.Minute)
	require.NoError(t, err)
	assert.Equal(t, hello{Peer{Contender: Eager, Version: "9.9", Device: "stand-in"}, true, nil}, p.hello)
	w := Workload{Shape: []int{10}, Loss: smoothl1.Loss{Beta: 1}}
	require.NoError(t, p.prepare(w, 1, 64, "", nil))
	var all []*contender
	for _, o := range w.operations() {
		all = append(all, p.contender(&o, w, 7))
	}
	all[0].every = 3
	entries, rounds, err := contest(t.Context(), all, 5, never, nil)
	require.NoError(t, err)
	assert.Equal(t, 5, rounds)
	for i, e := range entries {
		assert.Equal(t, 5000.0, e.DeviceNS.Median)
		assert.Equal(t, 7000.0, e.NS.Median)
		assert.Equal(t, map[bool]int{true: 2}[i == 0], e.Samples, "rounds 0 and 3 of five; others are in all")
	}
	assert.Equal(t, Eager, entries[3].Contender)
	assert.Equal(t, 120, entries[3].Bytes)
	require.NoError(t, p.close())
	assert.NoDirExists(t, p.scratch)
}

// TestPyTorchFails checks that if a part of PyTorch fails, the rest of it and our operations are measured all the same.
func TestPyTorchFails(t *testing.T) {
	const ours, each = 6, 4
	const what = " on 1000 elements of float32: "
	whenHanging(t, func(timeUp func()) { timeUp() })
	for how, want := range map[string]struct {
		entries int
		left    string // the first that is left out
		compile string
	}{
		"well":                            {ours + 3*each, "", ""},
		"does not compile":                {ours + 2*each, "", "torch.compile failed: no compiler"},
		"compiler hangs":                  {ours + 2*each, "", "no answer within 2m0s"},
		"compiling hangs":                 {ours + 2*each, "pytorch, compiled, forward none" + what + "no answer within 2m0s", ""},
		"hangs":                           {ours, "pytorch, forward none" + what + "no answer within 2m0s", ""},
		"no memory":                       {ours, "pytorch" + what + "OutOfMemoryError: CUDA out of memory", ""},
		"no memory for the backward pass": {ours + 3*(each-1), "pytorch, backward" + what + "OutOfMemoryError: CUDA out of memory", ""},
		"dies later":                      {ours, "pytorch, forward none" + what + "no answer: EOF: Segmentation fault", ""},
		"has a wrong loss":                {ours + 3*(each-1), "pytorch, forward" + what + "wrong answer: the loss is 17, ours ", ""},
		"has no loss":                     {ours + 3*(each-1), "pytorch, forward" + what + "wrong answer: there is no loss", ""},
		"has wrong terms":                 {ours + 3*(each-1), "pytorch, forward none" + what + "wrong answer: element 0 is 0, ours ", ""},
	} {
		t.Run(how, func(t *testing.T) {
			r, _, err := runWith(t, t.Context(), how)
			require.NoError(t, err)
			require.Len(t, r.Groups, 1)
			if strings.Contains(want.left, "wrong answer") && runtime.GOOS != "linux" {
				return // nothing is shared, so there is nothing to see
			}
			assert.Len(t, r.Groups[0].Entries, want.entries)
			assert.Equal(t, want.compile, r.Absent(Compiled))
			if want.left == "" {
				assert.Empty(t, r.Left)
			} else if assert.NotEmpty(t, r.Left) {
				assert.Contains(t, r.Left[0], want.left)
			}
		})
	}
}

// TestPyTorchHasNoBits checks that measuring goes on if the comparison of bits fails.
func TestPyTorchHasNoBits(t *testing.T) {
	t.Setenv(asPython, "well")
	r, err := Run(t.Context(), Config{Device: open(t, gpu.CPU()), Samples: 1, Rotate: 1, Python: os.Args[0], BitsSize: 10,
		Workloads: Sizes([]int{100}, []smoothl1.DType{smoothl1.Float32}, []float64{1})})
	require.NoError(t, err)
	assert.Empty(t, r.Bits)
	assert.Contains(t, r.Left[0], "pytorch's bits of op=forward_terms,dtype=float32,loss=smooth_l1,beta=1,reduction=none,n=10,data=normal,seed=11: no bits here")
	assert.Len(t, r.Groups, 1)
}

// TestEnds checks that PyTorch's process ends with the context.
func TestEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	whenHanging(t, func(func()) { cancel() })
	_, _, err := runWith(t, ctx, "hangs")
	require.ErrorIs(t, err, context.Canceled)
}

// TestFor checks that a run leaves out what it has no time for, and saves the result each time that it has grown.
func TestFor(t *testing.T) {
	var groups []int
	r, err := Run(t.Context(), Config{Device: open(t, gpu.CPU()), Samples: 1_000_000, Rotate: 1, For: 300 * time.Millisecond,
		Workloads: Sizes([]int{100, 200, 300}, []smoothl1.DType{smoothl1.Float32}, []float64{1}),
		Save:      func(r *Result) error { groups = append(groups, len(r.Groups)); return nil }})
	require.NoError(t, err)
	require.Len(t, r.Groups, 1)
	assert.Positive(t, r.Groups[0].Samples)
	assert.Less(t, r.Groups[0].Samples, 1_000_000)
	assert.Equal(t, []string{"200 elements of float32: time was up", "300 elements of float32: time was up"}, r.Left)
	assert.Equal(t, []int{0, 1, 1, 1, 1}, groups)
	_, err = Run(t.Context(), Config{Device: open(t, gpu.CPU()), Save: func(*Result) error { return os.ErrPermission }})
	require.ErrorIs(t, err, os.ErrPermission)
}

// realPython returns a Python that has PyTorch, or skips the test.
func realPython(t *testing.T, ctx context.Context) string {
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.CommandContext(ctx, name, "-c", "import importlib.util as i, sys; sys.exit(i.find_spec('torch') is None)").Run() == nil {
			return name
		}
	}
	t.Skip("there is no python3 with PyTorch")
	return ""
}

// TestRealPyTorch runs the script with this machine's PyTorch, on the CPU.
func TestRealPyTorch(t *testing.T) {
	testkit.NeedsLong(t)
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // it takes seconds, unless it hangs
	defer cancel()
	python := realPython(t, ctx)
	dev := open(t, gpu.CPU())
	r, err := Run(ctx, Config{Device: dev, Samples: 2, Rotate: 1, Python: python, BitsSize: 1003,
		Workloads: []Workload{Named()[0], {Shape: []int{3, 5}, DType: smoothl1.Float64, Loss: smoothl1.Loss{Kind: smoothl1.Huber, Beta: 1, Reduction: smoothl1.Sum}}}})
	require.NoError(t, err)
	require.NotNil(t, r.Peer(Eager), r.Absent(Eager))
	each := 2 * 4
	if r.Peer(Compiled) != nil {
		each += 4
	}
	for _, g := range r.Groups {
		require.Len(t, g.Entries, 6+each, r.Left)
	}
	terms := 0
	for _, row := range r.Bits {
		if row.What == "terms" {
			terms++
			assert.Zero(t, row.Different, "%+v", row)
		} else if row.Beta > 0 && row.Contender == Eager && row.Data == "normal" {
			assert.LessOrEqual(t, row.MaxULPs, uint64(4), "%+v", row)
		}
		assert.Equal(t, 1003, row.Elements)
	}
	assert.Equal(t, 3*6*2, terms)
	assert.True(t, strings.HasPrefix(BitsSummary(r.Bits), "pytorch's loss terms: "))
}

func TestCompareRow(t *testing.T) {
	// One equal, one zero with the other sign, one that differs by one ULP.
	row := BitsRow{What: "grad_pred"}
	zero := 0.0
	in := inputsOf(4)
	require.NoError(t, compareRow(&row, []float64{1, zero, 3, 4}, []float64{1, math.Copysign(0, -1), 3.0000000000000004, 4}, in))
	assert.Equal(t, 4, row.Elements)
	assert.Equal(t, 2, row.Different, "%+v", row)
	assert.Equal(t, 1, row.ZeroSigns)
	assert.EqualValues(t, 1, row.MaxULPs)
	assert.Contains(t, row.First, "element 2: ")
	require.Error(t, compareRow(&row, []float64{1}, nil, in))
}

func inputsOf(n int) difftest.Inputs[float64] {
	return difftest.Inputs[float64]{Pred: make([]float64, n), Target: make([]float64, n)}
}
