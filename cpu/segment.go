package cpu

import (
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/cpu/internal/stage"
)

// shortSegment is the number of elements from which on a call of the kernels for each row is faster than a loop over the elements.
const shortSegment = 16

// segments computes terms, gradients and second derivatives, without mask and, for terms, weights. A segment is a part of the piece with
// one beta and one norm: all of it, or a row. Betas that differ from element to element, or in short rows, have stages of their own; if
// the norms do so too, the elements are computed one by one.
func (x *rich[C]) segments(q *place, in *operands[C], b *room[C]) {
	beta, norm := x.beta.present(), x.normByRow()
	switch {
	case !beta && !norm:
		p := &b.params
		*p = x.constants
		x.segment(p, b.norm[0], !x.invalid, in, 0, q.n, b)
	case norm && (x.cols < shortSegment || beta && !x.beta.constantInRows()):
		x.elements(q, in, b)
	case beta && (x.cols < shortSegment || !x.beta.constantInRows()):
		x.betas(in, b)
	default:
		row, col := q.start/x.cols, q.start%x.cols
		for from := 0; from < q.n; {
			to := min(from+x.cols-col, q.n)
			p, n, valid := &b.params, b.norm[0], !x.invalid
			*p = x.constants
			if beta {
				valid = setBeta(p, x.loss.Kind, in.beta[from])
			}
			if norm {
				n = b.norm[row-q.row]
			}
			x.segment(p, n, valid, in, from, to, b)
			from, row, col = to, row+1, 0
		}
	}
}

// segment computes elements from from to to of the piece.
func (x *rich[C]) segment(p *core.Params[C], norm C, valid bool, in *operands[C], from, to int, b *room[C]) {
	o := in.part(from, to)
	term, grad, second := b.term[from:to], b.gradPred[from:to], b.second[from:to]
	if !valid {
		for i := range term {
			term[i], grad[i], second[i] = nan[C](), nan[C](), nan[C]()
		}
		return
	}
	p.Pred, p.Target, p.N = unsafe.SliceData(o.pred), unsafe.SliceData(o.target), to-from
	if x.termsNeeded() {
		p.Kernel, p.Out = core.Terms, unsafe.SliceData(term)
		core.Call(p)
	}
	if !x.kind.Differentiates() {
		return
	}
	var up []C
	up, p.Norm = x.weighed(&o, norm, b.scaled[from:to])
	p.G = x.g
	if x.gradPred.present() || x.gradTarget.present() {
		p.Out = unsafe.SliceData(grad)
		p.Kernel, p.Upstream = core.Backward, nil
		if up != nil {
			p.Kernel, p.Upstream = core.BackwardElementwise, unsafe.SliceData(up)
		}
		p.Side = C(C(p.Norm*p.G) * p.Outer)
		core.Call(p)
	}
	if !x.second.present() {
		return
	}
	if up == nil {
		up = b.scaled[from:to]
		stage.Fill(up, x.g)
	}
	stage.Second(second, o.pred, o.target, o.dir, up, p.Norm, p.Threshold, p.Divisor)
}

// weighed returns the upstream gradients, with weights, of which they are a part then, in the given buffer; and the norm, which is a part of
// them, too, then. Without weights or an elementwise upstream gradient it returns nil.
func (x *rich[C]) weighed(in *operands[C], norm C, scaled []C) ([]C, C) {
	switch {
	case in.weight == nil:
		return in.up, norm
	case in.up == nil:
		stage.Scale(scaled, in.weight, C(norm*x.g))
	default:
		stage.Scale(scaled, in.up, norm)
		stage.Mul(scaled, scaled, in.weight)
	}
	return scaled, 1
}

// betas computes the piece for a beta by element.
func (x *rich[C]) betas(in *operands[C], b *room[C]) {
	n, huber := len(in.pred), x.loss.Kind == smoothl1.Huber
	if x.termsNeeded() {
		stage.TermsOfBetas(b.term[:n], in.pred, in.target, in.beta, huber)
	}
	if !x.kind.Differentiates() {
		return
	}
	up, norm := x.weighed(in, b.norm[0], b.scaled[:n])
	if up == nil {
		up = b.scaled[:n]
		stage.Fill(up, x.g)
	}
	if x.gradPred.present() || x.gradTarget.present() {
		stage.GradientOfBetas(b.gradPred[:n], in.pred, in.target, in.beta, up, norm, huber)
	}
	if in.dir != nil {
		stage.SecondOfBetas(b.second[:n], in.pred, in.target, in.beta, in.dir, up, norm, huber)
	}
}

// elements computes the piece element by element, with the functions of the reference.
func (x *rich[C]) elements(q *place, in *operands[C], b *room[C]) {
	kind, terms, derives := x.loss.Kind, x.termsNeeded(), x.kind.Differentiates()
	g, n, beta := x.g, b.norm[0], x.number
	row, col := 0, 0 // of the piece, with norms by row
	for i := range in.pred {
		if x.normByRow() {
			n = b.norm[row]
			if col++; col == x.cols {
				row, col = row+1, 0
			}
		}
		valid := !x.invalid
		if in.beta != nil {
			beta = in.beta[i]
			valid = refValid(kind, beta)
		}
		if !valid {
			b.term[i], b.gradPred[i], b.second[i] = nan[C](), nan[C](), nan[C]()
			continue
		}
		d := in.pred[i] - in.target[i]
		if terms {
			b.term[i] = refTerm(kind, beta, d)
		}
		if !derives {
			continue
		}
		if in.up != nil {
			g = in.up[i]
		}
		norm, up := n, g
		if in.weight != nil {
			norm, up = 1, C(C(n*g)*in.weight[i])
		}
		b.gradPred[i] = refGradient(kind, beta, d, norm, up)
		if in.dir != nil {
			b.second[i] = refSecond(kind, beta, d, norm, up, in.dir[i])
		}
	}
}
