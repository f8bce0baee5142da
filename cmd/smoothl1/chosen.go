package main

import (
	"fmt"
	"strconv"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// chosen are the columns that an index names for the rows of a piece. The command picks these elements of PRED itself: so memory is
// bounded for any number of columns, and a device receives no others.
type chosen struct {
	name     string
	from     source[int64]
	unsigned bool // negative columns are those of a uint64 that an int64 cannot hold
	actions  int
	columns  []int64 // of the piece
	first    int     // row of the piece
}

// load reads the columns of n rows.
func (x *chosen) load(first, n int) error {
	if cap(x.columns) < n {
		x.columns = make([]int64, n)
	}
	x.columns, x.first = x.columns[:n], first
	if err := x.from(x.columns, first); err != nil {
		return err
	}
	for r, c := range x.columns {
		if c < 0 || c >= int64(x.actions) {
			value := strconv.FormatInt(c, 10)
			if x.unsigned {
				value = strconv.FormatUint(uint64(c), 10)
			}
			return fmt.Errorf("--index %s: the index of row %d is %s, but PRED has %d columns", x.name, first+r, value, x.actions)
		}
	}
	return nil
}

// walk calls visit for consecutive blocks of the elements of all columns of the piece, of at most the given length. places are those of
// the chosen elements in the block, and rows the rows of the first of them in the piece.
func (x *chosen) walk(longest int, visit func(first, n, row int, places []int) error) error {
	begin, end := x.first*x.actions, (x.first+len(x.columns))*x.actions
	var places []int
	for row := 0; begin < end; begin += longest {
		n := min(longest, end-begin)
		places = places[:0]
		for r := row; r < len(x.columns); r++ {
			at := (x.first+r)*x.actions + int(x.columns[r]) - begin
			if at >= n {
				break
			}
			places = append(places, at)
		}
		if err := visit(begin, n, row, places); err != nil {
			return err
		}
		row += len(places)
	}
	return nil
}

// pick returns a source of the chosen elements of the piece.
func pick[T smoothl1.Float](x *chosen, all source[T]) source[T] {
	block := make([]T, buffered)
	return func(dst []T, _ int) error {
		return x.walk(len(block), func(first, n, row int, places []int) error {
			if err := all(block[:n], first); err != nil {
				return err
			}
			for i, at := range places {
				dst[row+i] = block[at]
			}
			return nil
		})
	}
}

// scatter writes the gradient of the chosen elements of the piece, with those of old, or +0, in the other columns.
func scatter[T smoothl1.Float](x *chosen, w *npy.Writer, old source[T]) func([]T) error {
	block := make([]T, buffered)
	return func(gradient []T) error {
		return x.walk(len(block), func(first, n, row int, places []int) error {
			clear(block[:n])
			if old != nil {
				if err := old(block[:n], first); err != nil {
					return err
				}
			}
			for i, at := range places {
				block[at] = gradient[row+i]
			}
			return npy.Append(w, block[:n])
		})
	}
}
