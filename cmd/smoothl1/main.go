// Command smoothl1 computes the smooth L1 loss of arrays in NumPy files, draws it, holds the implementations of this module to
// the same bits, measures them, and says which devices there are.
//
//	smoothl1 eval pred.npy target.npy --beta 0.1 --grad-pred grad.npy
//	smoothl1 plot --beta 1,0.1,0.01 -o curves.svg
//	smoothl1 verify --device sim
//	smoothl1 bench
//	smoothl1 devices
//
// It exits with 0 if all went well, with 1 after an error, and with 2 where it was called wrongly. An error is one line on
// standard error. Files are written whole or not at all, also when it is interrupted.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func main() { os.Exit(runWithSignals(os.Args[1:], os.Stdout, os.Stderr)) }

// runWithSignals is run until a signal ends it.
func runWithSignals(arguments []string, stdout, stderr io.Writer) int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	return run(ctx, arguments, stdout, stderr)
}

// run runs the command and returns its exit code.
func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	out := &checkedWriter{w: stdout}
	root := newRoot()
	root.SetArgs(arguments)
	root.SetOut(out)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("standard output: %w", out.err)
	}
	if err == nil {
		return 0
	}
	text, code := explain(err, command.CommandPath())
	fmt.Fprintln(stderr, "smoothl1:", text)
	return code
}

// checkedWriter remembers the first error, which those who print help do not look at.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "smoothl1",
		Short: "The smooth L1 and Huber losses of NumPy files, on a GPU or the CPU with the same bits",
		Long: `The smooth L1, Huber and L1 losses and their gradients: on a CUDA device, on a simulated one, or on the CPU.
All give the same bits.`,
		Example: `  smoothl1 eval pred.npy target.npy
  smoothl1 plot --beta 1,0.1,0.01 -o curves.svg
  smoothl1 devices`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usage(cobra.NoArgs),
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("smoothl1 {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newEval(), newPlot(), newVerify(), newBench(), newDevices())
	return root
}
