package vm

// permutation is a random order of the numbers below n in constant space: a Feistel network on the next power of four, with cycle
// walking.
type permutation struct {
	n    uint64
	half uint // bits of half a word
	key  [4]uint64
}

func newPermutation(n, seed uint64) permutation {
	p := permutation{n: n, half: 1}
	for p.half < 32 && uint64(1)<<(2*p.half) < n {
		p.half++
	}
	r := rng{seed}
	for i := range p.key {
		p.key[i] = r.next()
	}
	return p
}

func (p permutation) at(i uint64) uint64 {
	mask := uint64(1)<<p.half - 1
	for {
		l, r := i>>p.half, i&mask
		for _, k := range p.key {
			f := rng{r ^ k}
			l, r = r, l^f.next()&mask
		}
		if i = l<<p.half | r; i < p.n {
			return i
		}
	}
}
