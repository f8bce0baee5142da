package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// verification holds the arguments of verify.
type verification struct {
	device deviceFlag
	sweep  difftest.Sweep
	one    string // a case to run by itself
	missed bool   // list what has not been covered
	limit  time.Duration
	asJSON bool
}

func newVerify() *cobra.Command {
	var v verification
	c := &cobra.Command{
		Use:   "verify",
		Short: "Compare a device with the reference, bit for bit, in many cases",
		Long: `verify computes many cases on a device and with the reference, and compares the bits of all results: losses, chunk sums,
gradients, the inputs afterwards, and guard zones around every array. Every fifth case is a fixed one, with a number of
elements at which implementations tend to differ; the others are random, drawn from the seed. The default number of cases
runs each of the fixed ones once. If any case differs, it exits with 1 and prints the command that runs the case again.

On the simulated device it runs the kernels' PTX, under that device's strict checks, and says how much of it was covered.`,
		Example: `  smoothl1 verify
  smoothl1 verify --device cuda --cases 100000 --seed 7
  smoothl1 verify --device cpu --case 'op=forward,dtype=float32,loss=smooth_l1,beta=1,reduction=mean,n=2049,data=normal,seed=1'`,
		Args:              usage(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, _ []string) error { return v.run(c) },
	}
	f := c.Flags()
	addDevice(c, &v.device, "auto", "what to verify: auto (CUDA, or else the simulated device), cuda, cuda:N, sim, cpu")
	f.IntVar(&v.sweep.Cases, "cases", 0, "`NUMBER` of cases")
	f.IntVar(&v.sweep.First, "first", 0, "`NUMBER` of the first case, to rerun a part")
	f.Uint64Var(&v.sweep.Seed, "seed", 1, "`NUMBER` that seeds the random cases and the simulated device")
	addName(c, &v.one, "case", "", "run only this `CASE`, in the form that a failure prints")
	f.DurationVar(&v.limit, "for", 0, "start no more cases after this `TIME`, such as 90s, and print how many were done; 0: no limit")
	f.BoolVar(&v.asJSON, "json", false, "print an object instead of tables")
	f.BoolVar(&v.missed, "missed", false, "list the instructions and branches of the PTX that were not covered")
	help := c.HelpFunc()
	c.SetHelpFunc(func(c *cobra.Command, arguments []string) {
		c.Flag("cases").DefValue = strconv.Itoa(standardCases())
		help(c, arguments)
	})
	return c
}

// standardCases returns the default number of cases. It draws up the tables of cases, which takes longer than everything else that the
// command does when it starts, so that only the help and the run of verify may call it.
func standardCases() int { return 5 * difftest.Fixed() }

func (v *verification) run(c *cobra.Command) error {
	if !c.Flags().Changed("cases") {
		v.sweep.Cases = standardCases()
	}
	if v.sweep.Cases < 1 || v.sweep.Cases > maxCases {
		return usagef("--cases %d: want 1 to %d", v.sweep.Cases, maxCases)
	}
	if v.sweep.First < 0 || v.sweep.First > maxCases {
		return usagef("--first %d: want 0 to %d", v.sweep.First, maxCases)
	}
	var one *difftest.Case
	if v.one != "" {
		k, err := difftest.Parse(v.one)
		if err == nil {
			err = k.Check()
		}
		if err != nil {
			return usagef("--case: %s", fieldError(err))
		}
		one = &k
	}
	dev, err := v.choose()
	if err != nil {
		return err
	}
	if v.limit < 0 {
		return usagef("--for %v: must not be negative", v.limit)
	}
	out := c.OutOrStdout()
	if !v.asJSON {
		if _, err := fmt.Fprintf(out, "device: %s\n", dev); err != nil {
			return err
		}
	}
	if one != nil {
		return v.runOne(*one, out)
	}
	bar := newProgress(c.ErrOrStderr())
	v.show(bar)
	found, err := v.sweepFor(c.Context())
	bar.end()
	if v.asJSON {
		if err := printJSON(out, v.verified(dev, found)); err != nil {
			return err
		}
	} else if err := v.report(out, found); err != nil {
		return err
	}
	switch mismatches := found.Mismatches(); {
	case mismatches > 0:
		return errors.Join(fmt.Errorf("%d mismatches: see above", mismatches), err)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted after %d of %d cases, none of which differed", found.Done, v.sweep.Cases)
	case err == nil && found.Done == 0:
		return fmt.Errorf("--for %v: the time was up before the first case was done", v.limit)
	}
	return err
}

