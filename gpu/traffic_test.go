package gpu

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/sim"
)

// trafficCase is a call whose device memory traffic is counted, on rows × cols elements. floor is the least number of bytes for each
// element, of all arrays, and beside what they cost with each row.
type trafficCase struct {
	name       string
	rows, cols int
	floor      float64
	perRow     float64
	set        func(d *Device, a *Args[float32])
}

func dense[T smoothl1.Element](d *Device, n int) *Buffer[T] {
	b, err := Upload(d, make([]T, n))
	if err != nil {
		panic(err)
	}
	return b
}

var trafficCases = []trafficCase{
	{"mask and weight", 64, 2048, 4*4 + 1, 0, func(d *Device, a *Args[float32]) {
		a.Mask, a.Weight, a.GradPred = dense[uint8](d, 64*2048), dense[float32](d, 64*2048), dense[float32](d, 64*2048)
	}},
	{"boxes: a mask and a weight for each", 1 << 15, 4, 3 * 4, 1 + 4, func(d *Device, a *Args[float32]) {
		a.Mask, a.Weight, a.GradPred = dense[uint8](d, 1<<15), dense[float32](d, 1<<15), dense[float32](d, 1<<17)
		a.Shape.Mask, a.Shape.Weight = smoothl1.PerRow(), smoothl1.PerRow()
		a.Divisor = smoothl1.DivideBy(100)
	}},
	{"weighted mean, the loss alone", 64, 2048, 3 * 4, 0, func(d *Device, a *Args[float32]) {
		a.Weight, a.Divisor = dense[float32](d, 64*2048), smoothl1.DivideByWeights()
	}},
	{"terms, |d| and accumulation", 64, 2048, 6 * 4, 0, func(d *Device, a *Args[float32]) {
		a.Terms, a.Abs, a.GradPred, a.AccumulatePred = dense[float32](d, 64*2048), dense[float32](d, 64*2048), dense[float32](d, 64*2048), true
	}},
	{"long rows", 8, 1 << 14, 3 * 4, 8, func(d *Device, a *Args[float32]) {
		a.GradPred, a.ByRow, a.Losses = dense[float32](d, 1<<17), true, dense[float64](d, 8)
	}},
	{"the loss of each box", 1 << 15, 4, 3 * 4, 8 + 8, func(d *Device, a *Args[float32]) { // and its chunk sum
		a.GradPred, a.ByRow, a.Losses = dense[float32](d, 1<<17), true, dense[float64](d, 1<<15)
	}},
	{"an action of each row", 1 << 15, 1, 4, 4 + 32 + 8*4, func(d *Device, a *Args[float32]) { // pred: a sector of 32 bytes for each
		a.Pred, a.GradPred, a.Index, a.Shape.Cols = dense[float32](d, 8<<15), dense[float32](d, 8<<15), dense[int32](d, 1<<15), 8
	}},
}

// TestRichTraffic checks that rich kernels touch the sectors of each array once. The chunk sums cost 16 bytes for each 2048 elements in
// addition, in sectors up to 64.
func TestRichTraffic(t *testing.T) {
	for _, c := range trafficCases {
		t.Run(c.name, func(t *testing.T) {
			device := sim.New(sim.Seed(1))
			d, err := Open(On(device))
			require.NoError(t, err)
			defer func() { require.NoError(t, d.Close()) }()
			s := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
			n := c.rows * c.cols
			a := Args[float32]{Pred: dense[float32](d, n), Target: dense[float32](d, n), Shape: &smoothl1.Shape{Rows: c.rows, Cols: c.cols}}
			c.set(d, &a)
			require.NoError(t, s.Run(&a))
			require.NoError(t, d.Wait())
			stats := device.Stats()
			require.EqualValues(t, 1, stats.Launches)
			sectors := uint64(0)
			for _, k := range stats.Kernels {
				sectors += k.Global.Loads.Sectors + k.Global.Stores.Sectors
			}
			floor := c.floor*float64(n) + c.perRow*float64(c.rows)
			t.Logf("%.3f bytes an element in sectors, floor %.3f", 32*float64(sectors)/float64(n), floor/float64(n))
			assert.GreaterOrEqual(t, 32*float64(sectors), floor)
			assert.LessOrEqual(t, 32*float64(sectors), floor*1.01+128*float64(n)/2048)
		})
	}
}
