package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

func TestVerify(t *testing.T) {
	for _, c := range []struct{ device, text string }{
		{"sim", `^device: simulated, executing the kernels' PTX

 +column +cases +elements +mismatches *
 +sim +60 +\d+ +0 *

 +elements of an array +cases *
( +(\d+|\d+ to \d+) +\d+ *
)+
PTX: \d+ of \d+ instructions executed, \d+ of \d+ branches both ways
$`},
		{"cpu", `^device: CPU .*(?s:.*)\n +cpu +60 +\d+ +0 *\n( +cpu with \w+ +60 +\d+ +0 *\n)* +gpu on the CPU +60 +\d+ +0 *\n`},
	} {
		stdout, stderr, code := call("verify", "--device", c.device, "--cases", "60", "--first", "240", "--seed", "5")
		require.Zero(t, code, stderr)
		assert.Empty(t, stderr)
		assert.Regexp(t, c.text, stdout)
	}
	stdout, _, code := call("verify", "--device", "sim", "--cases", "3", "--missed")
	require.Zero(t, code)
	assert.Contains(t, stdout, "never taken: ", "three cases do not cover the PTX")
}

func TestVerifyOneCase(t *testing.T) {
	const text = "op=forward,dtype=float32,loss=smooth_l1,beta=1,reduction=mean,n=2049,data=normal,seed=1"
	for _, device := range []string{"sim", "cpu"} {
		stdout, stderr, code := call("verify", "--device", device, "--case", text)
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, "the same bits: "+text)
	}
}

// TestVerifyReports prints the failures of a made-up faulty device.
func TestVerifyReports(t *testing.T) {
	c := difftest.Random(1, 517, 100)
	var out bytes.Buffer
	v := verification{device: deviceFlag{name: "cuda:1"}, sweep: difftest.Sweep{Seed: 9}}
	mismatch := &difftest.Mismatch{Case: c, Column: "CUDA", Reference: "reference", Err: context.DeadlineExceeded}
	require.NoError(t, v.report(&out, &difftest.Swept{
		Columns:  []difftest.Tally{{Column: "CUDA", Cases: 1000, Elements: 5, Mismatches: 3}},
		Failures: []difftest.Failure{{Index: 517, Err: mismatch}},
	}))
	assert.True(t, strings.HasPrefix(out.String(), "\ncase 517: context deadline exceeded\n"+
		"  alone: smoothl1 verify --device cuda:1 --case '"+c.String()+"'\n"+
		"  in its block: smoothl1 verify --device cuda:1 --seed 9 --first 500 --cases 18\n"+
		"\nand 2 more\n"), out.String())
	assert.Regexp(t, ` CUDA +1000 +5 +3 *\n`, out.String())
}

func TestVerifyRefuses(t *testing.T) {
	for _, c := range []struct {
		arguments []string
		code      int
		text      string
	}{
		{[]string{"--cases", "0"}, 2, "--cases 0: want 1 to"},
		{[]string{"--first", "-1"}, 2, "--first -1: want 0 to"},
		{[]string{"--cases", "99999999999"}, 2, "--cases 99999999999"},
		{[]string{"--seed", "-1"}, 2, "--seed"},
		{[]string{"--case", "op=fold"}, 2, "--case: difftest: case field"},
		{[]string{"--case", "op=forward"}, 2, "--case: difftest: case: n is missing"},
		{[]string{"--case", "op=forward,n=3,reduction=avg"}, 2, `--case: difftest: case field "reduction=avg": not a valid reduction here: want mean, sum, none; see`},
		{[]string{"--case", "op=forward,n=-1"}, 2, "want 0 to"},
		{[]string{"--case", "op=forward,n=3,beta=nan"}, 2, "must be finite"},
		{[]string{"x"}, 2, `unknown command "x"`},
		{[]string{"--device", "cuda:40"}, 1, "CUDA device 40"},
	} {
		stdout, stderr, code := call(append([]string{"verify"}, c.arguments...)...)
		requireRefused(t, c.code, c.text, stdout, stderr, code)
	}
}

func TestVerifyInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"verify", "--device", "cpu"}, &stdout, &stderr)
	assert.Equal(t, exitFailed, code)
	assert.Regexp(t, `^smoothl1: interrupted after 0 of \d+ cases, none of which differed\n$`, stderr.String())
}

// TestVerifyRunsEveryFixedCase checks the default number of cases, in the help and when verify runs: every fifth case is a fixed one.
func TestVerifyRunsEveryFixedCase(t *testing.T) {
	want := 5 * difftest.Fixed()
	stdout, _, code := call("verify", "--help")
	require.Zero(t, code)
	assert.Regexp(t, fmt.Sprintf(`--cases NUMBER .*\(default %d\)`, want), stdout)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr bytes.Buffer
	require.Equal(t, exitFailed, run(ctx, []string{"verify", "--device", "cpu"}, io.Discard, &stderr))
	assert.Contains(t, stderr.String(), fmt.Sprintf("interrupted after 0 of %d cases", want))
}

// TestVerifyWithoutCUDA checks that verify runs its cases on the device that it says: without CUDA, the simulated one.
func TestVerifyWithoutCUDA(t *testing.T) {
	stdout, stderr, code := call("verify", "--cases", "1")
	require.Zero(t, code, stderr)
	if !strings.HasPrefix(stdout, "device: simulated") {
		t.Skip("this machine has CUDA")
	}
	assert.Regexp(t, `\n +sim +1 `, stdout)
}
