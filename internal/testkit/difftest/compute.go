package difftest

import (
	"slices"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Result is a result for a case without a shape. Outputs that the operation does not have are empty.
type Result[T smoothl1.Float] struct {
	Terms, GradPred, GradTarget []T
	Value                       float64
}

// Compute computes a case without a shape on the given arrays.
func Compute[T smoothl1.Float](column Column, c Case, in Inputs[T]) (r Result[T], err error) {
	c.DType = smoothl1.DTypeOf[T]()
	x := c.layout()
	for role, from := range map[op.Role][]T{op.RolePred: in.Pred, op.RoleTarget: in.Target, op.RoleUpstream: in.Upstream} {
		copy(elements[T](x.of[role]), from)
	}
	got, err := column.compute(c, x)
	if err != nil {
		return r, err
	}
	output := func(role op.Role) []T { return slices.Clone(elements[T](got.of[role])) }
	return Result[T]{output(op.RoleTerms), output(op.RoleGradPred), output(op.RoleGradTarget), got.value}, nil
}

// ComputeOn computes a case without a shape on the given arrays with package gpu on a device.
func ComputeOn[T smoothl1.Float](d *gpu.Device, c Case, in Inputs[T]) (Result[T], error) {
	return Compute(On("device", d), c, in)
}
