package difftest

import (
	"errors"
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/op"
)

// A Column is an implementation: its name, and a function that computes a case on its arrays and returns the reduced loss.
type Column struct {
	Name string
	run  func(Case, *Arrays) (float64, error)
}

// Reference returns the column with which the others are compared.
func Reference() Column {
	return Column{"reference", onCPU(cpu.RefRun[float32], cpu.RefRun[float64], cpu.RefRun[smoothl1.F16], cpu.RefRun[smoothl1.BF16])}
}

// Fallback returns the column of the fast CPU code.
func Fallback() Column {
	return Column{"cpu", onCPU(cpu.Run[float32], cpu.Run[float64], cpu.Run[smoothl1.F16], cpu.Run[smoothl1.BF16])}
}

// OtherSets returns columns of the fast CPU code, one for each instruction set that this machine supports and Fallback does not use. They
// must run one at a time: the instruction set is a setting of the process.
func OtherSets() []Column {
	var all []Column
	for _, set := range isa.Available() {
		if set == isa.Current() {
			continue
		}
		run := Fallback().run
		all = append(all, Column{fmt.Sprintf("cpu with %v", set), func(c Case, x *Arrays) (float64, error) {
			defer isa.Use(set)()
			return run(c, x)
		}})
	}
	return all
}

// onCPU returns the function of a column for a function of package cpu.
func onCPU(f32 func(smoothl1.Loss, *cpu.Args[float32]) (float64, error), f64 func(smoothl1.Loss, *cpu.Args[float64]) (float64, error),
	f16 func(smoothl1.Loss, *cpu.Args[smoothl1.F16]) (float64, error), bf16 func(smoothl1.Loss, *cpu.Args[smoothl1.BF16]) (float64, error),
) func(Case, *Arrays) (float64, error) {
	return func(c Case, x *Arrays) (float64, error) {
		switch c.DType {
		case smoothl1.Float32:
			return f32(c.Loss, argsOf[float32](c, x))
		case smoothl1.Float64:
			return f64(c.Loss, argsOf[float64](c, x))
		case smoothl1.Float16:
			return f16(c.Loss, argsOf[smoothl1.F16](c, x))
		case smoothl1.BFloat16:
			return bf16(c.Loss, argsOf[smoothl1.BF16](c, x))
		}
		return 0, errNoType(c.DType)
	}
}

// argsOf returns the arguments of a case for package cpu.
func argsOf[T smoothl1.Float](c Case, x *Arrays) *cpu.Args[T] {
	a := &cpu.Args[T]{
		Pred: elements[T](x.of[op.RolePred]), Target: elements[T](x.of[op.RoleTarget]),
		Weight: elements[T](x.of[op.RoleWeight]), Mask: elements[uint8](x.of[op.RoleMask]), Beta: elements[T](x.of[op.RoleBeta]),
		Index: elements[int32](x.of[op.RoleIndex]), Direction: elements[T](x.of[op.RoleDirection]),
		Terms: elements[T](x.of[op.RoleTerms]), Abs: elements[T](x.of[op.RoleAbs]),
		GradPred: elements[T](x.of[op.RoleGradPred]), GradTarget: elements[T](x.of[op.RoleGradTarget]), Second: elements[T](x.of[op.RoleSecond]),
		Losses: elements[float64](x.of[op.RoleLosses]), ChunkSums: elements[float64](x.of[op.RoleChunkSums]),
		AccumulatePred: c.Accumulate&GradPred != 0, AccumulateTarget: c.Accumulate&GradTarget != 0,
		ByRow: c.ByRow, Divisor: c.divisor(), NoLoss: !c.Op.Reduces(), Shape: x.shape(),
	}
	if u := x.of[op.RoleUpstream]; u != nil {
		a.Upstream = cpu.Elements(elements[T](u))
	} else if c.Op.Differentiates() {
		a.Upstream = cpu.Number[T](c.Upstream)
	}
	return a
}

// divisor returns the divisor of the case.
func (c Case) divisor() (d smoothl1.Divisor) {
	if c.Op == ForwardTerms || c.Loss.Reduction != smoothl1.Mean {
		return d
	}
	switch {
	case c.By == ByKept:
		d = smoothl1.DivideByKept()
	case c.By == ByWeights:
		d = smoothl1.DivideByWeights()
	case c.Count > 0:
		d = smoothl1.DivideBy(float64(c.Count))
	}
	if c.ZeroIfEmpty {
		d = d.ZeroIfEmpty()
	}
	return d
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
	x, wantErr := c.arrays()
	var want result
	if wantErr == nil {
		want, wantErr = reference.compute(c, x)
	}
	if c.Wild && wantErr == nil {
		x = c.stray(x, want.Arrays)
	}
	for i, column := range columns {
		got, err := result{}, wantErr
		if err == nil {
			got, err = column.compute(c, x)
		}
		if err == nil {
			err = got.compare(want)
		}
		if err != nil {
			errs[i] = &Mismatch{c, column.Name, reference.Name, err}
		}
	}
	return errs
}

// result is what a column computed.
type result struct {
	*Arrays
	value float64
}

// compute computes the case on a copy of the arrays, and checks that nothing but outputs was written.
func (c Column) compute(k Case, x *Arrays) (r result, err error) {
	r.Arrays = x.clone()
	if r.value, err = c.run(k, r.Arrays); err == nil {
		err = r.check(x)
	}
	return r, err
}

// compare returns an error if the result differs from want.
func (r result) compare(want result) error {
	return errors.Join(r.Arrays.compare(want.Arrays), compareArray("value", []float64{r.value}, []float64{want.value}))
}
