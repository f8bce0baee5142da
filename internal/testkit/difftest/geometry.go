package difftest

import (
	"fmt"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/kernels"
)

// A Geometry is the grid of a launch on a device of any size. The zero Geometry stands for the one that package gpu chooses.
type Geometry struct {
	Warps  int `json:"warps"`                     // of a block
	Blocks int `json:"blocks_per_multiprocessor"` // of the grid, for each multiprocessor
}

// Geometries are those that a benchmark compares, so those on which the kernels must be tested: from the fewest warps to the most that
// are resident.
func Geometries() (all []Geometry) {
	for warps := 1; warps <= kernels.MaxWarps; warps *= 2 {
		for blocks := 1; blocks <= 4; blocks++ {
			all = append(all, Geometry{warps, blocks})
		}
	}
	return all
}

// String returns text such as "8 warps × 2 blocks".
func (g Geometry) String() string {
	if g == (Geometry{}) {
		return "as launched"
	}
	return fmt.Sprintf("%d warps × %d blocks", g.Warps, g.Blocks)
}

// On returns the geometry of a launch on a device in place of that of package gpu.
func (g Geometry) On(multiprocessors int, chosen driver.Geometry) driver.Geometry {
	if g != (Geometry{}) {
		chosen.Grid[0], chosen.Block[0] = uint32(g.Blocks*max(1, multiprocessors)), uint32(g.Warps*kernels.WarpThreads)
	}
	return chosen
}
