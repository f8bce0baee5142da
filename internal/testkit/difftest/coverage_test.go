package difftest

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/sim"
)

// holdCoverage demands that every instruction of the kernels was executed and that every branch went both ways, but for those that
// cannot. Without -long the kernels that reduce are left out: their sums have too few levels.
func holdCoverage(t *testing.T, coverage sim.Coverage) {
	t.Helper()
	coverage = slices.DeleteFunc(coverage, func(k sim.KernelCoverage) bool { return k.Kernel == "smoothl1_probe" }) // gpu.Open only loads it
	t.Log(coverage.Count())
	reduces := map[string]bool{}
	for _, e := range kernels.All() {
		reduces[e.Name()] = e.Pass.Reduces()
	}
	missed := map[string]int{}
	for _, m := range coverage.Missed() {
		kernel, what, _ := strings.Cut(m, ",")
		if reduces[kernel] && !testkit.Long() {
			continue
		}
		assert.Contains(t, what, "never taken", "only branches are left, that go one way")
		missed[kernel]++
		t.Log(m)
	}
	for kernel, n := range cannot {
		if testkit.Long() || !reduces[kernel] {
			assert.Equal(t, n, missed[kernel], kernel)
		}
		delete(missed, kernel)
	}
	assert.Empty(t, missed)
}

// cannot counts the branches of each kernel that cannot go both ways, for one of two reasons. The walk over a chunk of chunk
// sums tests whether the chunk has elements before its first row, and each has: once in each kernel that reduces. And the
// compiler has made of the body of those that give gradients a copy for grad_pred = null, in which it still asks for each row
// whether grad_target is null as well, which gpu refuses: the rest.
var cannot = map[string]int{
	"smoothl1_forward_f32_mul":              1,
	"smoothl1_forward_f32_div":              1,
	"smoothl1_forward_f64_mul":              1,
	"smoothl1_forward_f64_div":              1,
	"smoothl1_backward_f32_mul":             4,
	"smoothl1_backward_f32_div":             12,
	"smoothl1_backward_f64_mul":             6,
	"smoothl1_backward_f64_div":             6,
	"smoothl1_backward_elementwise_f32_mul": 6,
	"smoothl1_backward_elementwise_f32_div": 6,
	"smoothl1_backward_elementwise_f64_mul": 3,
	"smoothl1_backward_elementwise_f64_div": 3,
	"smoothl1_forward_backward_f32_mul":     1 + 4,
	"smoothl1_forward_backward_f32_div":     1 + 12,
	"smoothl1_forward_backward_f64_mul":     1 + 2,
	"smoothl1_forward_backward_f64_div":     1 + 6,
}
