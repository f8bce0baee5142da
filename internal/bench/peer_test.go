package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/difftest"
)

// asPython has the test binary stand in for Python with PyTorch; its value says how it behaves.
const asPython = "SMOOTHL1_TEST_AS_PYTHON"

func TestMain(m *testing.M) {
	if how := os.Getenv(asPython); how != "" {
		standIn(how)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const hello = `{"version": "9.9", "cuda": "", "device": "stand-in", "no_compile": ""}`

func standIn(how string) {
	switch how {
	case "missing":
		fmt.Println(`{"error": "python3 has no PyTorch"}`)
		return
	case "garbage":
		fmt.Println("Python 2.7")
		return
	case "dies":
		fmt.Fprintln(os.Stderr, "Traceback\nImportError: libcudart.so")
		os.Exit(1)
	}
	fmt.Println(hello)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var command struct{ Do, Op string }
		if err := json.Unmarshal(in.Bytes(), &command); err != nil {
			os.Exit(7)
		}
		switch {
		case how == "hangs" && command.Do == "sample":
			time.Sleep(time.Hour)
		case how == "no memory" && command.Do == "prepare":
			fmt.Println(`{"error": "OutOfMemoryError: CUDA out of memory"}`)
		case how == "dies later" && command.Do == "sample":
			fmt.Fprintln(os.Stderr, "Segmentation fault")
			os.Exit(139)
		case command.Do == "sample":
			fmt.Println(`{"device": 5000, "wall": 7000}`)
		case command.Do == "bits":
			fmt.Println(`{"error": "no bits here"}`)
		default:
			fmt.Println(`{}`)
		}
	}
}

// runWith measures a little with a stand-in for PyTorch.
func runWith(t *testing.T, ctx context.Context, how string) (*Result, []string, error) {
	t.Setenv(asPython, how)
	dev := open(t, gpu.CPU())
	var lines []string
	c := Config{Device: dev, Samples: 2, Rotate: 1, Python: os.Args[0], BitsSize: 0,
		Workloads: Sizes([]int{1000}, []smoothl1.DType{smoothl1.Float32}, []float64{1}),
		Report:    func(line string) { lines = append(lines, line) }}
	r, err := Run(ctx, c)
	return r, lines, err
}

// TestWithoutPyTorch measures all the same, and says why it is without.
func TestWithoutPyTorch(t *testing.T) {
	for how, why := range map[string]string{
		"missing": "PyTorch: python3 has no PyTorch",
		"garbage": `PyTorch: answer "Python 2.7\n"`,
		"dies":    "PyTorch: no answer: EOF: ImportError: libcudart.so",
	} {
		r, lines, err := runWith(t, t.Context(), how)
		require.NoError(t, err, how)
		assert.Contains(t, r.NoTorch, why)
		assert.Contains(t, lines[0], "without PyTorch: "+why)
		require.Len(t, r.Groups, 1)
		assert.Len(t, r.Groups[0].Entries, 6)
		assert.Nil(t, r.PyTorch)
	}
	r, err := Run(t.Context(), Config{Device: open(t, gpu.CPU()), Python: "/nowhere/python3"})
	require.NoError(t, err)
	assert.Contains(t, r.NoTorch, "no such file")
}

func TestPyTorchTakesTurns(t *testing.T) {
	t.Setenv(asPython, "well")
	p, err := startPeer(t.Context(), os.Args[0], "cpu")
	require.NoError(t, err)
	assert.Equal(t, PyTorch{"9.9", "", "stand-in", ""}, p.PyTorch)
	w := Workload{Shape: []int{10}, Loss: smoothl1.Loss{Beta: 1}}
	require.NoError(t, p.prepare(w, 1))
	all := p.contenders(w)
	require.Len(t, all, 8)
	entries, err := contest(t.Context(), all, 3)
	require.NoError(t, err)
	for _, e := range entries {
		assert.Equal(t, 5000.0, e.DeviceNS.Median)
		assert.Equal(t, 7000.0, e.NS.Median)
	}
	assert.Equal(t, Compiled, entries[7].Contender)
	assert.Equal(t, 120, entries[7].Bytes)
	p.PyTorch.Compiles = "no"
	assert.Len(t, p.contenders(w), 4)
	require.NoError(t, p.close())
}

func TestPyTorchFails(t *testing.T) {
	_, _, err := runWith(t, t.Context(), "well")
	require.ErrorContains(t, err, "no bits here")

	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	t.Setenv(asPython, "hangs")
	p, err := startPeer(ctx, os.Args[0], "cpu")
	require.NoError(t, err)
	_, err = contest(ctx, p.contenders(Workload{Shape: []int{1}}), 1)
	require.ErrorContains(t, err, "no answer", "the context ends the process")
	require.Error(t, p.close())

	t.Setenv(asPython, "no memory")
	p, err = startPeer(t.Context(), os.Args[0], "cpu")
	require.NoError(t, err)
	var refused refusal
	require.ErrorAs(t, p.prepare(Workload{Shape: []int{1}}, 1), &refused)
	require.NoError(t, p.close())

	t.Setenv(asPython, "dies later")
	p, err = startPeer(t.Context(), os.Args[0], "cpu")
	require.NoError(t, err)
	_, err = contest(t.Context(), p.contenders(Workload{Shape: []int{1}}), 1)
	require.ErrorContains(t, err, "Segmentation fault")
	require.Error(t, p.close())
}

// TestRealPyTorch runs the script with the PyTorch of this machine, on the CPU.
func TestRealPyTorch(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // it takes seconds, unless it hangs
	defer cancel()
	python := ""
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.CommandContext(ctx, name, "-c", "import torch, numpy").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("there is no python3 with PyTorch")
	}
	dev := open(t, gpu.CPU())
	r, err := Run(ctx, Config{Device: dev, Samples: 2, Rotate: 1, Python: python, BitsSize: 1003,
		Workloads: []Workload{Named()[0], {Shape: []int{3, 5}, DType: smoothl1.Float64, Loss: smoothl1.Loss{Kind: smoothl1.Huber, Beta: 1, Reduction: smoothl1.Sum}}}})
	require.NoError(t, err)
	require.NotNil(t, r.PyTorch, r.NoTorch)
	compiled := 0
	if r.PyTorch.Compiles == "" {
		compiled = 4
	}
	for _, g := range r.Groups {
		require.Len(t, g.Entries, 6+4+compiled)
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
	assert.True(t, strings.HasPrefix(BitsSummary(r.Bits), "pytorch's gradients: "))
}

func TestCompareRow(t *testing.T) {
	// One equal, one zero of the other sign, one next to it.
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
