package difftest

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smoothl1/smoothl1/sim"
)

// holdCoverage requires that every instruction of the kernels was executed and every branch both taken and not taken, except those that
// cannot be.
func holdCoverage(t *testing.T, coverage sim.Coverage) {
	t.Helper()
	coverage = slices.DeleteFunc(coverage, func(k sim.KernelCoverage) bool { return k.Kernel == "smoothl1_probe" }) // gpu.Open only loads it
	t.Log(coverage.Count())
	missed := map[string]int{}
	for _, m := range coverage.Missed() {
		kernel, what, _ := strings.Cut(m, ",")
		if !strings.Contains(kernel, "_f32_") && !strings.Contains(kernel, "_f64_") || strings.Contains(kernel, "_rich_") {
			t.Log(m) // its branches that cannot be taken are not listed below
			continue
		}
		assert.Contains(t, what, "never taken", "only branches are left, that go one way")
		missed[kernel]++
		t.Log(m)
	}
	for kernel, n := range cannot {
		assert.Equal(t, n, missed[kernel], kernel)
		delete(missed, kernel)
	}
	assert.Empty(t, missed)
}

// cannot has the number of branches of each kernel that always go the same way. One in each kernel that reduces is the test of the loop
// over a chunk of chunk sums before its first row, which always exists. The others test whether a warp of a block that shares a chunk is
// one of the first four: package gpu launches blocks of four, and TestGeometries others.
var cannot = map[string]int{
	"smoothl1_forward_terms_f32_mul":        1,
	"smoothl1_forward_terms_f32_div":        1,
	"smoothl1_forward_terms_f64_mul":        1,
	"smoothl1_forward_terms_f64_div":        1,
	"smoothl1_forward_f32_mul":              1 + 2,
	"smoothl1_forward_f32_div":              1 + 2,
	"smoothl1_forward_f64_mul":              1 + 1,
	"smoothl1_forward_f64_div":              1 + 1,
	"smoothl1_backward_f32_mul":             1,
	"smoothl1_backward_f32_div":             1,
	"smoothl1_backward_f64_mul":             1,
	"smoothl1_backward_f64_div":             1,
	"smoothl1_backward_elementwise_f32_mul": 1,
	"smoothl1_backward_elementwise_f32_div": 1,
	"smoothl1_backward_elementwise_f64_mul": 1,
	"smoothl1_backward_elementwise_f64_div": 1,
	"smoothl1_forward_backward_f32_mul":     1 + 2,
	"smoothl1_forward_backward_f32_div":     1 + 2,
	"smoothl1_forward_backward_f64_mul":     1 + 1,
	"smoothl1_forward_backward_f64_div":     1 + 1,
}
