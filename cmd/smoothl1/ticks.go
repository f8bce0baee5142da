package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"gonum.org/v1/plot"
)

// scale is the ticks and labels of an axis.
type scale struct {
	ticks []plot.Tick
	base  string // subtracted from the labels and shown beside the axis's name, such as " − 100000"; or ""
}

const (
	maxTicks      = 9
	longestLabel  = 8   // in characters; longer ones are written relative to a base
	largestPlain  = 1e6 // smaller numbers have no exponent, unless they have digits
	smallestPlain = -5  // below this power of ten
)

// newScale puts ticks at round numbers between low and high, as many as have labels that fit. A tick is an integer multiple of a power
// of ten, and is computed and printed as such, so that ticks and labels are distinct however narrow the range is relative to its
// position.
func newScale(low, high float64, fit func([]plot.Tick) bool) (s scale) {
	for exponent := int(math.Floor(math.Log10((high - low) / maxTicks))); ; exponent++ {
		for _, factor := range []int64{1, 2, 5} {
			step := float64(factor) * math.Pow10(exponent)
			if (high-low)/step >= maxTicks {
				continue
			}
			multiples := multiplesIn(low, high, factor, exponent)
			if len(multiples) < 2 {
				return s
			}
			if s = labelTicks(multiples, exponent); fit(s.ticks) {
				return s
			}
		}
	}
}

// multiplesIn returns the multiples n of factor for which n·10^exponent is between low and high.
func multiplesIn(low, high float64, factor int64, exponent int) (all []int64) {
	first := int64(math.Floor(low/math.Pow10(exponent)/float64(factor))) - 1
	for n := range int64(maxTicks + 4) {
		n = (first + n) * factor
		if v := decimal(n, exponent); v >= low && v <= high {
			all = append(all, n)
		}
	}
	return all
}

// decimal returns the float64 nearest to n·10^exponent.
func decimal(n int64, exponent int) float64 {
	v, err := strconv.ParseFloat(fmt.Sprintf("%de%d", n, exponent), 64)
	if err != nil {
		panic(err) // unreachable: the text is a number, and far from overflow
	}
	return v
}

// labelTicks labels ticks, relative to a base if the labels would be long otherwise and that makes them shorter.
func labelTicks(multiples []int64, exponent int) scale {
	s := labelFrom(multiples, 0, exponent)
	if s.longest() <= longestLabel {
		return s
	}
	nearest, round := multiples[0], int64(10) // nearest to 0
	if nearest < 0 {
		nearest = multiples[len(multiples)-1]
	}
	for round < multiples[len(multiples)-1]-multiples[0] {
		round *= 10
	}
	if based := labelFrom(multiples, nearest/round*round, exponent); based.longest() < s.longest()-1 {
		return based
	}
	return s
}

// longest returns the length of the longest label, in characters.
func (s scale) longest() (n int) {
	for _, t := range s.ticks {
		n = max(n, utf8.RuneCountInString(t.Label))
	}
	return n
}

func labelFrom(multiples []int64, base int64, exponent int) (s scale) {
	plain := exponent >= smallestPlain
	for _, n := range multiples {
		plain = plain && math.Abs(decimal(n-base, exponent)) < largestPlain
	}
	for _, n := range multiples {
		s.ticks = append(s.ticks, plot.Tick{Value: decimal(n, exponent), Label: printed(decimal(n-base, exponent), plain)})
	}
	if base != 0 {
		v := decimal(-base, exponent)
		s.base = printed(v, math.Abs(v) < 1e9 && exponent >= -9)
		if v > 0 {
			s.base = "+" + s.base
		}
		sign, size := utf8.DecodeRuneInString(s.base)
		s.base = fmt.Sprintf(" %c %s", sign, s.base[size:])
	}
	return s
}

// printed formats a number with as many digits as it needs, and with a typographic minus sign.
func printed(v float64, plain bool) string {
	format := byte('e')
	if plain || v == 0 {
		format = 'f'
	}
	text := strconv.FormatFloat(v, format, -1, 64)
	if positive, negative := strings.CutPrefix(text, "-"); negative {
		return "−" + positive
	}
	return text
}
