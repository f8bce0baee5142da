package mpi

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/smoothl1/smoothl1"
)

// most is the largest number of elements in one call of the library, whose counts are ints of C. Tests make it smaller.
var most = 1 << 30

// Barrier waits until all ranks have called it.
func (c *Comm) Barrier() error {
	const op = "Barrier"
	if err := c.enter(op); err != nil {
		return err
	}
	defer c.leave()
	c.call.kind = doBarrier
	return c.failed(op, c.call.do())
}

// Bcast copies x of the rank root to x of all ranks, whose lengths must be the same.
func Bcast[T Element](c *Comm, x []T, root int) error {
	const op = "Bcast"
	if err := c.enter(op); err != nil {
		return err
	}
	defer c.leave()
	if root < 0 || root >= c.size {
		return smoothl1.NewArgError(op, "root", root, fmt.Errorf("%w: there are %d", ErrRank, c.size))
	}
	return bcast(c, op, x, root)
}

func bcast[T Element](c *Comm, op string, x []T, root int) error {
	k := &c.call
	for first := true; first || len(x) > 0; first = false {
		n := min(len(x), most)
		k.kind, k.recv, k.count, k.element, k.root = doBcast, pointer(x), int32(n), elementOf[T](), int32(root)
		if err := c.failed(op, k.do()); err != nil {
			return err
		}
		x = x[n:]
	}
	return nil
}

// Allreduce replaces x on all ranks by the sum of their x, whose lengths must be the same. The sum is the same on all ranks, but the order of
// its additions is the library's: its last bits depend on the number of ranks, on their placement and on the length.
func Allreduce[T float32 | float64](c *Comm, x []T) error {
	const op = "Allreduce"
	if err := c.enter(op); err != nil {
		return err
	}
	defer c.leave()
	k := &c.call
	for first := true; first || len(x) > 0; first = false {
		n := min(len(x), most)
		k.kind, k.recv, k.count, k.element = doAllreduce, pointer(x), int32(n), elementOf[T]()
		if err := c.failed(op, k.do()); err != nil {
			return err
		}
		x = x[n:]
	}
	return nil
}

// Allgather copies send of every rank, whose lengths must be the same, to recv of all ranks, in the order of the ranks. recv has the
// length of send times the number of ranks, and shares no memory with it.
func Allgather[T Element](c *Comm, send, recv []T) error {
	const op = "Allgather"
	if err := c.enter(op); err != nil {
		return err
	}
	defer c.leave()
	if len(recv)/c.size != len(send) || len(recv)%c.size != 0 {
		return smoothl1.NewArgError(op, "len(recv)", len(recv), fmt.Errorf("%w: %d ranks send %d each", smoothl1.ErrLength, c.size, len(send)))
	}
	if err := checkOverlap(op, send, recv); err != nil {
		return err
	}
	if len(send) > most {
		return gather(c, op, send, recv, func(int) int { return len(send) })
	}
	k := &c.call
	k.kind, k.send, k.recv, k.count, k.element = doAllgather, pointer(send), pointer(recv), int32(len(send)), elementOf[T]()
	return c.failed(op, k.do())
}

// Allgatherv copies send of every rank to recv of all ranks, in the order of the ranks. counts has the length of send of each rank, and is
// the same on all ranks; their sum is the length of recv. send and recv share no memory.
func Allgatherv[T Element](c *Comm, send, recv []T, counts []int) error {
	const op = "Allgatherv"
	if err := c.enter(op); err != nil {
		return err
	}
	defer c.leave()
	if err := c.checkCounts(op, "counts", counts); err != nil {
		return err
	}
	if len(send) != counts[c.rank] {
		return smoothl1.NewArgError(op, "len(send)", len(send), fmt.Errorf("%w: counts[%d] is %d", smoothl1.ErrLength, c.rank, counts[c.rank]))
	}
	k := &c.call
	total, fits := offsets(counts, k.counts, k.starts)
	if total != len(recv) {
		return smoothl1.NewArgError(op, "len(recv)", len(recv), fmt.Errorf("%w: the sum of counts is %d", smoothl1.ErrLength, total))
	}
	if err := checkOverlap(op, send, recv); err != nil {
		return err
	}
	if !fits {
		return gather(c, op, send, recv, func(rank int) int { return counts[rank] })
	}
	k.kind, k.send, k.recv, k.count, k.element = doAllgatherv, pointer(send), pointer(recv), int32(len(send)), elementOf[T]()
	return c.failed(op, k.do())
}

