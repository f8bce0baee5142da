package difftest

import (
	"fmt"
	"github.com/smoothl1/smoothl1/internal/op"

	"github.com/smoothl1/smoothl1"
)

// zone is the number of elements of the guard zones before and after each array: longer than any vector, and a multiple of the widest, so
// that the array stays aligned.
const zone = 64

// sentinel returns the contents of guard zones: a NaN, to reveal reads, with a payload, to reveal writes.
func sentinel[T op.Computing]() T { return fromBits[T](formatOf(smoothl1.DTypeOf[T]()).sentinel) }

// guarded are arrays between guard zones.
type guarded[T op.Computing] struct {
	whole  [][]T
	shifts []int
}

// add returns a copy of content between guard zones, shifted as the case says.
func (g *guarded[T]) add(c Case, content []T) []T {
	shift := c.shiftOf(len(g.whole))
	whole := surround(content, zone, shift)
	g.whole = append(g.whole, whole)
	g.shifts = append(g.shifts, shift)
	return inside(whole, zone, shift, len(content))
}

// zoneOf returns the size of the guard zones of the case's arrays on a device.
func (c Case) zoneOf() int {
	if c.Exact {
		return 0
	}
	return zone
}

// surround returns content with a guard zone on either side, the first one longer by shift.
func surround[T op.Computing](content []T, zone, shift int) []T {
	whole := make([]T, zone+shift+len(content)+zone)
	copy(inside(whole, zone, shift, len(content)), content)
	for _, outside := range [][]T{whole[:zone+shift], whole[zone+shift+len(content):]} {
		for i := range outside {
			outside[i] = sentinel[T]()
		}
	}
	return whole
}

func inside[T op.Computing](whole []T, zone, shift, n int) []T {
	return whole[zone+shift : zone+shift+n : zone+shift+n]
}

// checkZones returns an error if the guard zones of array k were written to.
func checkZones[T op.Computing](k int, whole []T, zone, shift int) error {
	begin, end := zone+shift, len(whole)-zone
	for _, outside := range [][2]int{{0, begin}, {end, len(whole)}} {
		for i := outside[0]; i < outside[1]; i++ {
			if x := whole[i]; bitsOf(x) != bitsOf(sentinel[T]()) {
				return fmt.Errorf("array %d: element %d of %d, outside of it, was overwritten with %v", k, i-begin, end-begin, x)
			}
		}
	}
	return nil
}

// check returns an error if a guard zone, or one of the first arrays, which are inputs, was written to.
func (g *guarded[T]) check(in Inputs[T], inputs int) error {
	originals := [][]T{in.Pred, in.Target, in.Upstream}
	for k, whole := range g.whole {
		if err := checkZones(k, whole, zone, g.shifts[k]); err != nil {
			return err
		}
		if k >= inputs {
			continue
		}
		if err := compareArray(fmt.Sprintf("input %d after the call", k), inside(whole, zone, g.shifts[k], len(originals[k])), originals[k]); err != nil {
			return err
		}
	}
	return nil
}
