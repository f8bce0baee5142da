//go:build cgo && linux

package mpi

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/mpi/internal/ranks"
)

func TestMain(m *testing.M) {
	ranks.Main(m, map[string]func(){
		"collectives": rank(Multiple, collectives),
		"pieces":      rank(Multiple, func(t ranks.Check, world *Comm) { most = 3; collectives(t, world) }),
		"single":      rank(Single, collectives),
		"funneled":    rank(Funneled, collectives),
		"serialized":  rank(Serialized, collectives),
		"split":       rank(Multiple, split),
		"goroutines":  rank(Multiple, goroutines),
		"funnel":      rank(Funneled, goroutines),
		"serial":      rank(Serialized, goroutines),
		"refused":     rank(Multiple, refusedArguments),
		"truncated":   rank(Multiple, truncated),
		"steps":       rank(Multiple, steps),
		"ends":        rank(Multiple, ends),
		"fails": func() {
			Main(Multiple, func(world *Comm) error {
				if world.Rank() == world.Size()-1 {
					return errors.New("no data")
				}
				return world.Barrier()
			})
		},
		"life": life,
	})
}

// rank is the program of a rank.
func rank(level Level, f func(ranks.Check, *Comm)) func() {
	return func() {
		Main(level, func(world *Comm) error {
			f(ranks.Check{Rank: world.Rank()}, world)
			return nil
		})
	}
}

// TestRanks runs cases whose ranks check themselves.
func TestRanks(t *testing.T) {
	for _, c := range []struct {
		name string
		np   []int
	}{
		{"collectives", []int{1, 2, 3, 4}}, {"pieces", []int{1, 3}}, {"single", []int{2}}, {"funneled", []int{3}}, {"serialized", []int{2}},
		{"split", []int{1, 4}}, {"goroutines", []int{3}}, {"funnel", []int{2}}, {"serial", []int{2}}, {"refused", []int{2}},
		{"truncated", []int{2}}, {"steps", []int{2}}, {"life", []int{1, 2}},
	} {
		for _, np := range c.np {
			t.Run(fmt.Sprintf("%s/np=%d", c.name, np), func(t *testing.T) {
				out, err := ranks.Run(t, np, c.name)
				require.NoError(t, err, out)
			})
		}
	}
}

// TestFunneled checks that below Serialized a call is made by the thread that has initialized MPI, and not by the caller's.
func TestFunneled(t *testing.T) {
	library.calls, library.provided = make(chan *call), Funneled
	defer func() { library.calls, library.provided = nil, Single }()
	k := &call{done: make(chan struct{})}
	ended := make(chan int)
	go func() { ended <- k.do() }()
	select {
	case got := <-library.calls:
		require.Same(t, k, got)
	case <-ended:
		require.Fail(t, "the call was made on the caller's thread")
	}
	k.code = 7
	k.done <- struct{}{}
	require.Equal(t, 7, <-ended)
}

func split(t ranks.Check, world *Comm) {
	n := world.Size()
	half, err := world.Split(world.Rank()%2, -world.Rank()) // in reverse
	require.NoError(t, err)
	require.Equal(t, (n+1-world.Rank()%2)/2, half.Size())
	require.Equal(t, half.Size()-1-world.Rank()/2, half.Rank())
	x := []float64{float64(world.Rank())}
	require.NoError(t, Allreduce(half, x))
	want := 0
	for r := world.Rank() % 2; r < n; r += 2 {
		want += r
	}
	require.EqualValues(t, want, x[0])

	color := -1
	if world.Rank() == 0 {
		color = 7
	}
	one, err := world.Split(color, 0)
	require.NoError(t, err)
	require.Equal(t, world.Rank() == 0, one != nil)
	require.NoError(t, one.Free())
	require.NoError(t, half.Free())
	require.NoError(t, half.Free())
	require.ErrorIs(t, half.Barrier(), smoothl1.ErrClosed)
	require.ErrorIs(t, world.Free(), ErrWorld)
	_, err = world.Split(1<<40, 0)
	require.ErrorIs(t, err, smoothl1.ErrTooLarge)
}

// goroutines makes calls on many communicators at once.
func goroutines(t ranks.Check, world *Comm) {
	var all sync.WaitGroup
	for range 4 {
		c, err := world.Split(0, world.Rank())
		require.NoError(t, err)
		all.Go(func() {
			for i := range 50 {
				x := []float64{float64(i)}
				if err := Allreduce(c, x); err != nil || x[0] != float64(i*world.Size()) {
					Abort(9)
				}
			}
		})
		if Provided() < Multiple { // calls that wait for each other in different orders on the ranks would block the one thread for ever
			all.Wait()
		}
	}
	all.Wait()
}

