package evaluate

import (
	"context"
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// column reads the elements of an array, from the shards of an item, in order. Its zero value is an absent array.
type column[T any] struct {
	shards []shard
	repeat int64
	fill   func(a *npy.Array, dst []T, first int) error

	file   *opened // of shards[0], nil if it is not open
	at     int64   // the next entry of a file that is read from beginning to end
	buffer []T
	spare  []T   // entries that stand for several elements
	begin  int64 // the entry in spare[0]
}

// newColumn returns the column of a role.
func newColumn[T any](it *item, r role, fill func(*npy.Array, []T, int) error) *column[T] {
	c := &column[T]{repeat: it.Repeat[r], fill: fill}
	for _, s := range it.Shards {
		if s.role() == r {
			c.shards = append(c.shards, s)
		}
	}
	return c
}

// close closes the open file.
func (c *column[T]) close() {
	if c.file != nil {
		c.file.close()
		c.file = nil
	}
}

// read returns n elements from element first on, which are valid until the next call, or nil if the array is absent.
func (c *column[T]) read(ctx context.Context, first int64, n int) ([]T, error) {
	switch {
	case c.repeat == 0:
		return nil, nil
	case n == 0:
		return []T{}, nil // not absent: a divisor may need it
	}
	c.buffer = sized(c.buffer, n)
	if c.repeat == 1 {
		return c.buffer, c.entries(ctx, c.buffer, first)
	}
	from, to := first/c.repeat, (first+int64(n)-1)/c.repeat+1
	var tail T
	kept := 0
	if k := len(c.spare); k > 0 && from == c.begin+int64(k)-1 { // the last entry stands for the next elements, too
		tail, kept = c.spare[k-1], 1
	}
	c.spare = sized(c.spare, int(to-from))
	if kept > 0 {
		c.spare[0] = tail
	}
	c.begin = from
	if err := c.entries(ctx, c.spare[kept:], from+int64(kept)); err != nil {
		return nil, err
	}
	for i, e := int64(0), from; e < to; e++ {
		end := min(int64(n), (e+1)*c.repeat-first)
		for ; i < end; i++ {
			c.buffer[i] = c.spare[e-from]
		}
	}
	return c.buffer, nil
}

func sized[T any](x []T, n int) []T {
	if cap(x) < n {
		return make([]T, n)
	}
	return x[:n]
}

// entries reads entries from entry first on.
func (c *column[T]) entries(ctx context.Context, dst []T, first int64) error {
	for len(dst) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		for len(c.shards) > 0 && first >= c.shards[0].First+c.shards[0].Entries {
			c.close()
			c.shards = c.shards[1:]
		}
		if len(c.shards) == 0 {
			return fmt.Errorf("evaluate: no shard has entry %d", first)
		}
		s := &c.shards[0]
		if c.file == nil {
			var err error
			if c.file, err = s.reopen(ctx); err != nil {
				return err
			}
			c.at = 0
		}
		if err := c.skip(ctx, s, first-s.First); err != nil {
			return err
		}
		n := min(int64(len(dst)), s.First+s.Entries-first)
		if err := c.fill(c.file.array, dst[:n], int(first-s.First)); err != nil {
			return s.wrap(err)
		}
		dst, first = dst[n:], first+n
		c.at = first - s.First
	}
	return nil
}

// skip reads up to an entry of the open file, unless that can be read at any place.
func (c *column[T]) skip(ctx context.Context, s *shard, to int64) error {
	if c.file.local {
		return nil
	}
	room := make([]T, min(to-c.at, 1<<16))
	for c.at < to {
		n := min(int64(len(room)), to-c.at)
		if err := c.fill(c.file.array, room[:n], int(c.at)); err != nil {
			return s.wrap(err)
		}
		c.at += n
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// numbers is the fill of numbers.
func numbers[T smoothl1.Float](a *npy.Array, dst []T, first int) error {
	return npy.ReadAt(a, dst, first)
}

// kept is the fill of a mask.
func kept(a *npy.Array, dst []uint8, first int) error {
	if t := a.Header().DType; t == npy.Bool || t == npy.Uint8 {
		return npy.ReadAt(a, dst, first)
	}
	wide := make([]int64, len(dst))
	if err := integers(a, wide, first); err != nil {
		return err
	}
	for i, x := range wide {
		dst[i] = 0
		if x != 0 {
			dst[i] = 1
		}
	}
	return nil
}

// integers is the fill of groups.
func integers(a *npy.Array, dst []int64, first int) error {
	switch a.Header().DType {
	case npy.Int64:
		return npy.ReadAt(a, dst, first)
	case npy.Int32:
		return widened[int32](a, dst, first)
	case npy.Int16:
		return widened[int16](a, dst, first)
	case npy.Int8:
		return widened[int8](a, dst, first)
	case npy.Uint32:
		return widened[uint32](a, dst, first)
	case npy.Uint16:
		return widened[uint16](a, dst, first)
	case npy.Uint64:
		if err := widened[uint64](a, dst, first); err != nil {
			return err
		}
		for _, x := range dst {
			if x < 0 {
				return fmt.Errorf("%s: holds %d, more than an int64 can hold", a.Name(), uint64(x))
			}
		}
		return nil
	}
	return widened[uint8](a, dst, first)
}

func widened[I npy.Element](a *npy.Array, dst []int64, first int) error {
	narrow := make([]I, len(dst))
	if err := npy.ReadAt(a, narrow, first); err != nil {
		return err
	}
	for i, x := range narrow {
		dst[i] = int64(x)
	}
	return nil
}
