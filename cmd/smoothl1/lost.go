package main

import (
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// lost counts the numbers of an array that a conversion to a narrower type makes infinite or 0.
type lost struct {
	infinite, zero uint64
	elements       int // that have been looked at: elements are first read in order, and some are read again
}

// losses returns a line for each file whose conversion has lost numbers.
func (p *plan) losses(in *opened) (lines []string) {
	for i, l := range in.lost {
		var kinds []string
		if l.infinite > 0 {
			kinds = append(kinds, plural(l.infinite, "finite number")+" became infinite")
		}
		if l.zero > 0 {
			kinds = append(kinds, plural(l.zero, "nonzero number")+" became 0")
		}
		if len(kinds) > 0 {
			lines = append(lines, fmt.Sprintf("%s: converted to %v: %s%s", in.name(input(i)), p.dtype, strings.Join(kinds, ", "), p.wider(in, input(i))))
		}
	}
	return lines
}

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// wider returns how to avoid a loss: by a type that has the numbers of the file. There is none beside bit patterns of bfloat16.
func (p *plan) wider(in *opened, i input) string {
	for k, a := range in.arrays {
		if p.dtype == smoothl1.BFloat16 && a != nil && input(k).number() && a.Header().DType == npy.Uint16 {
			return ""
		}
	}
	if in.arrays[i].Header().DType == npy.Float64 {
		return "; use --dtype float64"
	}
	return "; use --dtype float32"
}

// narrowed is converted, and counts what is lost. count is edges for the numbers before the conversion.
func narrowed[T smoothl1.Float, From any](from source[From], convert func([]T, []From) error, count func(x []From, zeros bool) uint64, l *lost) source[T] {
	begin := 0
	return converted(func(dst []From, first int) error {
		begin = first
		return from(dst, first)
	}, func(dst []T, src []From) error {
		if err := convert(dst, src); err != nil {
			return err
		}
		seen := min(max(0, l.elements-begin), len(src))
		l.elements = max(l.elements, begin+len(src))
		narrow, wide := dst[seen:], src[seen:]
		n := edges(narrow, false)
		if n > 0 {
			n -= count(wide, false)
		}
		if n > 0 {
			zero := edges(narrow, true) - count(wide, true)
			l.zero += zero
			l.infinite += n - zero
		}
		return nil
	})
}

// edges returns how many numbers are 0, or else how many are 0, infinite or NaN. It has no branches that depend on the numbers.
func edges[T smoothl1.Float](x []T, zeros bool) (n uint64) {
	// With 1 less, the bit pattern of 0 is the greatest, and those of infinity and NaN are greater than those of other numbers.
	limit := func(infinity uint64) uint64 {
		if zeros {
			return math.MaxUint64 - 1
		}
		return infinity - 2
	}
	switch x := any(x).(type) {
	case []float32:
		limit := limit(0x7f800000)
		for _, v := range x {
			n += greater(uint64(math.Float32bits(v)&^(1<<31))-1, limit)
		}
	case []float64:
		limit := limit(0x7ff0000000000000)
		for _, v := range x {
			n += greater(math.Float64bits(v)&^(1<<63)-1, limit)
		}
	case []smoothl1.F16:
		limit := limit(0x7c00)
		for _, v := range x {
			n += greater(uint64(v&^(1<<15))-1, limit)
		}
	case []smoothl1.BF16:
		limit := limit(0x7f80)
		for _, v := range x {
			n += greater(uint64(v&^(1<<15))-1, limit)
		}
	}
	return n
}

// integerEdges is edges for integers.
func integerEdges[I integer](x []I, _ bool) (n uint64) {
	for _, v := range x {
		n += greater(uint64(v)-1, math.MaxUint64-1)
	}
	return n
}

// greater returns 1 if x > y, and else 0.
func greater(x, y uint64) uint64 {
	_, borrow := bits.Sub64(y, x, 0)
	return borrow
}