func refusedArguments(t ranks.Check, c *Comm) {
	x := make([]float64, 4)
	for _, err := range []error{
		Bcast(c, x, -1), Bcast(c, x, 2), BcastDevice[int32](c, 64, 4, 3),
	} {
		require.ErrorIs(t, err, ErrRank)
	}
	for _, err := range []error{
		Allgather(c, x, x), Allgather(c, x, make([]float64, 9)), Allgatherv(c, x, x, []int{4}), Allgatherv(c, x, x, []int{3, 1}),
		Allgatherv(c, x, x, []int{4, 4}), Allgatherv(c, x, x, []int{-1, 5}), Allgatherv(c, x, x, []int{1 << 62, 1 << 62}),
		Alltoallv(c, x, []int{2, 1}, x, []int{2, 2}), Alltoallv(c, x, []int{2, 2}, x, []int{2, 1}), Alltoallv(c, x, []int{4}, x, []int{2, 2}),
	} {
		require.ErrorIs(t, err, smoothl1.ErrLength)
		var e *smoothl1.ArgError
		require.ErrorAs(t, err, &e)
		require.NotEmpty(t, e.Arg)
	}
	y, own, pair := make([]float64, 8), 3*c.Rank(), []int{4, 4}
	for _, err := range []error{
		Allgather(c, y[own:own+4], y), Allgatherv(c, y[own:own+4], y, pair), Alltoallv(c, y, pair, y, pair),
	} {
		require.ErrorIs(t, err, smoothl1.ErrOverlap)
	}
	require.NoError(t, Allgather(c, y[:2], y[2:6]), "beside each other")
	for _, c := range []*Comm{nil, {}} {
		reason := smoothl1.ErrNil
		if c != nil {
			reason = smoothl1.ErrZero
		}
		_, err := c.Split(0, 0)
		for _, err := range []error{err, c.Barrier(), Bcast(c, x, 0), Allreduce(c, x), Allgather(c, x, x), Allgatherv(c, x, x, nil),
			Alltoallv(c, x, nil, x, nil), AllreduceDevice[float32](c, 64, 1), BcastDevice[uint8](c, 64, 1, 0)} {
			require.ErrorIs(t, err, reason)
		}
		require.NoError(t, c.Free())
		require.Equal(t, -1, c.Rank())
		require.Zero(t, c.Size())
		require.NotEmpty(t, c.String())
	}
	require.False(t, CUDAAware(), "Debian's Open MPI is built without CUDA")
	require.ErrorIs(t, AllreduceDevice[float32](c, 64, 1), ErrHost)

	// A second call on a communicator, and Finalize, while rank 0 waits for rank 1. Another communicator may be used.
	other, err := c.Split(0, c.Rank())
	require.NoError(t, err)
	if c.Rank() == 0 {
		waiting := make(chan error)
		go func() { waiting <- c.Barrier() }()
		for c.mu.TryLock() {
			c.mu.Unlock()
			runtime.Gosched()
		}
		require.ErrorIs(t, Allreduce(c, x), smoothl1.ErrBusy)
		require.ErrorIs(t, Finalize(), smoothl1.ErrBusy)
		_, err = Init(Multiple)
		require.ErrorIs(t, err, ErrState)
		require.NoError(t, other.Barrier())
		require.NoError(t, <-waiting)
		return
	}
	require.NoError(t, other.Barrier())
	require.NoError(t, c.Barrier())
}

// truncated sends more than the receiver expects.
func truncated(t ranks.Check, c *Comm) {
	err := Bcast(c, make([]float64, 10-5*c.Rank()), 0)
	if c.Rank() == 0 {
		require.NoError(t, err)
		return
	}
	var e *Error
	require.ErrorAs(t, err, &e)
	require.EqualError(t, err, "mpi: Bcast on world, rank 1 of 2: MPI_ERR_TRUNCATE: message truncated")
	require.Equal(t, "Bcast", e.Op)
}

// steps makes calls without end, nearly: neither this process nor the Go heap may grow.
func steps(t ranks.Check, c *Comm) {
	own, x, counts := make([]float64, 250), make([]float64, 250*c.Size()), same(250, c.Size())
	var before, after runtime.MemStats
	var resident [2]int
	for i := range 11_000 {
		if i == 1000 {
			resident[0] = ranks.Pages(t)
			runtime.ReadMemStats(&before)
		}
		require.NoError(t, Allgatherv(c, own, x, counts))
		require.NoError(t, Allreduce(c, x))
		clear(x)
	}
	runtime.ReadMemStats(&after)
	resident[1] = ranks.Pages(t)
	require.Less(t, after.Mallocs-before.Mallocs, uint64(1000), "allocations in 10,000 steps")
	require.Less(t, resident[1]-resident[0], 256, "pages of 4 KiB")
}

// life checks the order of Init, calls and Finalize.
func life() {
	t := ranks.Check{}
	require.ErrorIs(t, Finalize(), ErrState)
	require.Equal(t, Single, Provided())
	_, err := Init(4)
	require.ErrorIs(t, err, smoothl1.ErrOption)
	early := &Comm{made: true, name: "early"}
	require.ErrorIs(t, early.Barrier(), ErrState)

	world, err := Init(Multiple)
	require.NoError(t, err)
	_, err = Init(Multiple)
	require.ErrorIs(t, err, ErrState)
	require.Equal(t, Multiple, Provided())
	require.NoError(t, world.Barrier())
	require.NoError(t, Finalize())
	require.ErrorIs(t, Finalize(), ErrState)
	require.ErrorIs(t, world.Barrier(), ErrState)
	_, err = Init(Multiple)
	require.EqualError(t, err, "smoothl1: Init: MPI = finalized: not possible in this state of MPI: it is initialized once in a process")
}
