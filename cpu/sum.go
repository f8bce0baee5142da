package cpu

import "github.com/smoothl1/smoothl1/cpu/internal/core"

// total sums chunk sums by the rule of the canonical sum until one number is left.
func total(sums []float64) float64 {
	switch len(sums) {
	case 0:
		return 0
	case 1:
		return sums[0]
	}
	size := 1
	for len(sums) > size*Chunk {
		size *= Chunk
	}
	return levelSum(sums, size)
}

// levelSum returns the chunk sum of at most Chunk numbers, each of which is the canonical sum of size elements of sums (the last of
// the rest).
func levelSum(sums []float64, size int) float64 {
	var lanes [Lanes]float64
	used := 0
	if size == 1 {
		for start := 0; start < len(sums); start += Lanes {
			row := sums[start:min(start+Lanes, len(sums))]
			into := lanes[:len(row)]
			for j, x := range row {
				into[j] += x
			}
		}
		used = len(sums)
	} else {
		for start := 0; start < len(sums); start += size {
			lanes[used%Lanes] += levelSum(sums[start:min(start+size, len(sums))], size/Chunk)
			used++
		}
	}
	return core.Fold(&lanes, used)
}
