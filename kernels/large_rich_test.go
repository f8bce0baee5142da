package kernels_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/sim"
)

// A part is the last part of a large matrix.
type part struct {
	rows, cols uint64 // of the part
	row, col   uint64 // where it begins
	whole      [2]uint64
	first      uint64 // block of one warp
	sums       uint64 // chunk sums before those of the part
	flags      op.Flags
	actions    uint64 // 0: no index
}

const (
	large = 1 << 33
	rest  = 3 * op.Chunk
)

var parts = map[string]part{
	"a vector":             {rows: 1, cols: rest + 77, col: large, whole: [2]uint64{1, large + rest + 77}, first: large / op.Chunk, sums: large / op.Chunk},
	"many rows":            {rows: rest/4 + 19, cols: 4, row: large / 4, whole: [2]uint64{large/4 + rest/4 + 19, 4}, first: large / op.Chunk, sums: large / op.Chunk},
	"long rows":            {rows: 1, cols: rest, row: 1, col: large - rest, whole: [2]uint64{2, large}, first: (2*large - rest) / op.Chunk, sums: (2*large - rest) / op.Chunk},
	"losses of short rows": {rows: 70, cols: 4, row: large, whole: [2]uint64{large + 70, 4}, first: large / 32, sums: large, flags: op.FlagByRow},
	"losses of rows":       {rows: 5, cols: 200, row: 1 << 31, whole: [2]uint64{1<<31 + 5, 200}, first: 1 << 31, sums: 1 << 31, flags: op.FlagByRow},
	"losses of long rows": {rows: 1, cols: rest + 77, row: 1, col: large, whole: [2]uint64{2, large + rest + 77},
		first: (large+rest)/op.Chunk + 1 + large/op.Chunk, sums: (large+rest)/op.Chunk + 1 + large/op.Chunk, flags: op.FlagByRow},
	// Of rows with an index there are at most 2^32 − 1.
	"an index": {rows: rest, cols: 1, row: 3 << 30, whole: [2]uint64{3<<30 + rest, 1}, first: 3 << 30 / op.Chunk, sums: 3 << 30 / op.Chunk, actions: 3},
}

// matrices are the arrays of Params that are views.
func matrices(p *op.Params, size int) map[*uint64]struct {
	strides *op.Strides
	size    int
} {
	type view = struct {
		strides *op.Strides
		size    int
	}
	return map[*uint64]view{
		&p.Pred: {&p.PredStrides, size}, &p.Target: {&p.TargetStrides, size}, &p.Weight: {&p.WeightStrides, size}, &p.Mask: {&p.MaskStrides, 1},
		&p.Direction: {&p.DirectionStrides, size}, &p.Terms: {&p.TermsStrides, size}, &p.Abs: {&p.AbsStrides, size},
		&p.GradPred: {&p.GradPredStrides, size}, &p.GradTarget: {&p.GradTargetStrides, size}, &p.Second: {&p.SecondStrides, size},
	}
}

func TestLargeMatrices(t *testing.T) {
	for name, c := range parts {
		for _, dtype := range largeTypes() {
			for _, v := range kernels.RichOf(dtype) {
				if v.Divide || v.Divisor && c.flags&op.FlagByRow == 0 {
					continue
				}
				t.Run(name+"/"+v.Name(), func(t *testing.T) { c.test(t, v) })
			}
		}
	}
}

