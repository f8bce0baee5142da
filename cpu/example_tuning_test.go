package cpu_test

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

// A program that shares its processors with others, and reads gradients right after each call, fixes two choices and leaves the prefetch
// distance to measurements.
func ExampleSetTuning() {
	if err := cpu.SetTuning("threads=1,stores=ordinary"); err != nil {
		panic(err)
	}
	defer cpu.SetTuning("")

	n := 1 << 16
	args := cpu.Args[float32]{Pred: make([]float32, n), Target: make([]float32, n), GradPred: make([]float32, n)}
	for range 400 {
		if _, err := cpu.ForwardBackward(smoothl1.Loss{Beta: 1}, &args); err != nil {
			panic(err)
		}
	}
	report, err := cpu.Tuning()
	if err != nil {
		panic(err)
	}
	for _, t := range report.Tuned {
		fmt.Println(t.Pass, t.DType, t.Threads, "threads, streaming:", t.Streaming)
	}
	// Output: forward_backward float32 1 threads, streaming: false
}
