package cpu

import (
	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/cpu/internal/stage"
)

// operands are the inputs of a piece as computed with, or a part of them. Those that are absent are nil.
type operands[C core.Float] struct {
	pred, target, weight, beta, up, dir []C
	mask                                []uint8
}

func (o *operands[C]) part(from, to int) operands[C] {
	cut := func(x []C) []C {
		if x == nil {
			return nil
		}
		return x[from:to]
	}
	return operands[C]{cut(o.pred), cut(o.target), cut(o.weight), cut(o.beta), cut(o.up), cut(o.dir), nil}
}

// stages makes a piece in stages. Nothing is written to the outputs before all inputs are read, since an output may be the same array.
func (x *rich[C]) stages(q *place, b *room[C]) {
	n := q.n
	var in operands[C]
	if x.index != nil {
		in.pred = x.chosen(&x.pred, q, b.pred[:n], b)
	} else {
		in.pred = x.values(&x.pred, q.start, b.pred[:n], b)
	}
	in.target = x.values(&x.target, q.start, b.target[:n], b)
	optional := func(a *array, buffer []C) []C {
		if !a.present() {
			return nil
		}
		return x.values(a, q.start, buffer, b)
	}
	in.weight, in.up, in.dir = optional(&x.weight, b.weight[:n]), optional(&x.upstream, b.up[:n]), optional(&x.direction, b.dir[:n])
	in.beta = optional(&x.beta, b.beta[:n])
	in.mask = x.maskOf(q, b)

	x.norms(q, &in, b)
	x.segments(q, &in, b)
	x.finish(q, &in, b)

	for _, out := range [...]struct {
		to   *array
		from []C
	}{{&x.terms, b.term[:n]}, {&x.abs, b.distance[:n]}, {&x.gradPred, b.gradPred[:n]}, {&x.gradTarget, b.gradTarget[:n]}, {&x.second, b.second[:n]}} {
		if out.to.present() {
			x.write(out.to, out.from, q, b)
		}
	}
}

// norms sets the norms and divisors of the rows of the piece, or b.norm[0] if they are all the same.
func (x *rich[C]) norms(q *place, in *operands[C], b *room[C]) {
	switch {
	case len(x.divisors) > 0:
		_, b.norm[0] = x.dividing(x.divisors[q.row])
	case !x.normByRow():
		b.norm[0] = x.norm
	default:
		for r := range q.rows {
			from, to := r*x.cols, (r+1)*x.cols
			var divisor float64
			switch {
			case x.by.Kept():
				divisor = float64(stage.Kept(in.mask[from:to]))
			case in.mask == nil:
				divisor = rowSum(in.weight[from:to], b)
			default:
				stage.Choose(b.term[:x.cols], in.weight[from:to], in.mask[from:to], false)
				divisor = rowSum(b.term[:x.cols], b)
			}
			b.divisor[r], b.norm[r] = x.dividing(divisor)
		}
	}
}

// normByRow reports whether the short rows of a piece have norms of their own.
func (x *rich[C]) normByRow() bool {
	return x.rowsOfPiece > 0 && x.counted() && x.loss.Reduction == smoothl1.Mean
}

// finish weighs the terms, chooses what the mask keeps, adds up, and accumulates.
func (x *rich[C]) finish(q *place, in *operands[C], b *room[C]) {
	n := q.n
	if x.termsNeeded() {
		x.sumUp(q, in, b)
	}
	if x.abs.present() {
		stage.Distance(b.distance[:n], in.pred, in.target)
		if in.mask != nil {
			stage.Choose(b.distance[:n], b.distance[:n], in.mask, false)
		}
	}
	if !x.kind.Differentiates() {
		return
	}
	switch {
	case in.mask != nil && x.gradTarget.present():
		stage.ChooseBoth(b.gradPred[:n], b.gradTarget[:n], b.gradPred[:n], in.mask, false)
	case in.mask != nil:
		stage.Choose(b.gradPred[:n], b.gradPred[:n], in.mask, false)
	case x.gradTarget.present():
		stage.Negate(b.gradTarget[:n], b.gradPred[:n])
	}
	if in.mask != nil && x.second.present() {
		stage.Choose(b.second[:n], b.second[:n], in.mask, false)
	}
	if x.addPred {
		stage.Add(b.gradPred[:n], x.gradientBefore(&x.gradPred, q, b), b.gradPred[:n])
	}
	if x.addTarget {
		stage.Add(b.gradTarget[:n], x.gradientBefore(&x.gradTarget, q, b), b.gradTarget[:n])
	}
}

func (x *rich[C]) termsNeeded() bool { return x.kind.Reduces() || x.terms.present() }

// sumUp weighs the terms, chooses what the mask keeps, and adds up.
func (x *rich[C]) sumUp(q *place, in *operands[C], b *room[C]) {
	terms := b.term[:q.n]
	if q.rows > 0 || !x.kind.Reduces() {
		if in.weight != nil {
			stage.Mul(terms, terms, in.weight)
		}
		if in.mask != nil {
			stage.Choose(terms, terms, in.mask, false)
		}
		for r := 0; x.kind.Reduces() && r < q.rows; r++ {
			sum, divisor := rowSum(terms[r*x.cols:(r+1)*x.cols], b), x.divisor
			if x.normByRow() {
				divisor = b.divisor[r]
			}
			x.losses[q.row+r] = x.reduced(sum, divisor)
			if x.chunkSums != nil {
				x.chunkSums[q.row+r] = sum
			}
		}
		return
	}
	sum := &x.sums[q.number]
	switch {
	case in.weight != nil && in.mask != nil:
		*sum = stage.SumWeighedChosen(terms, terms, in.weight, in.mask)
	case in.weight != nil:
		*sum = stage.SumWeighed(terms, terms, in.weight)
	case in.mask != nil:
		*sum = stage.SumChosen(terms, terms, in.mask)
	default:
		*sum = stage.Sum(terms)
	}
}
