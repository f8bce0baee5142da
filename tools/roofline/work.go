package main

import (
	"fmt"
	"strings"

	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/tools/sass"
)

// The canonical sum's constants.
const (
	chunkElements = 2048
	chunkLanes    = 128
)

// A path is what a warp executes for a chunk: what comes before the inner loop, the loop so many times, and what comes after.
type path struct {
	code               []sass.Instruction
	before, inner, end []int
	iterations         int
}

// work is what the machine code of a kernel says of its work.
type work struct {
	variant   kernels.Variant
	registers int
	inFlight  int // loads that a warp issues before it uses the first value
	piece     int // their bytes
	chunk     path
	fold      path     // the sum of 2048 chunk sums by a warp, for a reduction
	body      sass.Mix // instructions an element, in the loop over the rows of a chunk
	around    sass.Mix // and outside of it
}

// bytes returns the bytes an element that the kernel reads and writes, with one gradient.
func (w work) bytes() (read, written int) {
	size := w.variant.DType.Size()
	return w.inputs() * size, w.outputs() * size
}

func (w work) inputs() int {
	if w.variant.Elementwise {
		return 3
	}
	return 2
}

func (w work) outputs() int {
	if w.variant.Pass == kernels.Forward {
		return 0
	}
	return 1
}

// workOf reads the machine code of a kernel of plain arrays.
func workOf(v kernels.Variant, code []sass.Instruction, registers int) (*work, error) {
	w := &work{variant: v, registers: registers, piece: 16}
	if v.DType.Size() == 2 {
		w.piece = 8
	}
	wide := func(op string) func(sass.Instruction) bool {
		prefix := fmt.Sprintf("%s.E.%d", op, 8*w.piece)
		return func(in sass.Instruction) bool {
			return strings.HasPrefix(in.Op, prefix) && !strings.Contains(in.Op, "STRONG")
		}
	}
	var err error
	if w.inFlight, err = loadsInFlight(code, w.piece); err != nil {
		return nil, err
	}
	loops := sass.Loops(code)
	threadElements := func(loads int) int { return loads / w.inputs() * w.piece / v.DType.Size() }
	w.chunk, err = pathOf(code, loops, wide("LDG"), wide("STG"), func(loads int) int { return loads / w.inputs() * w.outputs() },
		func(loads int) int { return chunkElements / sassLanes / max(1, threadElements(loads)) })
	if err != nil {
		return nil, err
	}
	per := float64(chunkElements / sassLanes) // elements of a thread
	w.body = sass.Mix{}.Plus(sass.Count(code, w.chunk.inner), float64(w.chunk.iterations)/per)
	w.around = sass.Mix{}.Plus(sass.Count(code, w.chunk.before), 1/per).Plus(sass.Count(code, w.chunk.end), 1/per)
	if v.Pass.Reduces() {
		strong := func(in sass.Instruction) bool { return strings.HasPrefix(in.Op, "LDG.E.64.STRONG") }
		none := func(sass.Instruction) bool { return false }
		w.fold, err = pathOf(code, loops, strong, none, func(int) int { return 0 }, func(loads int) int { return chunkElements / sassLanes / max(1, loads) })
	}
	return w, err
}

// pathOf returns the path through the loop with the most loads, and through the smallest loop around it, if there is one. The functions
// say what is loaded and stored, and how many stores an iteration executes and how often the inner loop is iterated if it has that many loads.
func pathOf(code []sass.Instruction, loops []sass.Loop, isLoad, isStore func(sass.Instruction) bool, stores, iterations func(loads int) int) (path, error) {
	count := func(indexes []int) (n int) {
		for _, i := range indexes {
			if isLoad(code[i]) {
				n++
			}
		}
		return n
	}
	var inner *sass.Loop
	for i, l := range loops {
		if n := count(l.Instructions); n > 1 && (inner == nil || n >= count(inner.Instructions) && len(l.Instructions) < len(inner.Instructions)) {
			inner = &loops[i]
		}
	}
	if inner == nil {
		return path{}, fmt.Errorf("found no loop with the loads of a chunk")
	}
	once := sass.Path(code, *inner, isLoad, isStore, stores(count(inner.Instructions)))
	p := path{code: code, inner: once, iterations: iterations(count(once))}
	var outer *sass.Loop
	for i, l := range loops {
		if l.Head != inner.Head && l.Contains(inner.Head) && (outer == nil || len(l.Instructions) < len(outer.Instructions)) {
			outer = &loops[i]
		}
	}
	if outer == nil {
		return p, nil
	}
	for _, i := range sass.Path(code, *outer, isLoad, isStore, stores(count(once))) {
		switch {
		case inner.Contains(i):
		case i < inner.Head:
			p.before = append(p.before, i)
		default:
			p.end = append(p.end, i)
		}
	}
	return p, nil
}

// cycles returns the cycles of a lone warp for one more pass, if the inner loop is iterated so many times.
func (p path) cycles(t sass.Timing, iterations int) float64 {
	once := append([]int{}, p.before...)
	for range iterations {
		once = append(once, p.inner...)
	}
	once = append(once, p.end...)
	return sass.Schedule(p.code, append(append([]int{}, once...), once...), t) - sass.Schedule(p.code, once, t)
}
