package cpu

// fold adds the lanes by halves: lane i += lane i+64, then i+32, …, i+1.
func fold(lanes *[Lanes]float64) float64 {
	for half := Lanes / 2; half > 0; half /= 2 {
		for i := range half {
			lanes[i] += lanes[i+half]
		}
	}
	return lanes[0]
}

// summer sums chunk sums as they come, in their order, by the rule of the canonical sum: 2048 of them make one number of the
// next level, and so on. It holds the lanes of each level, so no number of sums makes it allocate.
type summer struct {
	levels [maxLevels]level
	used   int
}

type level struct {
	lanes [Lanes]float64
	count int // numbers added since the level's last chunk was finished
	total int // and in all
}

// 2048⁵ chunk sums are more than a memory holds.
const maxLevels = 5

// add adds the next chunk sum.
func (s *summer) add(x float64) { s.addTo(0, x) }

func (s *summer) addTo(k int, x float64) {
	if k == s.used {
		s.used++
	}
	l := &s.levels[k]
	l.lanes[l.count%Lanes] += x
	l.count++
	l.total++
	if l.count == Chunk {
		s.finish(k)
	}
}

// finish hands the sum of a level's chunk to the next level.
func (s *summer) finish(k int) {
	l := &s.levels[k]
	x := fold(&l.lanes)
	l.lanes = [Lanes]float64{}
	l.count = 0
	s.addTo(k+1, x)
}

// sum returns the sum of all that was added.
func (s *summer) sum() float64 {
	for k := 0; k < s.used; k++ {
		l := &s.levels[k]
		if l.total == 1 { // one number is left
			return l.lanes[0]
		}
		if l.count > 0 {
			s.finish(k)
		}
	}
	return 0
}
