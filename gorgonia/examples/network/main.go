// Command network trains a network of two layers with Gorgonia, once with the Huber loss and once with least squares, on Belgium's telephone
// calls of 1950–73. Six of the years were recorded in minutes instead of calls: least squares follows them, the Huber loss does not.
//
// Data: Rousseeuw and Leroy, Robust Regression and Outlier Detection (1987); also "phones" in R's MASS.
//
//	go run ./examples/network -svg network.svg
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"math"
	"os"
)

//go:embed phones.csv
var phones []byte

func main() {
	steps := flag.Int("steps", 1000, "steps of the solver")
	delta := flag.Float64("delta", 5, "residual at which the Huber loss becomes linear, in millions of calls")
	svg := flag.String("svg", "", "draw data, fits and losses to this file")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "network: %q: want flags only, see -help\n", flag.Args())
		os.Exit(2)
	}
	if err := run(*steps, *delta, *svg); err != nil {
		fmt.Fprintln(os.Stderr, "network:", err)
		os.Exit(1)
	}
}

func run(steps int, delta float64, svg string) error {
	years, calls, err := read(phones)
	if err != nil {
		return err
	}
	huber, err := train(years, calls, delta, steps)
	if err != nil {
		return err
	}
	// Where all residuals are below delta, the Huber loss is half the squared error.
	squares, err := train(years, calls, math.MaxFloat32, steps)
	if err != nil {
		return err
	}
	fmt.Println("year  calls  Huber  least squares (millions)")
	for i, year := range years {
		fmt.Printf("19%.0f %6.1f %6.1f %8.1f\n", year, calls[i], huber.fit[i], squares.fit[i])
	}
	fmt.Printf("mean loss after step 1 and %d: Huber %.4g and %.4g, least squares %.4g and %.4g\n", steps,
		huber.losses[0], huber.losses[steps-1], squares.losses[0], squares.losses[steps-1])
	if svg != "" {
		return save(svg, years, calls, huber, squares)
	}
	return nil
}
