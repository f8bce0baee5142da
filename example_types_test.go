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

// Of an array with 3 elements a row, the loss is to be computed for the first two columns, with one target for each row.
func ExampleShape() {
	s := smoothl1.Shape{Rows: 4, Cols: 2, Pred: smoothl1.Strided(0, 3, 1), Target: smoothl1.PerRow()}
	for _, v := range []smoothl1.View{s.Pred, s.Target, s.GradPred} {
		offset, row, col := v.Strides(s.Cols)
		fmt.Printf("%v: element (3, 1) is at %d\n", v, offset+3*row+1*col)
	}
	// Output:
	// from 0 with strides 3 and 1: element (3, 1) is at 10
	// one per row: element (3, 1) is at 3
	// dense: element (3, 1) is at 7
}

// Numbers are rounded to the nearest number of the format.
func ExampleF16() {
	x := smoothl1.ToF16(0.1)
	fmt.Println(x, x.Float32(), smoothl1.ToF16(65519), smoothl1.ToF16(65520))
	// Output: 0.099975586 0.099975586 65504 +Inf
}

func ExampleBF16() {
	x := smoothl1.ToBF16(0.1)
	fmt.Printf("%v %#04x\n", x, uint16(x))
	// Output: 0.100097656 0x3dcd
}

// A slice of another package's type, whose numbers are held as bit patterns, becomes one of F16 without a copy.
func ExampleF16s() {
	type float16 uint16
	x := []float16{0x3c00, 0xc000}
	fmt.Println(smoothl1.F16s(x))
	// Output: [1 -2]
}

func ExampleConvert() {
	x := []float32{1, 0.1, 1e-8}
	half, back := make([]smoothl1.BF16, 3), make([]float64, 3)
	fmt.Println(smoothl1.Convert(half, x), half)
	fmt.Println(smoothl1.Convert(back, half[:2]))
	// Output:
	// <nil> [1 0.100097656 1.0011718e-08]
	// smoothl1: Convert: len(to) = 3: length does not fit: from has 2
}
