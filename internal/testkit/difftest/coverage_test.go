package difftest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/sim"
)

// TestCoverageOfThePTX runs enough cases for every instruction of the kernels to be executed and every branch to go both ways,
// and names what cannot.
func TestCoverageOfThePTX(t *testing.T) {
	if testing.Short() {
		t.Skip("the coverage is that of all cases")
	}
	var coverage sim.Coverage
	for _, run := range []struct {
		multiprocessors int // which set the geometry: few give blocks of many warps, some without a chunk; many give blocks of one
		cases           []Case
	}{
		{2, Corners()},
		{64, Table()},
		{4096, Deep()},
	} {
		device := sim.New(sim.Seed(*seed))
		dev, err := gpu.Open(gpu.On(Modified{Device: device, Multiprocessors: run.multiprocessors}))
		require.NoError(t, err)
		column := On("sim", dev)
		for _, c := range run.cases {
			err := Run(c, column, Fallback())
			record("sim", c, err)
			require.NoError(t, err)
		}
		coverage = coverage.Merge(device.Coverage())
		require.NoError(t, dev.Close())
	}
	t.Log(coverage.Count())

	missed := map[string]int{}
	for _, m := range coverage.Missed() {
		kernel, what, _ := strings.Cut(m, ",")
		assert.Contains(t, what, "never taken", "only branches are left, that go one way")
		missed[kernel]++
		t.Log(m)
	}
	assert.Equal(t, cannot, missed)
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
