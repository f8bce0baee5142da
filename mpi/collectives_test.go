//go:build cgo && linux

package mpi

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/mpi/internal/ranks"
)

func check[T Element](t ranks.Check, c *Comm) {
	n := c.Size()
	at := func(rank, i int) T { return T(rank*10 + i) }
	x := make([]T, 7)
	for i := range x {
		x[i] = at(c.Rank(), i)
	}
	counts, total := make([]int, n), 0
	for r := range counts {
		counts[r] = (r * 5) % 8 // 0, 5, 2, 7
		total += counts[r]
	}
	equal, uneven := make([]T, 7*n), make([]T, total)
	require.NoError(t, Allgather(c, x, equal))
	require.NoError(t, Allgatherv(c, x[:counts[c.Rank()]], uneven, counts))
	from := 0
	for r := range n {
		for i := range 7 {
			require.Equal(t, at(r, i), equal[7*r+i])
		}
		for i := range counts[r] {
			require.Equal(t, at(r, i), uneven[from+i])
		}
		from += counts[r]
	}
	require.NoError(t, Bcast(c, x, n-1))
	for i := range x {
		require.Equal(t, at(n-1, i), x[i])
	}
	require.NoError(t, Bcast(c, x[:0], 0))
}

func sum[T float32 | float64](t ranks.Check, c *Comm) {
	n := c.Size()
	x := make([]T, 10)
	for i := range x {
		x[i] = T(c.Rank()*i) + 0.5
	}
	require.NoError(t, Allreduce(c, x))
	for i := range x {
		require.Equal(t, T(n*(n-1)/2*i)+T(n)/2, x[i])
	}
	require.NoError(t, Allreduce(c, x[:0]))
}

func collectives(t ranks.Check, c *Comm) {
	n := c.Size()
	require.Equal(t, fmt.Sprintf("world, rank %d of %d", c.Rank(), n), c.String())
	check[uint8](t, c)
	check[int32](t, c)
	check[int64](t, c)
	check[uint64](t, c)
	check[float32](t, c)
	check[float64](t, c)
	sum[float32](t, c)
	sum[float64](t, c)
	require.NoError(t, c.Barrier())

	if most < 1<<30 {
		err := Alltoallv(c, make([]int32, 4*n), same(4, n), make([]int32, 4*n), same(4, n))
		require.ErrorIs(t, err, smoothl1.ErrTooLarge)
		return
	}
	// Rank r sends q+1 numbers to rank q, all r.
	var send []float64
	toCount := make([]int, n)
	for q := range n {
		toCount[q] = q + 1
		for range q + 1 {
			send = append(send, float64(c.Rank()))
		}
	}
	recv := make([]float64, n*(c.Rank()+1))
	require.NoError(t, Alltoallv(c, send, toCount, recv, same(c.Rank()+1, n)))
	for i, x := range recv {
		require.EqualValues(t, i/(c.Rank()+1), x)
	}
}

func same(x, n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = x
	}
	return s
}
