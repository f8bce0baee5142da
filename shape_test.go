package smoothl1_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smoothl1/smoothl1"
)

func TestViews(t *testing.T) {
	for _, c := range []struct {
		view             smoothl1.View
		text             string
		offset, row, col int
		n                int
	}{
		{smoothl1.View{}, "dense", 0, 4, 1, 12},
		{smoothl1.PerRow(), "one per row", 0, 1, 0, 3},
		{smoothl1.PerColumn(), "one per column", 0, 0, 1, 4},
		{smoothl1.Single(), "one for all", 0, 0, 0, 1},
		{smoothl1.Strided(5, -7, 2), "from 5 with strides -7 and 2", 5, -7, 2, -1},
		{smoothl1.Strided(math.MinInt, 0, math.MaxInt), "from -9223372036854775808 with strides 0 and 9223372036854775807", math.MinInt, 0, math.MaxInt, -1},
	} {
		offset, row, col := c.view.Strides(4)
		assert.Equal(t, []int{c.offset, c.row, c.col, c.n}, []int{offset, row, col, c.view.Len(3, 4)}, c.text)
		assert.Equal(t, c.text, fmt.Sprint(c.view))
	}
	// Views can be compared, and a dense one written with strides is another.
	assert.Equal(t, smoothl1.View{}, smoothl1.Shape{Rows: 3, Cols: 4}.Pred)
	assert.NotEqual(t, smoothl1.View{}, smoothl1.Strided(0, 4, 1))
}
