package main

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// lossFlag is the value of --loss: a kind, or l1, which is smooth L1 with beta 0.
type lossFlag struct {
	kind smoothl1.Kind
	l1   bool
}

func (f *lossFlag) String() string {
	if f.l1 {
		return "l1"
	}
	return f.kind.String()
}

// Type implements pflag.Value.
func (f *lossFlag) Type() string { return "LOSS" }

// Set implements pflag.Value.
func (f *lossFlag) Set(text string) error {
	if text == "l1" {
		*f = lossFlag{l1: true}
		return nil
	}
	var kind smoothl1.Kind
	if err := kind.Set(text); err != nil {
		if e := new(smoothl1.ArgError); errors.As(err, &e) {
			err = e.Err
		}
		return fmt.Errorf("%w, l1", err)
	}
	*f = lossFlag{kind: kind}
	return nil
}

// check rejects flags of beta that exclude the loss or each other.
func (f *lossFlag) check(given func(flag string) bool) error {
	for _, flag := range []string{"beta", "delta", "beta-file"} {
		if f.l1 && given(flag) {
			return usagef("--%s and --loss l1 exclude each other: that loss has no beta", flag)
		}
	}
	switch {
	case given("delta") && f.kind != smoothl1.Huber:
		return usagef("--delta is for --loss huber: that of %v is --beta", f.kind)
	case given("delta") && given("beta"):
		return usagef("--beta and --delta are the same: give one")
	}
	return nil
}

// dtypeFlag is the value of --dtype, a type of numbers.
type dtypeFlag struct {
	dtype smoothl1.DType
	given bool
}

func (f *dtypeFlag) String() string {
	if !f.given {
		return ""
	}
	return f.dtype.String()
}

// Type implements pflag.Value.
func (f *dtypeFlag) Type() string { return "DTYPE" }

// Set implements pflag.Value.
func (f *dtypeFlag) Set(text string) error {
	for _, t := range numberTypes {
		if t.String() == text {
			*f = dtypeFlag{t, true}
			return nil
		}
	}
	return fmt.Errorf("want %s", strings.Join(typeNames(), ", "))
}

var numberTypes = []smoothl1.DType{smoothl1.Float16, smoothl1.BFloat16, smoothl1.Float32, smoothl1.Float64}

func typeNames() (names []string) {
	for _, t := range numberTypes {
		names = append(names, t.String())
	}
	return names
}

// divisorFlag is the value of --divisor.
type divisorFlag struct{ smoothl1.Divisor }

// Type implements pflag.Value.
func (f *divisorFlag) Type() string { return "float64 or name" }

// Set implements pflag.Value.
func (f *divisorFlag) Set(text string) error {
	switch text {
	case "elements":
		f.Divisor = smoothl1.Divisor{}
	case "kept":
		f.Divisor = smoothl1.DivideByKept()
	case "weights":
		f.Divisor = smoothl1.DivideByWeights()
	default:
		x, err := difftest.ParseFloat(text)
		switch {
		case err != nil:
			return fmt.Errorf("%w; want elements, kept, weights or a number", err)
		case !(x > 0) || math.IsInf(x, 1):
			return errors.New("a number must be positive and finite")
		}
		f.Divisor = smoothl1.DivideBy(x)
	}
	return nil
}

// check rejects flags that exclude or need each other, and finds the files. given reports whether a flag is on the command line.
func (e *evaluation) check(given func(flag string) bool) error {
	if err := e.checkLoss(given); err != nil {
		return err
	}
	if err := e.checkReduction(given); err != nil {
		return err
	}
	gradients := e.writes(outGradPred) || e.writes(outGradTarget) || e.writes(outSecond)
	scaled := given("scale")
	switch {
	case e.reads(inUpstream) && scaled:
		return usagef("--upstream and --scale exclude each other")
	case (e.reads(inUpstream) || scaled) && !gradients:
		return usagef("an upstream gradient scales the gradients, but none is requested: name a file with --grad-pred or --grad-target")
	case e.reads(inDirection) != e.writes(outSecond):
		return usagef("--direction and --second need each other: the second derivative is multiplied by the direction")
	}
	for _, sum := range accumulated {
		if e.reads(sum.old) && !e.writes(sum.gradient) {
			return usagef("%v %s is added to a gradient that is not requested: name a file with %v", sum.old, e.in[sum.old].name, sum.gradient)
		}
	}
	return e.find()
}

// checkLoss checks the flags of the loss, and sets it.
func (e *evaluation) checkLoss(given func(flag string) bool) error {
	if err := e.kind.check(given); err != nil {
		return err
	}
	e.loss.Kind = e.kind.kind
	delta := given("delta")
	switch {
	case e.reads(inBeta) && (delta || given("beta")):
		return usagef("--beta-file has a beta for each element, and excludes --beta and --delta")
	case e.kind.l1:
		e.loss.Beta = 0
	case delta:
		e.loss.Beta = e.delta
	}
	return nil
}

// checkReduction checks the flags of the reduction.
func (e *evaluation) checkReduction(given func(flag string) bool) error {
	none := e.loss.Reduction == smoothl1.None
	switch {
	case none && e.rows:
		return usagef("--rows reduces each row, and --reduction none reduces nothing: use mean or sum")
	case none && e.writes(outTerms):
		return usagef("--terms %s is for a reduced loss: with --reduction none, --out writes the loss of each element", e.out[outTerms].name)
	case none && !e.writesAny():
		return usagef("--reduction none computes a loss for each element: name a file for them with --out")
	case e.loss.Reduction != smoothl1.Mean && given("divisor"):
		return usagef("--divisor %v is for a mean, and the reduction is %v", e.divisor, e.loss.Reduction)
	case e.loss.Reduction != smoothl1.Mean && e.zeroIfEmpty:
		return usagef("--zero-if-empty is for a mean, and the reduction is %v", e.loss.Reduction)
	case e.divisor.Kept() && !e.reads(inMask):
		return usagef("--divisor kept is the number of elements that a mask keeps: name its file with --mask")
	case e.divisor.Weights() && !e.reads(inWeight):
		return usagef("--divisor weights is the sum of the weights: name their file with --weight")
	}
	return nil
}

func (e *evaluation) writesAny() bool {
	for _, f := range e.out {
		if f.name != "" {
			return true
		}
	}
	return false
}

// divides returns the divisor of the mean.
func (e *evaluation) divides() smoothl1.Divisor {
	if e.zeroIfEmpty {
		return e.divisor.ZeroIfEmpty()
	}
	return e.divisor.Divisor
}