// show makes the sweep advance the bar by cases, or by time if there is a limit.
func (v *verification) show(bar *progress) {
	if v.limit == 0 {
		bar.what = "cases"
		bar.start(v.sweep.Cases)
		v.sweep.Progress = func() { bar.add(1) }
		return
	}
	const steps = 1000
	begin, shown := time.Now(), 0
	bar.what = ""
	bar.start(steps)
	v.sweep.Progress = func() {
		passed := min(steps, int(steps*time.Since(begin)/v.limit))
		bar.add(passed - shown)
		shown = passed
	}
}

// maxCases keeps indices of cases from overflowing an int.
const maxCases = 1 << 30

// choose sets the sweep's target and describes its device.
func (v *verification) choose() (string, error) {
	backend := v.device.backend()
	if backend == "auto" {
		backend = "cuda"
	}
	switch backend {
	case "cuda":
		v.sweep.Target = difftest.OnCUDA(v.device.ordinal)
	case "sim":
		v.sweep.Target = difftest.OnSim()
	default:
		v.sweep.Target = difftest.OnTheCPU()
	}
	flag := deviceFlag{backend, v.device.ordinal}
	dev, err := flag.open()
	if v.device.backend() == "auto" && errors.Is(err, smoothl1.ErrNoCUDA) {
		v.sweep.Target = difftest.OnSim()
		dev, err = (&deviceFlag{name: "sim"}).open()
	}
	if err != nil {
		return "", err
	}
	return describe(dev), closeDevice(dev)
}

// describe describes a device; a simulated one without its seed, which changes from block to block.
func describe(dev *gpu.Device) string {
	if dev.Backend() == "sim" {
		return "simulated, executing the kernels' PTX"
	}
	return dev.String()
}

// runOne runs a single case.
func (v *verification) runOne(c difftest.Case, out io.Writer) error {
	err := v.sweep.Target.Run(c, v.sweep.Seed)
	if mismatch := (*difftest.Mismatch)(nil); errors.As(err, &mismatch) {
		return fmt.Errorf("%s differs from the %s: %w", mismatch.Column, mismatch.Reference, mismatch.Err)
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "the same bits: %s\n", c)
	}
	return err
}

// report prints the failures and the tables.
func (v *verification) report(out io.Writer, found *difftest.Swept) error {
	w := &errorWriter{w: out}
	for _, f := range found.Failures {
		first, cases := f.Block()
		w.printf("\ncase %d: %v\n", f.Index, errors.Unwrap(f.Err))
		if mismatch := (*difftest.Mismatch)(nil); errors.As(f.Err, &mismatch) {
			w.printf("  alone: smoothl1 verify --device %s --case '%s'\n", v.device.name, mismatch.Case)
		}
		w.printf("  in its block: smoothl1 verify --device %s --seed %d --first %d --cases %d\n", v.device.name, v.sweep.Seed, first, cases)
	}
	if rest := found.Mismatches() - len(found.Failures); rest > 0 {
		w.printf("\nand %d more\n", rest)
	}
	if found.Done < v.sweep.Cases {
		w.printf("\n%d of %d cases were done\n", found.Done, v.sweep.Cases)
	}
	w.printf("\n")
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "column\tcases\telements\tmismatches\t\n")
	for _, t := range found.Columns {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t\n", t.Column, t.Cases, t.Elements, t.Mismatches)
	}
	table.Flush()
	w.printf("\n")
	fmt.Fprint(table, "elements of an array\tcases\t\n")
	for _, s := range found.Sizes {
		if s.Cases > 0 {
			fmt.Fprintf(table, "%s\t%d\t\n", s, s.Cases)
		}
	}
	table.Flush()
	if found.Coverage != nil {
		w.printf("\nPTX: %v\n", found.Coverage.Count())
		if v.missed {
			for _, m := range found.Coverage.Missed() {
				w.printf("%s\n", m)
			}
		}
	}
	return w.err
}

// errorWriter keeps the first error of several prints.
type errorWriter struct {
	w   io.Writer
	err error
}

func (e *errorWriter) printf(format string, a ...any) { fmt.Fprintf(e, format, a...) }

// Write implements io.Writer.
func (e *errorWriter) Write(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	n, err := e.w.Write(p)
	e.err = err
	return n, err
}
