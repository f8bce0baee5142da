package vm

import "encoding/binary"

// rng is SplitMix64, a generator with one word of state.
type rng struct{ state uint64 }

// seeded returns a generator seeded with some numbers.
func seeded(parts ...uint64) rng {
	r := rng{0x9e3779b97f4a7c15}
	for _, p := range parts {
		r.state ^= p
		r.state = r.next()
	}
	return r
}

func (r *rng) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below draws a number less than n > 0.
func (r *rng) below(n uint32) uint32 {
	return uint32(r.next() >> 32 * uint64(n) >> 32)
}

// scribble fills p with noise.
func (r *rng) scribble(p []byte) {
	v := r.next()
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, v)
		p = p[8:]
	}
	for i := range p {
		p[i] = byte(v >> (8 * i))
	}
}

// shuffle permutes n things.
func (r *rng) shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		swap(i, int(r.below(uint32(i+1))))
	}
}

// Rand is the generator of a device's random decisions.
type Rand struct{ r rng }

// NewRand returns a generator seeded with some numbers.
func NewRand(parts ...uint64) Rand { return Rand{seeded(parts...)} }

// Below draws a number less than n > 0.
func (r *Rand) Below(n uint32) uint32 { return r.r.below(n) }

// Scribble fills p with noise.
func (r *Rand) Scribble(p []byte) { r.r.scribble(p) }
