package cpu

import (
	"unsafe"

	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/cpu/internal/stage"
)

// values returns the elements of an array from element start on, as computed with: where they are, if possible, or in the buffer, whose
// length is their number.
func (x *rich[C]) values(a *array, start int, buffer []C, b *room[C]) []C {
	n := len(buffer)
	if n == 0 {
		return buffer
	}
	if x.wide() {
		if a.dense() {
			return unsafe.Slice((*C)(a.after(start)), n)
		}
		a.gather(unsafe.Pointer(&buffer[0]), start, n)
		return buffer
	}
	from := unsafe.Pointer(&b.raw)
	if a.dense() {
		from = a.after(start)
	} else {
		a.gather(from, start, n)
	}
	x.widen(buffer, from)
	return buffer
}

// chosen returns the elements of a piece that the index chooses.
func (x *rich[C]) chosen(a *array, q *place, buffer []C, b *room[C]) []C {
	index := x.index[q.start : q.start+q.n]
	if x.wide() {
		a.choose(unsafe.Pointer(&buffer[0]), index, q.start)
		return buffer
	}
	a.choose(unsafe.Pointer(&b.raw), index, q.start)
	x.widen(buffer, unsafe.Pointer(&b.raw))
	return buffer
}

// wide reports whether elements are stored in the computing type.
func (x *rich[C]) wide() bool { return x.storage == stage.F32 || x.storage == stage.F64 }

// widen converts stored 16-bit numbers.
func (x *rich[C]) widen(to []C, from unsafe.Pointer) {
	wide, ok := any(to).([]float32)
	if !ok {
		panic("cpu: 16-bit numbers are computed in float32")
	}
	halves := unsafe.Slice((*uint16)(from), len(to))
	if x.storage == stage.F16 {
		stage.WidenF16(wide, halves)
	} else {
		stage.WidenBF16(wide, halves)
	}
}

// write stores the outputs of a piece.
func (x *rich[C]) write(a *array, from []C, q *place, b *room[C]) {
	if len(from) == 0 {
		return
	}
	chosen := a == &x.gradPred && x.index != nil
	dense := a.dense() && !chosen
	streaming := x.streaming && dense && x.bypasses(a, a.after(q.start))
	stored := unsafe.Pointer(&from[0])
	if x.wide() {
		if dense {
			stage.Copy(unsafe.Slice((*C)(a.after(q.start)), len(from)), from, streaming)
			return
		}
	} else {
		stored = unsafe.Pointer(&b.raw)
		if dense {
			stored = a.after(q.start)
		}
		x.narrow(stored, from, streaming)
		if dense {
			return
		}
	}
	if chosen {
		a.put(stored, x.index[q.start:q.start+q.n], q.start, x.actions, x.addPred)
	} else {
		a.scatter(stored, q.start, q.n)
	}
}

// narrow rounds numbers to 16-bit ones.
func (x *rich[C]) narrow(to unsafe.Pointer, from []C, streaming bool) {
	wide, ok := any(from).([]float32)
	if !ok {
		panic("cpu: 16-bit numbers are computed in float32")
	}
	halves := unsafe.Slice((*uint16)(to), len(from))
	if x.storage == stage.F16 {
		stage.NarrowF16(halves, wide, streaming)
	} else {
		stage.NarrowBF16(halves, wide, streaming)
	}
}

// maskOf returns the bytes of the mask for a piece, or nil.
func (x *rich[C]) maskOf(q *place, b *room[C]) []uint8 {
	if !x.mask.present() {
		return nil
	}
	if x.mask.dense() {
		return unsafe.Slice((*uint8)(x.mask.after(q.start)), q.n)
	}
	x.mask.gather(unsafe.Pointer(&b.mask), q.start, q.n)
	return b.mask[:q.n]
}

// rowSum returns the chunk sum of a short row. Sums start at +0, which −0 does not change.
func rowSum[C core.Float](row []C, b *room[C]) float64 {
	switch len(row) {
	case 1:
		return 0 + float64(row[0])
	case 2:
		return (0 + float64(row[0])) + (0 + float64(row[1]))
	case 3:
		return ((0 + float64(row[0])) + (0 + float64(row[2]))) + (0 + float64(row[1]))
	case 4:
		return ((0 + float64(row[0])) + (0 + float64(row[2]))) + ((0 + float64(row[1])) + (0 + float64(row[3])))
	}
	if len(row) > Lanes {
		return stage.Sum(row)
	}
	for i, term := range row {
		b.lanes[i] = 0 + float64(term)
	}
	return core.Fold(&b.lanes, len(row))
}

// countPiece counts what the mask keeps of a piece, or sums its weights.
func (x *rich[C]) countPiece(q *place, b *room[C]) {
	mask := x.maskOf(q, b)
	if x.by.Kept() {
		x.counts[q.number] = float64(stage.Kept(mask))
		return
	}
	weights := x.values(&x.weight, q.start, b.weight[:q.n], b)
	if mask == nil {
		x.counts[q.number] = stage.Sum(weights)
	} else {
		x.counts[q.number] = stage.SumChosen(b.term[:q.n], weights, mask)
	}
}
