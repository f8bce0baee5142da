package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"slices"

	"github.com/spf13/cobra"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/files"
	"github.com/smoothl1/smoothl1/internal/measure"
)

// benchmark holds the flags of bench.
type benchmark struct {
	device  deviceFlag
	full    bool
	sizes   []int
	types   []smoothl1.DType
	betas   []float64
	samples int
	python  string
	out     string
	asJSON  bool
	rotate  uint64 // 0: four times the device's cache
	bits    int
	choices bool
}

func newBench() *cobra.Command {
	b := benchmark{bits: 100_003}
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure the loss on a device, against a copy in the same run",
		Long: `bench measures every operation: its time on the device by the device's own events, GB/s counting the bytes that it must move, its
share of the speed of a copy in the same run, and the time of one call until its result is there. It first checks every result,
bit for bit. Buffers rotate through more than four times the device's cache. On a CUDA device it also measures kernels that only read two
arrays, or read two and write a third, as the ceilings of the others, and a forward pass with a sum in no particular order.

With --torch, PyTorch does the same work, interleaved with ours: eagerly and compiled; on a CUDA device also with loss and gradient
compiled as one function, and as a CUDA graph; on the CPU also with its memory allocated beforehand. PyTorch's loss terms and gradients are
compared with ours bit for bit.

--choices measures instead how calls on large arrays are made on the CPU: the GB/s of forward passes, with and without gradients, for each
number of threads, kind of stores and prefetch distance, as the rule chooses, and as the first calls of a program choose by their own times.`,
		Example: `  smoothl1 bench
  smoothl1 bench --device cuda --sizes 1048576,268435456 --dtype float32,float64 --beta 1,0.1
  smoothl1 bench --device cuda --full --torch python3 -o results.json
  smoothl1 bench --choices --sizes 524288,1048576,16777216`,
		Args:              usage(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, _ []string) error { return b.run(c) },
	}
	f := c.Flags()
	addDevice(c, &b.device, "auto", "what to measure: auto (CUDA, or else the CPU), cpu, cuda, cuda:N, sim")
	f.BoolVar(&b.full, "full", false, "all sizes from 2^10 to 2^30, each four times the last, in float32 and float64 with two betas, the shapes of known models, and weights, masks and types of 16 bits: many minutes")
	f.IntSliceVar(&b.sizes, "sizes", []int{1 << 10, 1 << 16, 1 << 20, 1 << 24}, "`NUMBERS` of elements to measure")
	addTypes(c, &b.types, "dtype", "`TYPES` of elements: float32, float64")
	addFloats(c, &b.betas, "beta", 1, "`NUMBERS` to use as beta; powers of two need no division")
	f.IntVar(&b.samples, "samples", 25, "`NUMBER` of samples of each time")
	f.Uint64Var(&b.rotate, "rotate", 0, "least number of `BYTES` that buffers rotate through; 0: four times the device's cache")
	addName(c, &b.python, "torch", "", "also measure PyTorch, with this `PYTHON`")
	addName(c, &b.out, "out", "o", "write the result to this `FILE`, as JSON; - for the standard output")
	f.BoolVar(&b.choices, "choices", false, "measure the choices that SMOOTHL1_TUNE can fix, with float32 on the CPU; see cpu.Tuning")
	f.BoolVar(&b.asJSON, "json", false, "print the result as JSON instead of tables")
	complete(c, "dtype", "float32", "float64")
	return c
}

// maxElements keeps the bytes of all arrays countable.
const maxElements = math.MaxInt / 64

// workloads returns what to measure.
func (b *benchmark) workloads(changed func(flag string) bool) ([]measure.Workload, error) {
	if b.full {
		for _, flag := range []string{"sizes", "dtype", "beta"} {
			if changed(flag) {
				return nil, usagef("--full excludes --%s", flag)
			}
		}
		return measure.Full(), nil
	}
	for _, n := range b.sizes {
		if n < 1 || n > maxElements {
			return nil, usagef("--sizes: %d: want 1 to %d", n, maxElements)
		}
	}
	all := measure.Sizes(b.sizes, b.types, b.betas)
	for _, w := range all {
		if err := w.Loss.Validate(w.DType); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (b *benchmark) run(c *cobra.Command) (err error) {
	if b.samples < 1 || b.samples > 1_000_000 {
		return usagef("--samples %d: want 1 to 1000000", b.samples)
	}
	if b.python != "" {
		if _, err := exec.LookPath(b.python); err != nil {
			return fmt.Errorf("--torch %s: %w", b.python, err)
		}
	}
	workloads, err := b.workloads(c.Flags().Changed)
	if err != nil {
		return err
	}
	if b.choices {
		for _, flag := range []string{"device", "full", "dtype", "rotate", "torch", "out", "json"} {
			if c.Flags().Changed(flag) {
				return usagef("--choices excludes --%s", flag)
			}
		}
		if _, err := b.workloads(c.Flags().Changed); err != nil {
			return err
		}
		if !c.Flags().Changed("sizes") { // arrays of at most 512 KiB are made in one way
			b.sizes = []int{1 << 18, 1 << 19, 1 << 20, 1 << 22, 1 << 24}
		}
		if len(b.betas) != 1 {
			return usagef("--choices: --beta %v: want one number", b.betas)
		}
		return b.printChoices(c.Context(), c.OutOrStdout(), newProgress(c.ErrOrStderr()))
	}
	var out files.Place
	if b.out != "" {
		if out, err = files.Output(b.out); err != nil {
			return err
		}
		if err := checkPlaces(nil, []named{{"--out", out}}); err != nil {
			return err
		}
	}
	var file *files.File
	if b.out != "" && !out.Streamed() { // fail before measuring for many minutes
		if file, err = out.Create(c.Context()); err != nil {
			return err
		}
		defer file.Close()
	}
	dev, err := b.device.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeDevice(dev)) }()
	if dev.Backend() == "sim" && !b.full && !c.Flags().Changed("sizes") {
		workloads = slices.DeleteFunc(workloads, func(w measure.Workload) bool { return w.N() > 1<<16 })
	}
	if dev.Backend() == "cuda" && b.full {
		workloads = append(workloads, measure.Large()...)
	}
	result, err := b.measure(c.Context(), dev, workloads, func(line string) { fmt.Fprintln(c.ErrOrStderr(), line) })
	if err != nil {
		return err
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(result); err != nil {
		return err
	}
	var errs []error
	if file != nil {
		errs = append(errs, writeAll(file, text.Bytes()))
	} else if b.out != "" {
		errs = append(errs, writeFile(c.Context(), out, c.OutOrStdout(), text.Bytes()))
	}
	if b.asJSON {
		_, err = printTo(c, out).Write(text.Bytes())
	} else {
		err = result.Print(printTo(c, out))
	}
	return errors.Join(append(errs, err, b.complete(result))...)
}

// complete returns an error if nothing was measured, or not PyTorch although it was asked for. Single sizes that do not fit may be left
// out.
func (b *benchmark) complete(r *measure.Result) error {
	switch {
	case len(r.Groups) == 0:
		return errors.New("nothing was measured: every size was left out")
	case b.python != "" && r.Peer(measure.Eager) == nil:
		return fmt.Errorf("--torch %s: %s", b.python, r.Absent(measure.Eager))
	}
	return nil
}

func (b *benchmark) measure(ctx context.Context, dev *gpu.Device, workloads []measure.Workload, report func(string)) (*measure.Result, error) {
	return measure.Run(ctx, measure.Config{Device: dev, Workloads: workloads, Samples: b.samples, Python: b.python, BitsSize: b.bits,
		Commit: revision(), Rotate: b.rotate, Report: report})
}