func (c part) test(t *testing.T, v kernels.Variant) {
	n, size := int(c.rows*c.cols), v.DType.Size()
	x := newTail(t, v.DType, 0, c.rows*c.cols)
	p := x.parameters()
	var fault sim.Ptr
	dense := op.Strides{Row: int64(c.cols), Col: 1}
	chosen, ofPred := dense, n
	p.Rows, p.Cols, p.Actions, p.Flags = c.rows, c.cols, c.cols, c.flags|op.FlagReduce
	if c.actions > 0 {
		chosen, ofPred, p.Actions = op.Strides{Row: int64(c.actions), Col: 1}, n*int(c.actions), c.actions
		fault = x.alloc(8)
		p.Index, p.Fault = x.indices(n, int32(c.actions)), uint64(fault)
	}
	p.Pred, p.PredStrides = x.input(ofPred, 1), chosen
	p.Target, p.TargetStrides = x.input(n, 2), dense
	p.Weight, p.WeightStrides = x.input(int(c.rows), 3), op.Strides{Row: 1}
	p.Mask, p.MaskStrides = x.masks(n), dense
	rowSums := c.rows * ((c.cols + op.Chunk - 1) / op.Chunk)
	if c.flags&op.FlagByRow == 0 {
		rowSums = uint64(op.Chunks(n))
	}
	switch {
	case v.Divisor:
		p.Divisors, p.Flags = x.output(int(c.rows), 8), p.Flags|op.FlagWeights
	case v.Pass == kernels.Forward:
		p.Terms, p.TermsStrides = x.output(n, size), dense
		p.Abs, p.AbsStrides = x.output(n, size), dense
	default:
		p.GradPred, p.GradPredStrides = x.output(ofPred, size), chosen
		p.GradTarget, p.GradTargetStrides = x.output(n, size), dense
		p.Direction, p.DirectionStrides = x.input(n, 4), dense
		p.Second, p.SecondStrides = x.output(n, size), dense
	}
	p.Sums = x.output(int(rowSums), 8)
	losses := c.flags&op.FlagByRow != 0 && c.col == 0
	if losses && !v.Divisor {
		p.Value = x.output(int(c.rows), 8)
	}
	if v.Divisor && c.col > 0 {
		x.outputs, x.bytes = x.outputs[1:], x.bytes[1:] // left to the finish
	}
	if v.Divisor && c.cols <= op.Lanes {
		p.Sums, x.outputs, x.bytes = 0, x.outputs[:1], x.bytes[:1] // short rows do without
	}
	x.compare(v, c.first, p, func() {
		p.Rows, p.Cols = c.whole[0], c.whole[1]
		if c.actions == 0 {
			p.Actions = p.Cols
		}
		for at, m := range matrices(p, size) {
			if *at == 0 {
				continue
			}
			if m.strides.Row > 1 && c.rows == 1 {
				m.strides.Row = large + 2*rest // between the rows of the whole
			}
			*at -= (c.row*uint64(m.strides.Row) + c.col*uint64(m.strides.Col)) * uint64(m.size)
		}
		if p.Index != 0 {
			p.Index = back(p.Index, c.row, 4)
			require.NoError(t, x.d.Zero(fault, 8, 0)) // it keeps the lowest row
		}
		if losses {
			p.Value = back(p.Value, c.row, 8)
		}
		p.Divisors = back(p.Divisors, c.row, 8)
		if p.Sums != 0 {
			p.Sums = back(p.Sums, c.sums, 8)
		}
		ticket := c.sums / op.Chunk
		if c.flags&op.FlagByRow != 0 {
			ticket = c.row*uint64(op.Chunks(op.Chunks(int(c.whole[1])))) + c.col/op.Chunk/op.Chunk
		}
		p.Tickets = back(p.Tickets, ticket, 4)
	})
	if c.actions > 0 {
		var cell [8]byte
		require.NoError(t, x.d.CopyOut(cell[:], fault, 0))
		found := ^binary.LittleEndian.Uint64(cell[:])
		assert.Equal(t, [2]uint64{c.row + wrongRow, c.actions}, [2]uint64{found >> 32, found & math.MaxUint32}, "row and index")
	}
}

// wrongRow is the row whose index is out of range.
const wrongRow = 1234

// indices returns memory with an index for each row.
func (x *tail) indices(rows int, actions int32) uint64 {
	var data []byte
	for r := range rows {
		i := int32(r*7) % actions
		if r == wrongRow {
			i = actions
		}
		data = binary.LittleEndian.AppendUint32(data, uint32(i))
	}
	p := x.alloc(len(data))
	require.NoError(x.t, x.d.CopyIn(p, data, 0))
	return uint64(p)
}

// masks returns memory with a mask of n elements.
func (x *tail) masks(n int) uint64 {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i % 3)
	}
	p := x.alloc(n)
	require.NoError(x.t, x.d.CopyIn(p, data, 0))
	return uint64(p)
}
