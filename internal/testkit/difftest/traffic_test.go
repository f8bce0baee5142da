package difftest

import (
	"math/bits"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/sim"
)

// TestTrafficIsAtItsFloor checks that each kernel reads its inputs once and writes its outputs once, 16 bytes at a time, or 8 of elements of
// 16 bits, and in full sectors, in one launch per operation, and that there is no other traffic than that of the chunk sums.
func TestTrafficIsAtItsFloor(t *testing.T) {
	const chunks = 64
	list, err := MeasureTraffic(chunks)
	require.NoError(t, err)
	for _, m := range list {
		t.Run(m.Variant.Name(), func(t *testing.T) {
			k := m.Stats
			require.EqualValues(t, 1, m.Launches)
			require.EqualValues(t, 1, k.Launches)
			sums := m.ChunkSumBytes()
			for _, side := range []struct {
				name  string
				got   sim.Traffic
				floor int
				extra int // other accesses, of at most 8 bytes
			}{
				// The last warp reads the chunk sums, and writes their sum and the loss.
				{"loads", k.Global.Loads, m.FloorLoads, sums / 8},
				{"stores", k.Global.Stores, m.FloorStores, sums/8 + 2},
			} {
				bytes := min(16, 4*m.Variant.DType.Size()) // for each thread
				wide := side.floor / (32 * bytes)
				assert.GreaterOrEqual(t, int(side.got.Widths[bits.TrailingZeros(uint(bytes))]), wide, "%s of %d bytes", side.name, bytes)
				beside := int(side.got.Bytes) - side.floor
				assert.GreaterOrEqual(t, beside, 0, side.name)
				if sums == 0 {
					assert.Zero(t, beside, side.name)
				}
				assert.LessOrEqual(t, beside, 8*side.extra, "%s beside the arrays", side.name)
				sectors := int(side.got.Sectors) - side.floor/32
				assert.GreaterOrEqual(t, sectors, 0, side.name)
				assert.LessOrEqual(t, sectors, side.extra, "%s: sectors beside the arrays", side.name)
				assert.LessOrEqual(t, int(side.got.Requests)-wide, side.extra, "other %s", side.name)
			}
			if sums > 0 {
				assert.EqualValues(t, chunks, k.Global.Atomics.Requests, "a ticket for each chunk")
			} else {
				assert.Zero(t, k.Global.Atomics.Requests)
			}
			assert.Zero(t, k.Local.Loads.Requests+k.Local.Stores.Requests)
			assert.Zero(t, k.Shared.Stores.Requests, "no warps share a chunk")
		})
	}
}

// TestTrafficOfRichKernels checks that rich kernels, on aligned arrays of everything, touch each sector once and in wide accesses, and that
// an array with one element for each row costs no more than a sector for each request.
func TestTrafficOfRichKernels(t *testing.T) {
	const rows, cols = 16, 2048
	for _, dtype := range Types {
		for _, p := range Ops {
			dense := everything(p, dtype, 0.1, rows, cols)
			byRow := dense
			byRow.Forms[op.RoleWeight], byRow.Forms[op.RoleBeta], byRow.ByRow = PerRow, PerRow, p != ForwardTerms
			for name, c := range map[string]Case{"dense": dense, "by row": byRow} {
				t.Run(dtype.String()+"/"+p.String()+"/"+name, func(t *testing.T) {
					m, err := c.traffic()
					require.NoError(t, err)
					require.EqualValues(t, 1, m.Launches)
					sums := 0 // accesses for the loss
					if p.Reduces() {
						sums = rows * cols / cpu.Chunk
					}
					loads, stores := m.Stats.Global.Loads, m.Stats.Global.Stores
					repeated := 0
					if c.ByRow || c.Forms[op.RoleWeight] == PerRow {
						repeated = 2 * int(loads.Requests) / 4 // a quarter of the requests at most are for each of these
					}
					for _, side := range []struct {
						name        string
						got         sim.Traffic
						floor, most int // the most sectors beside the floor
					}{{"loads", loads, m.FloorLoads, 2*sums + repeated + 4}, {"stores", stores, m.FloorStores, 2*sums + 4}} {
						assert.GreaterOrEqual(t, int(side.got.Bytes), side.floor, side.name)
						beside := int(side.got.Sectors) - side.floor/32
						assert.GreaterOrEqual(t, beside, 0, side.name)
						assert.LessOrEqual(t, beside, side.most, "%s: sectors beside the arrays", side.name)
					}
					assert.Zero(t, m.Stats.Local.Loads.Requests+m.Stats.Local.Stores.Requests)
				})
			}
		}
	}
}
