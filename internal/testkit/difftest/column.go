package difftest

import (
	"errors"
	"fmt"
	"github.com/smoothl1/smoothl1/internal/op"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/isa"
)

// Result is an implementation's result for a case. Outputs that the operation does not have are empty.
type Result[T smoothl1.Float] struct {
	Terms, GradPred, GradTarget []T
	Value                       float64
	ChunkSums                   []float64
}

// A Column is an implementation: its name, and a function for each type that computes a case.
type Column struct {
	Name string
	f32  func(Case, Inputs[float32]) (Result[float32], error)
	f64  func(Case, Inputs[float64]) (Result[float64], error)
}

// Reference returns the column with which the others are compared.
func Reference() Column {
	return Column{"reference",
		onCPU(cpu.RefForwardTerms[float32], cpu.RefForward[float32], cpu.RefBackward[float32], cpu.RefForwardBackward[float32]),
		onCPU(cpu.RefForwardTerms[float64], cpu.RefForward[float64], cpu.RefBackward[float64], cpu.RefForwardBackward[float64])}
}

// Fallback returns the column of the fast CPU code.
func Fallback() Column {
	return Column{"cpu",
		onCPU(cpu.ForwardTerms[float32], cpu.Forward[float32], cpu.Backward[float32], cpu.ForwardBackward[float32]),
		onCPU(cpu.ForwardTerms[float64], cpu.Forward[float64], cpu.Backward[float64], cpu.ForwardBackward[float64])}
}

// OtherSets returns columns of the fast CPU code, one for each instruction set that this machine supports and Fallback does not use. They
// must run one at a time: the instruction set is a setting of the process.
func OtherSets() []Column {
	var all []Column
	for _, set := range isa.Available() {
		if set == isa.Current() {
			continue
		}
		c := Fallback()
		all = append(all, Column{fmt.Sprintf("cpu with %v", set), with(set, c.f32), with(set, c.f64)})
	}
	return all
}

// with returns f run with the given instruction set.
func with[T op.Computing](set isa.Set, f func(Case, Inputs[T]) (Result[T], error)) func(Case, Inputs[T]) (Result[T], error) {
	return func(c Case, in Inputs[T]) (Result[T], error) {
		defer isa.Use(set)()
		return f(c, in)
	}
}

// onCPU returns the function of a column for four functions of package cpu. It places their arrays between guard zones.
func onCPU[T op.Computing](
	terms func(smoothl1.Loss, cpu.Args[T]) error,
	forward func(smoothl1.Loss, cpu.Args[T]) (float64, error),
	backward func(smoothl1.Loss, cpu.Args[T]) error,
	both func(smoothl1.Loss, cpu.Args[T]) (float64, error),
) func(Case, Inputs[T]) (Result[T], error) {
	return func(c Case, in Inputs[T]) (r Result[T], err error) {
		var arrays guarded[T]
		place := func(content []T) []T { return arrays.add(c, content) }
		a := cpu.Args[T]{Pred: place(in.Pred), Target: place(in.Target), Divisor: c.divisor(), Upstream: cpu.Number[T](c.Upstream)}
		inputs := 2
		if c.Elementwise && c.Op.HasGradients() {
			a.Upstream = cpu.Elements(place(in.Upstream))
			inputs++
		}
		output := func() []T {
			if c.InPlace {
				c.InPlace = false
				inputs = 0 // do not check them: pred is overwritten
				return a.Pred
			}
			return place(make([]T, c.N))
		}
		if c.Op == ForwardTerms {
			a.Terms = output()
			r.Terms = a.Terms
		}
		if c.Op.HasGradients() && c.Grads&GradPred != 0 {
			a.GradPred = output()
			r.GradPred = a.GradPred
		}
		if c.Op.HasGradients() && c.Grads&GradTarget != 0 {
			a.GradTarget = output()
			r.GradTarget = a.GradTarget
		}
		if c.Op.HasValue() {
			a.ChunkSums = make([]float64, cpu.Chunks(c.N))
			r.ChunkSums = a.ChunkSums
		}
		switch c.Op {
		case ForwardTerms:
			err = terms(c.Loss, a)
		case Forward:
			r.Value, err = forward(c.Loss, a)
		case Backward:
			err = backward(c.Loss, a)
		case ForwardBackward:
			r.Value, err = both(c.Loss, a)
		}
		if err == nil {
			err = arrays.check(in, inputs)
		}
		return r, err
	}
}

// divisor returns the divisor of the case.
func (c Case) divisor() smoothl1.Divisor {
	if c.Count > 0 && c.Loss.Reduction == smoothl1.Mean {
		return smoothl1.DivideBy(float64(c.Count))
	}
	return smoothl1.Divisor{}
}

// Mismatch is the error of a case whose result in a column differs from the reference, or that fails there.
type Mismatch struct {
	Case              Case
	Column, Reference string
	Err               error
}

// Error describes the mismatch and says how to run the case again.
func (m *Mismatch) Error() string {
	return fmt.Sprintf("%s against %s: %v\n  again: go test ./internal/testkit/difftest -run TestReplay -column %s -case '%s'",
		m.Column, m.Reference, m.Err, m.Column, m.Case)
}

// Unwrap returns the difference, without the case.
func (m *Mismatch) Unwrap() error { return m.Err }

// Run computes the case in both columns and returns a *Mismatch if they differ.
func Run(c Case, column, reference Column) error { return RunAll(c, []Column{column}, reference)[0] }

// RunAll is Run for several columns, and returns an error or nil for each. It computes the reference once.
func RunAll(c Case, columns []Column, reference Column) []error {
	errs := make([]error, len(columns))
	switch c.DType {
	case smoothl1.Float32:
		runAll(c, columns, errs, func(c Column) func(Case, Inputs[float32]) (Result[float32], error) { return c.f32 }, reference)
	case smoothl1.Float64:
		runAll(c, columns, errs, func(c Column) func(Case, Inputs[float64]) (Result[float64], error) { return c.f64 }, reference)
	default:
		for i := range errs {
			errs[i] = errNoType(c.DType)
		}
	}
	for i, err := range errs {
		if err != nil {
			errs[i] = &Mismatch{c, columns[i].Name, reference.Name, err}
		}
	}
	return errs
}

func runAll[T op.Computing](c Case, columns []Column, errs []error, of func(Column) func(Case, Inputs[T]) (Result[T], error), reference Column) {
	in := Generate[T](c)
	want, wantErr := of(reference)(c, in)
	for i, column := range columns {
		got, err := of(column)(c, in)
		if errs[i] = errors.Join(wantErr, err); errs[i] == nil {
			errs[i] = Compare(got, want)
		}
	}
}
