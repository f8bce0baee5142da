package dataparallel

import (
	"fmt"
	"math"
	"sync"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/mpi"
)

// A Gradient sums the gradient of parameters over the rows of all shards in an order that depends on the number of rows alone, so that
// its bits do not depend on the number of ranks. For that it moves more than an Allreduce does: of P parameters and B blocks of 2048 rows, a
// rank with b blocks sends and receives about 8·b·P bytes and receives 8·P. It takes one call at a time.
type Gradient struct {
	mu      sync.Mutex
	group   group
	params  int
	blocks  []int // by rank
	shares  []int // parameters that a rank sums, in a round
	send    []float64
	recv    []float64
	line    []float64 // the partial gradients of one parameter
	own     []float64 // the sums of this rank's share
	toCount []int
	inCount []int
}

// NewGradient returns a Gradient of the given number of parameters, the same on all ranks. It is collective.
func NewGradient(c *mpi.Comm, params int) (*Gradient, error) {
	size := c.Size()
	if size == 0 {
		return nil, c.Barrier() // refuses a nil or zero communicator
	}
	g := &Gradient{group: newGroup(c), params: params, blocks: make([]int, size), shares: make([]int, size),
		toCount: make([]int, size), inCount: make([]int, size)}
	var err error
	if params < 0 {
		err = smoothl1.NewArgError("NewGradient", "params", params, fmt.Errorf("%w: must not be negative", smoothl1.ErrCount))
	}
	g.group.own[fieldLength] = int64(params)
	if err := g.group.agree(callNewGradient, err); err != nil {
		return nil, err
	}
	return g, nil
}

// roundNumbers is how many numbers a rank sends in a round of Reduce, and about how many it receives, unless a single parameter has more. More
// parameters take more rounds. Tests make it smaller.
var roundNumbers = 1 << 22

// mostBlocks is the largest number of blocks: mpi.Alltoallv takes no more numbers, and would refuse them on some of the ranks only.
const mostBlocks = 1 << 30

// Reduce sets grad, one number for each parameter, to the sum of the partial gradients of all ranks. This rank has the given number of rows, cut
// as by Shard, and partials holds the partial gradient of each block of 2048 of them, block after block, the last of what is left: cpu.Chunks(rows) times the
// number of parameters. Each is the caller's sum over the rows of its block, whose order must not depend on where the block is.
// The partial gradients of a parameter are summed as the chunk sums of the canonical sum are. It is collective.
func (g *Gradient) Reduce(rows int, partials, grad []float64) error {
	const name = "Reduce"
	switch {
	case g == nil:
		return smoothl1.NewArgError(name, "gradient", "nil", smoothl1.ErrNil)
	case g.group.comm == nil:
		return smoothl1.NewArgError(name, "gradient", "Gradient{}", smoothl1.ErrZero)
	case !g.mu.TryLock():
		return smoothl1.NewArgError(name, "gradient", fmt.Sprintf("of %d parameters", g.params), smoothl1.ErrBusy)
	}
	defer g.mu.Unlock()
	g.group.own[fieldOwn], g.group.own[fieldLength] = int64(rows), int64(g.params)
	if err := g.group.agree(callReduce, g.check(name, rows, partials, grad)); err != nil {
		return err
	}
	total, err := g.group.lengths(name)
	if err != nil {
		return err
	}
	all, most := 0, 0 // blocks of all ranks, and of one
	for rank := range g.blocks {
		g.blocks[rank] = cpu.Chunks(int(g.group.of(rank, fieldOwn)))
		all, most = all+g.blocks[rank], max(most, g.blocks[rank])
	}
	if g.params > 0 && all > mostBlocks {
		return &RankError{Op: name, Ranks: []int{0}, Err: smoothl1.ErrTooLarge, Text: fmt.Sprintf("%d rows: %v: at most %d blocks", total, smoothl1.ErrTooLarge, mostBlocks)}
	}
	// In a round of so many parameters, a rank receives all blocks of its share of them, and sends its own blocks of all. One rank may have
	// nearly all the blocks.
	each := min(max(1, roundNumbers/max(1, all))*g.group.comm.Size(), max(1, roundNumbers/max(1, most)))
	for from := 0; from < g.params; {
		to := g.params
		if to-from > each {
			to = from + each
		}
		if err := g.round(total, partials, from, to, grad); err != nil {
			return err
		}
		from = to
	}
	return nil
}

func (g *Gradient) check(name string, rows int, partials, grad []float64) error {
	blocks := cpu.Chunks(rows)
	switch {
	case rows < 0:
		return smoothl1.NewArgError(name, "rows", rows, fmt.Errorf("%w: must not be negative", smoothl1.ErrCount))
	case blocks > 0 && g.params > math.MaxInt/blocks || len(partials) != blocks*g.params:
		return smoothl1.NewArgError(name, "len(partials)", len(partials),
			fmt.Errorf("%w: %d rows are %d blocks, with %d parameters each", smoothl1.ErrLength, rows, blocks, g.params))
	case len(grad) != g.params:
		return smoothl1.NewArgError(name, "len(grad)", len(grad), fmt.Errorf("%w: there are %d parameters", smoothl1.ErrLength, g.params))
	}
	return nil
}

// round sums the parameters [from, to) of all rows: each rank gets the partial gradients of some of them, sums these and sends the sums to
// all.
func (g *Gradient) round(rows int, partials []float64, from, to int, grad []float64) error {
	c := g.group.comm
	size, rank := c.Size(), c.Rank()
	mine := g.blocks[rank]
	g.send = g.send[:0]
	at := from
	for r := range size {
		g.shares[r] = (to - from) / size
		if r < (to-from)%size {
			g.shares[r]++
		}
		for p := at; p < at+g.shares[r]; p++ {
			for b := range mine {
				g.send = append(g.send, partials[b*g.params+p])
			}
		}
		at += g.shares[r]
	}
	received := 0
	for r := range size {
		g.toCount[r], g.inCount[r] = g.shares[r]*mine, g.shares[rank]*g.blocks[r]
		received += g.inCount[r]
	}
	if cap(g.recv) < received {
		g.recv = make([]float64, received)
	}
	g.recv = g.recv[:received]
	if err := mpi.Alltoallv(c, g.send, g.toCount, g.recv, g.inCount); err != nil {
		return err
	}
	g.own = g.own[:0]
	for p := range g.shares[rank] {
		g.line = g.line[:0]
		start := 0
		for r, b := range g.blocks {
			g.line = append(g.line, g.recv[start+p*b:][:b]...)
			start += g.inCount[r]
		}
		sum, err := cpu.Finish(smoothl1.Loss{Reduction: smoothl1.Sum}, g.line, rows, smoothl1.Divisor{})
		if err != nil {
			return err
		}
		g.own = append(g.own, sum)
	}
	return mpi.Allgatherv(c, g.own, grad[from:to], g.shares)
}
