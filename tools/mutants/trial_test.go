package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
	"github.com/smoothl1/smoothl1/kernels"
)

// TestTrial tries changes of the first absolute value of a kernel, and one of its loads from arrays that are not aligned, which no case
// reaches.
func TestTrial(t *testing.T) {
	const kernel = "smoothl1_forward_terms_f64_mul"
	ptx, err := kernels.PTX(smoothl1.Float64)
	require.NoError(t, err)
	lines := strings.Split(ptx, "\n")
	entry := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, kernel+"(") })
	require.Positive(t, entry)
	first := func(instruction string) int {
		return entry + slices.IndexFunc(lines[entry:], func(line string) bool { return strings.HasPrefix(line, "\t"+instruction+" ") })
	}
	c, err := difftest.Parse("op=forward_terms,dtype=float64,loss=smooth_l1,beta=1,reduction=none,n=2048")
	require.NoError(t, err)
	tried := trial{kernel: kernel, ptx: ptx, busy: map[int]bool{}, rounds: []*round{{multiprocessors: 2, cases: []difftest.Case{c}}}}
	of := func(at int, to string) verdict {
		return tried.of(mutant{kernel: kernel, line: at + 1, to: to, original: ptx})
	}
	abs := first("abs.f64")
	assert.Equal(t, survived, of(abs, lines[abs]).how)
	assert.Empty(t, of(abs, lines[abs]).detail)
	assert.Equal(t, differs, of(abs, strings.Replace(lines[abs], "abs", "neg", 1)).how)
	assert.Equal(t, stopped, of(abs, "\tno instruction;").how)
	v := of(first("ld.global.f64"), "")
	assert.Equal(t, survived, v.how)
	assert.Equal(t, "no case reaches it", v.detail)
}
