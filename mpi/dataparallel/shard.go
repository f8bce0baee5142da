package dataparallel

import (
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/mpi"
)

// Shard returns the elements [from, to) of n that a rank takes: the chunks of 2048 elements, divided as evenly as they can be. If there are fewer
// chunks than ranks, some ranks take none.
func Shard(n, rank, size int) (from, to int, err error) {
	return cut("Shard", "n", n, cpu.Chunk, rank, size)
}

// ShardRows returns the rows [from, to) that a rank takes of a matrix with the given number of columns. Each rank but the last that has
// any takes a multiple of 2048 elements.
func ShardRows(rows, cols, rank, size int) (from, to int, err error) {
	if cols <= 0 {
		return 0, 0, smoothl1.NewArgError("ShardRows", "cols", cols, fmt.Errorf("%w: must be positive", smoothl1.ErrCount))
	}
	unit := cpu.Chunk
	for cols%2 == 0 && unit > 1 { // 2048 is a power of two
		unit, cols = unit/2, cols/2
	}
	return cut("ShardRows", "rows", rows, unit, rank, size)
}

// cut divides n things, in units, among size ranks.
func cut(op, arg string, n, unit, rank, size int) (from, to int, err error) {
	switch {
	case n < 0:
		return 0, 0, smoothl1.NewArgError(op, arg, n, fmt.Errorf("%w: must not be negative", smoothl1.ErrCount))
	case size <= 0:
		return 0, 0, smoothl1.NewArgError(op, "size", size, fmt.Errorf("%w: must be positive", smoothl1.ErrCount))
	case rank < 0 || rank >= size:
		return 0, 0, smoothl1.NewArgError(op, "rank", rank, fmt.Errorf("%w: there are %d", mpi.ErrRank, size))
	}
	units := n / unit
	if n%unit != 0 {
		units++
	}
	share, more := units/size, units%size // the first ranks take one more
	at := func(rank int) int {
		u := rank*share + min(rank, more)
		if u > math.MaxInt/unit {
			return n
		}
		return min(n, u*unit)
	}
	return at(rank), at(rank + 1), nil
}
