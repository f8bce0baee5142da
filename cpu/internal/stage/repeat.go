package stage

import (
	"sync"
	"unsafe"
)

// MaxRepeats is the largest number of times that Repeat repeats elements in assembly.
const MaxRepeats = 64

// Repeat copies each element of x, times times, until dst is full: the values of short rows, one for each.
func Repeat[E uint8 | uint16 | uint32 | uint64](dst, x []E, times int) {
	row := repeatVectors(dst, x, times) / times
	dst, x = dst[row*times:], x[row:] // a row that is begun is done again
	for len(dst) > 0 {
		n := min(times, len(dst))
		for i := range dst[:n] {
			dst[i] = x[0]
		}
		dst, x = dst[n:], x[1:]
	}
}

// vectorBytes is the length of the vectors that repeat stores.
const vectorBytes = 32

// shuffle makes a vector of repeated elements: the positions of its 32-bit words, or if elements are shorter, and with byteShuffles, of its
// bytes, in what follows the element that it begins with, and the distance in bytes from that element to the one that the next vector begins with.
type shuffle struct {
	from [vectorBytes]uint8
	next int
}

type order struct {
	once     sync.Once
	shuffles []shuffle
}

// orders has the shuffles for elements of 1, 2, 4 and 8 bytes, by the number of times.
var orders [4][MaxRepeats + 1]order

// repeatVectors computes the first elements of Repeat in assembly, and returns how many.
func repeatVectors[E uint8 | uint16 | uint32 | uint64](dst, x []E, times int) int {
	size := int(unsafe.Sizeof(x[0]))
	lanes := vectorBytes / size
	// All vectors read vectorBytes from x.
	n := min(len(dst)/lanes, ((len(x)-lanes)*times)/lanes)
	if times < 2 || times > MaxRepeats || n <= 0 || !repeats() {
		return 0
	}
	o := &orders[sizeIndex(size)][times]
	o.once.Do(func() { o.shuffles = shufflesOf(size, times) })
	repeat(pointer(dst), pointer(x), unsafe.Pointer(&o.shuffles[0]), len(o.shuffles), n, size < 4)
	return n * lanes
}

func sizeIndex(size int) int {
	switch size {
	case 1:
		return 0
	case 2:
		return 1
	case 4:
		return 2
	}
	return 3
}

// shufflesOf returns the shuffles of a row after which vectors begin at the first element of a row again.
func shufflesOf(size, times int) (all []shuffle) {
	lanes := vectorBytes / size
	for start := 0; start == 0 || start%times != 0; start += lanes {
		first := start / times
		s := shuffle{next: ((start+lanes)/times - first) * size}
		for lane := range lanes {
			at := (start+lane)/times - first
			if byteShuffles {
				for b := range size {
					s.from[lane*size+b] = uint8(at*size + b)
				}
				continue
			}
			switch size {
			case 1:
				s.from[lane] = uint8(at)
			case 2:
				s.from[2*lane], s.from[2*lane+1] = uint8(2*at), uint8(2*at+1)
			case 4:
				s.from[4*lane] = uint8(at)
			case 8:
				s.from[8*lane], s.from[8*lane+4] = uint8(2*at), uint8(2*at+1)
			}
		}
		all = append(all, s)
	}
	return all
}
