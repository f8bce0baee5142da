package difftest

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smoothl1/smoothl1/internal/op"
)

// TestShapesHaveAllPairs checks that any two properties of a call meet in some fixed case, unless they exclude each other.
func TestShapesHaveAllPairs(t *testing.T) {
	pairs := map[[2]string]bool{}
	var all []string
	for _, c := range shapes() {
		if c.Op != ForwardBackward {
			continue // the others have some of its properties
		}
		var has []string
		for name, is := range map[string]bool{
			c.DType.String(): true, c.Loss.Kind.String(): c.Loss.Beta > 0, "L1": c.Loss.Beta == 0, "in place": c.InPlace, "unaligned": c.Shift != 0,
			"exact": c.Exact, "divisor": c.Count > 0, "by " + c.By.String(): c.By != ByCount, "0 if empty": c.ZeroIfEmpty, "by row": c.ByRow,
			"accumulate pred": c.Accumulate&GradPred != 0, "accumulate target": c.Accumulate&GradTarget != 0,
		} {
			if is {
				has = append(has, name)
			}
		}
		for r := range op.Role(op.Roles) {
			if c.has(r) {
				has = append(has, r.String())
			}
		}
		for _, x := range has {
			if !pairs[[2]string{x, x}] {
				all = append(all, x)
			}
			for _, y := range has {
				pairs[[2]string{x, y}] = true
			}
		}
	}
	for _, excluding := range [][]string{{"float32", "float64", "float16", "bfloat16"}, {"smooth_l1", "huber", "L1"}, {"divisor", "by kept", "by weights"}, {"in place", "index"}} {
		for _, x := range excluding {
			for _, y := range excluding {
				assert.Equal(t, x == y, pairs[[2]string{x, y}], "%s with %s", x, y)
				pairs[[2]string{x, y}] = true
			}
		}
	}
	for _, x := range all {
		for _, y := range all {
			assert.True(t, pairs[[2]string{x, y}], "%s with %s", x, y)
		}
	}
	assert.Len(t, all, 32)
}
