package cpu

import (
	"runtime"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/cpu/internal/stage"
	"github.com/smoothl1/smoothl1/cpu/internal/tune"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/op"
)

// setRich sets the arrays and numbers of a pass from the arguments of its call.
func setRich[T smoothl1.Float, C core.Float](x *rich[C], a *Args[T], c *checked) {
	x.rows, x.cols, x.n, x.actions, x.index = c.Rows, c.Cols, c.N, c.Actions, a.Index
	x.byRow, x.by = a.ByRow, a.Divisor
	x.addPred, x.addTarget = c.AccumulatePred, c.AccumulateTarget
	x.losses, x.chunkSums = a.Losses, a.ChunkSums
	view := func(r op.Role, s []T) array {
		rows, cols := c.Dims(r)
		return arrayOf(unsafe.Pointer(unsafe.SliceData(s)), x.storage.Size(), &c.Views[r], rows, cols)
	}
	x.pred, x.target, x.weight, x.beta = view(op.RolePred, a.Pred), view(op.RoleTarget, a.Target), view(op.RoleWeight, a.Weight), view(op.RoleBeta, a.Beta)
	x.mask = arrayOf(unsafe.Pointer(unsafe.SliceData(a.Mask)), 1, &c.Views[op.RoleMask], x.rows, x.cols)
	x.terms, x.abs = view(op.RoleTerms, a.Terms), view(op.RoleAbs, a.Abs)
	x.upstream, x.direction, x.gradPred, x.gradTarget, x.second = array{}, array{}, array{}, array{}, array{}
	if x.kind.Differentiates() {
		x.upstream = view(op.RoleUpstream, a.Upstream.elements)
		x.gradPred, x.gradTarget = view(op.RoleGradPred, a.GradPred), view(op.RoleGradTarget, a.GradTarget)
		if x.second = view(op.RoleSecond, a.Second); x.second.present() {
			x.direction = view(op.RoleDirection, a.Direction)
		}
	}
	x.g = C(a.Upstream.number())
	x.invalid = false
	if x.upstream.present() && x.upstream.constant() {
		x.g, x.upstream = x.value(x.upstream.base), array{}
	}
	if x.beta.present() && x.beta.constant() {
		x.number, x.beta = x.value(x.beta.base), array{}
		x.invalid = !setBeta(&x.constants, x.loss.Kind, x.number)
	} else {
		x.number = C(x.loss.Beta)
		setLoss(&x.constants, x.loss)
	}
}

// value returns a stored number.
func (x *rich[C]) value(at unsafe.Pointer) C {
	switch x.storage {
	case stage.F16:
		return C((*(*smoothl1.F16)(at)).Float32())
	case stage.BF16:
		return C((*(*smoothl1.BF16)(at)).Float32())
	}
	return *(*C)(at)
}

// setLoss sets the constants of the formula.
func setLoss[C core.Float](p *core.Params[C], l smoothl1.Loss) {
	c := op.Of[C](l)
	p.Threshold, p.Half, p.Outer = c.Threshold, C(C(0.5)*c.Threshold), c.Outer
	p.Divisor, p.Inverse = c.Divisor, c.Inverse
	p.Quotient, p.L1 = core.One, 0
	switch {
	case c.Divides():
		p.Quotient = core.Div
	case c.Inverse != 1 || c.Threshold == 0:
		p.Quotient = core.Mul
	}
	if c.Threshold == 0 {
		p.L1 = core.AllOnes[C]()
	}
}

// setBeta sets them for a beta by element, and reports whether that is valid.
func setBeta[C core.Float](p *core.Params[C], kind smoothl1.Kind, beta C) bool {
	if !refValid(kind, beta) {
		return false
	}
	setLoss(p, smoothl1.Loss{Kind: kind, Beta: float64(beta)})
	return true
}

// prepare chooses how to make the pieces.
func (x *rich[C]) prepare() tune.Run {
	x.divisors, x.counting, x.countRows = nil, false, false // a pass that has panicked may have left them
	x.kernel = isa.Current() != isa.Generic && x.kind != op.Terms && x.rowsOfPiece == 0 && !x.invalid && !x.beta.present() &&
		!x.upstream.present() && !x.terms.present() && !x.abs.present() && !x.second.present() &&
		(!x.addPred && !x.addTarget || x.storage.Size() == int(unsafe.Sizeof(C(0))))
	bytes := 0
	dense := x.index == nil
	for _, a := range x.arrays() {
		if a.present() {
			bytes += x.n * a.size // at most
			dense = dense && a.dense()
		}
	}
	x.core = core.HasKernels()
	// With weights or a mask there are only kernels that write a gradient: one that is not wanted goes to a buffer for one piece.
	gradient := x.gradPred.present() || x.gradTarget.present()
	x.batches = x.core && x.kernel && dense && !x.byRow && !x.addPred && !x.addTarget && (gradient || !x.weight.present() && !x.mask.present())

	x.threads, x.streaming, x.ahead = 1, false, tune.Ahead
	t := tuner.Load()
	if !t.Tuned(bytes * tune.MaxWork) { // finding the form would take time
		return tune.Run{}
	}
	form := x.form()
	if !t.Tuned(bytes * form.Work()) {
		return tune.Run{}
	}
	r := t.Begin(tune.Key{Pass: x.kind, Type: x.storage.DType(), Form: form, Size: tune.SizeOf(bytes), Streamable: x.streamable(),
		Procs: runtime.GOMAXPROCS(0), Set: isa.Current()}, bytes)
	x.threads, x.streaming, x.ahead = r.Threads, r.Streaming, uint64(r.Ahead)
	return r
}

// form returns what the tuner is to know of the pass.
func (x *rich[C]) form() (f tune.Form) {
	for _, flag := range [...]struct {
		set  bool
		form tune.Form
	}{
		{x.upstream.present(), tune.Upstream}, {x.gradPred.present() && x.gradTarget.present(), tune.BothGradients},
		{x.weight.present(), tune.Weight}, {x.mask.present(), tune.Mask}, {x.beta.present(), tune.Beta}, {x.index != nil, tune.Index},
		{x.byRow, tune.ByRow}, {x.rowsOfPiece > 0, tune.Short}, {x.addPred || x.addTarget, tune.Accumulate},
		{x.abs.present() || x.terms.present() && x.kind != op.Terms, tune.SecondOutputs}, {x.second.present(), tune.Second},
		{!x.inPlaces(), tune.Gathered},
	} {
		if flag.set {
			f |= flag.form
		}
	}
	return f
}

// inPlaces reports whether all arrays are dense, so that none is gathered.
func (x *rich[C]) inPlaces() bool {
	for _, a := range x.arrays() {
		if a.present() && !a.dense() {
			return false
		}
	}
	return true
}

// streamable reports whether any output can be written with streaming stores. Each piece asks for itself: see bypasses.
func (x *rich[C]) streamable() bool {
	if !isa.Current().Streams() {
		return false
	}
	for _, a := range [...]*array{&x.terms, &x.abs, &x.gradPred, &x.gradTarget, &x.second} {
		if a.present() && a.dense() && x.bypasses(a, a.base) {
			return true
		}
	}
	return false
}
