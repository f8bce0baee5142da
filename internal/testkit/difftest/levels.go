package difftest

import (
	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Deep returns cases for each reducing kernel whose chunk sums fill exactly one chunk, and more than one.
func Deep() []Case {
	var cases []Case
	for _, rich := range []bool{false, true} {
		for _, p := range []op.Pass{Forward, ForwardBackward} {
			for _, t := range Types {
				for _, b := range []float64{1, 0.1} {
					c := Case{Op: p, DType: t, Loss: smoothl1.Loss{Beta: b}, N: cpu.Chunk * cpu.Chunk, Grads: GradPred, Upstream: 1}
					if rich { // and for that of the divisors
						c.Forms[op.RoleWeight], c.By = Dense, ByWeights
					}
					cases = append(cases, c)
					c.N, c.Data = c.N+len(cases), Wide
					cases = append(cases, c)
				}
			}
		}
	}
	return cases
}

// Levels returns cases for each reducing kernel in which the chunk sums end at each of the positions that the threads of a warp read
// together, and cases with full rows of chunk sums, in which every addition rounds. Rich kernels have these also by row, where one warp
// sums the chunk sums of a row that it had on its own, and rows with one level of chunk sums and with two whose chunks many warps had.
func Levels() []Case {
	var cases []Case
	add := func(c Case) {
		cases = append(cases, c)
		if !c.Lean() {
			c.Rows, c.Cols, c.ByRow, c.Blocks = 1, c.N, true, 1
			cases = append(cases, c)
		}
	}
	for k, c := range Deep() {
		if k%2 == 0 {
			continue
		}
		for i := range 16 {
			c.N = (32*i+1)*cpu.Chunk - i
			c.Seed, c.Data = uint64(i), []Data{Normal, Wide}[i%2]
			add(c)
		}
		for i := range 12 { // three for each of a thread's lanes: three additions in four show how they round
			c.N, c.Seed, c.Data = 512*cpu.Chunk, uint64(i), Sums
			add(c)
		}
		if !c.Lean() {
			c.ByRow, c.Data = true, Normal
			c.Rows, c.Cols = 3, 20*cpu.Chunk-1
			c.N = c.Rows * c.Cols
			cases = append(cases, c)
			c.Rows, c.Cols, c.Blocks = 2, (cpu.Chunk+1)*cpu.Chunk, 1 // few warps, which would each have had a row of fewer chunks
			c.N = c.Rows * c.Cols
			cases = append(cases, c)
		}
	}
	return cases
}
