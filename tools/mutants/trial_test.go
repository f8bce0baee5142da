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

// TestTrial tries changes of the first absolute value of a kernel, and one of its wide loads, which no case reaches, since
// warps share the chunk.
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
	v := of(first("ld.global.v2.f64"), "")
	assert.Equal(t, survived, v.how)
	assert.Equal(t, "no case reaches it", v.detail)
}

// TestUnshared checks that cases of aligned arrays run with wide accesses only, and that they would not with warps that share a chunk.
func TestUnshared(t *testing.T) {
	const kernel = "smoothl1_forward_f32_mul"
	ptx, err := kernels.PTX(smoothl1.Float32)
	require.NoError(t, err)
	for seed := range uint64(4) {
		c, err := difftest.Parse("op=forward,dtype=float32,loss=smooth_l1,beta=1,reduction=mean,n=2048")
		require.NoError(t, err)
		c.Seed = seed
		require.True(t, isAligned(c))
		for _, x := range []struct {
			cases []difftest.Case
			want  string
		}{{unshared([]difftest.Case{c}), ""}, {[]difftest.Case{c}, narrower}} {
			tried := trial{kernel: kernel, ptx: ptx, busy: map[int]bool{}}
			_, err := tried.reached(&round{multiprocessors: 2, cases: x.cases, wide: true}, 0)
			if x.want == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, x.want)
			}
		}
	}
}