// gather is Allgatherv in pieces: a Bcast of each rank, since the offsets into recv do not fit into an int of C.
func gather[T Element](c *Comm, op string, send, recv []T, count func(rank int) int) error {
	for rank := range c.size {
		n := count(rank)
		if rank == c.rank {
			copy(recv[:n], send)
		}
		if err := bcast(c, op, recv[:n], rank); err != nil {
			return err
		}
		recv = recv[n:]
	}
	return nil
}

// Alltoallv sends a piece of send to each rank: sendCounts says how long, in the order of the ranks. recv takes the pieces that the ranks
// send to this one, in their order: recvCounts says how long. The slices share no memory. Neither may have more than 2³⁰ elements; an
// error then wraps smoothl1.ErrTooLarge.
func Alltoallv[T Element](c *Comm, send []T, sendCounts []int, recv []T, recvCounts []int) error {
	const op = "Alltoallv"
	if err := c.enter(op); err != nil {
		return err
	}
	defer c.leave()
	k := &c.call
	for _, x := range []struct {
		name, countsName string
		length           int
		counts           []int
		toCount, toPos   []int32
	}{{"send", "sendCounts", len(send), sendCounts, k.sendCounts, k.sendStarts}, {"recv", "recvCounts", len(recv), recvCounts, k.counts, k.starts}} {
		if err := c.checkCounts(op, x.countsName, x.counts); err != nil {
			return err
		}
		switch total, fits := offsets(x.counts, x.toCount, x.toPos); {
		case total != x.length:
			return smoothl1.NewArgError(op, "len("+x.name+")", x.length, fmt.Errorf("%w: the sum of %s is %d", smoothl1.ErrLength, x.countsName, total))
		case !fits:
			return smoothl1.NewArgError(op, "len("+x.name+")", x.length, fmt.Errorf("%w: at most %d elements", smoothl1.ErrTooLarge, most))
		}
	}
	if err := checkOverlap(op, send, recv); err != nil {
		return err
	}
	k.kind, k.send, k.recv, k.element = doAlltoallv, pointer(send), pointer(recv), elementOf[T]()
	return c.failed(op, k.do())
}

// checkOverlap checks that the slices share no memory: the library would overwrite what it has yet to send.
func checkOverlap[T Element](op string, send, recv []T) error {
	if len(send) == 0 || len(recv) == 0 {
		return nil
	}
	bytes := func(x []T) (from, to uintptr) {
		from = uintptr(unsafe.Pointer(unsafe.SliceData(x)))
		return from, from + uintptr(len(x))*unsafe.Sizeof(x[0])
	}
	s, sEnd := bytes(send)
	r, rEnd := bytes(recv)
	if s < rEnd && r < sEnd {
		return smoothl1.NewArgError(op, "send", fmt.Sprintf("%d elements", len(send)), fmt.Errorf("%w: it shares memory with recv", smoothl1.ErrOverlap))
	}
	return nil
}

// checkCounts checks lengths by rank.
func (c *Comm) checkCounts(op, arg string, counts []int) error {
	if len(counts) != c.size {
		return smoothl1.NewArgError(op, "len("+arg+")", len(counts), fmt.Errorf("%w: there are %d ranks", smoothl1.ErrLength, c.size))
	}
	total := 0
	for rank, n := range counts {
		if n < 0 || n > math.MaxInt-total {
			return smoothl1.NewArgError(op, fmt.Sprintf("%s[%d]", arg, rank), n, smoothl1.ErrLength)
		}
		total += n
	}
	return nil
}

// offsets sets counts and offsets as C takes them, and returns the sum of the counts and whether all fit.
func offsets(counts []int, to, starts []int32) (total int, fits bool) {
	for rank, n := range counts {
		to[rank], starts[rank] = int32(min(n, math.MaxInt32)), int32(min(total, math.MaxInt32))
		total += n
	}
	return total, total <= most
}
