package smoothl1_test

import (
	"errors"
	"flag"
	"fmt"

	"github.com/smoothl1/smoothl1"
)

// A loss is a value. The zero value is the mean of the L1 loss.
func ExampleLoss() {
	fmt.Println(smoothl1.Loss{Beta: 0.1})
	fmt.Println(smoothl1.Loss{Kind: smoothl1.Huber, Beta: 1.35, Reduction: smoothl1.Sum})
	fmt.Println(smoothl1.Loss{})
	// Output:
	// smooth_l1(beta=0.1, mean)
	// huber(delta=1.35, sum)
	// smooth_l1(beta=0, mean)
}

// A kind can be read from a flag, and from any text encoding.
func ExampleKind() {
	l := smoothl1.Loss{Beta: 1}
	flags := flag.NewFlagSet("train", flag.ContinueOnError)
	flags.Var(&l.Kind, "loss", "smooth_l1 or huber")
	err := flags.Parse([]string{"-loss", "huber"})
	fmt.Println(l, err)
	fmt.Println(l.Kind.Set("l2"))
	// Output:
	// huber(delta=1, mean) <nil>
	// smoothl1: UnmarshalText: kind = "l2": unknown kind of loss: want smooth_l1, huber
}

func ExampleDType() {
	t := smoothl1.DTypeOf[float32]()
	fmt.Println(t, t.Size())
	// Output: float32 4
}

// A loss can be valid for float64 and not for float32, in which its beta is 0.
func ExampleArgError() {
	err := smoothl1.Loss{Beta: 1e-60}.Validate(smoothl1.Float32)
	var argument *smoothl1.ArgError
	if errors.As(err, &argument) && errors.Is(err, smoothl1.ErrBeta) {
		fmt.Println(argument.Op, argument.Arg, argument.Value)
	}
	fmt.Println(err)
	// Output:
	// Loss beta 1e-60
	// smoothl1: Loss: beta = 1e-60: beta out of range: is 0 in float32
}
