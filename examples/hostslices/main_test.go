package main

import (
	"fmt"
	"os"

	"github.com/smoothl1/smoothl1/gpu"
)

func Example() {
	dev, _ := gpu.Open(gpu.CPU())
	defer dev.Close()
	fmt.Println(run(dev, os.Stdout))
	// Output:
	// smooth_l1(beta=1, sum)     loss 4.125  gradient [0.5 1 -1 0]
	// smooth_l1(beta=1, mean)    loss 1.03125 gradient [0.125 0.25 -0.25 0]
	// huber(delta=2, sum)        loss 6.125  gradient [0.5 2 -2 0]
	// smooth_l1(beta=0, sum)     loss 5.5    gradient [1 1 -1 0]
	// the loss alone: 1.03125
	// an error: smoothl1: Compute: len(target) = 3: length does not fit: pred has 4 true
	// <nil>
}
