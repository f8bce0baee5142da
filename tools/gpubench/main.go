// Command gpubench runs the benchmarks of the bundle on CUDA device 0. It writes its results as it goes, so that it can be killed at any
// time.
//
//	gpubench -what bits|main|geometry|full -o FILE [-torch python3] [-for 60s]
//
// It exits with 1 after an error or a wrong result.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/cuda"
	"github.com/smoothl1/smoothl1/internal/measure"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// commit is set by the linker.
var commit = "unknown"

func main() {
	what := flag.String("what", "main", "`WHAT` to measure: bits, PyTorch's compared with ours; main, the few most informative shapes; geometry, several grids; full, all")
	out := flag.String("o", "", "write the result to this `FILE`, as JSON")
	python := flag.String("torch", "", "the `PYTHON` that has PyTorch; \"\": without PyTorch")
	limit := flag.Duration("for", 0, "start nothing after this time; 0: no limit")
	patience := flag.Duration("patience", 0, "how long PyTorch may take to answer; 0: two minutes")
	samples := flag.Int("samples", 25, "`NUMBER` of samples of each time")
	flag.Parse()
	if err := run(*what, *out, *python, *limit, *patience, *samples); err != nil {
		fmt.Fprintln(os.Stderr, "gpubench:", err)
		os.Exit(1)
	}
}

func run(what, out, python string, limit, patience time.Duration, samples int) (err error) {
	c := measure.Config{Samples: samples, Python: python, Commit: commit, For: limit, Patience: patience,
		Report: func(line string) { fmt.Println(line) },
		Save:   func(r *measure.Result) error { return r.Save(out) }}
	switch what {
	case "bits":
		c.BitsSize = 100_003
	case "main":
		c.Workloads = measure.Main()
	case "geometry":
		c.Sweeps, c.Geometry, c.Python = measure.SweepSizes, &difftest.Geometry{}, ""
	case "full":
		c.Workloads = measure.Full()
	default:
		return fmt.Errorf("-what %q: want bits, main, geometry or full", what)
	}
	if out == "" {
		return errors.New("-o: give the name of a file")
	}
	if c.Driver, err = cuda.Open(0); err != nil {
		return fmt.Errorf("CUDA device 0: %w", err)
	}
	under := c.Driver
	if c.Geometry != nil {
		under = difftest.Modified{Device: c.Driver, Geometry: c.Geometry}
	}
	if c.Device, err = gpu.Open(gpu.On(under)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Device.Close()) }()
	_, err = measure.Run(context.Background(), c)
	return err
}
