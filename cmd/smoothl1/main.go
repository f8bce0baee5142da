// Command smoothl1 computes the smooth L1 loss of arrays in NumPy files, draws it, compares the implementations of this module bit for
// bit, measures them, and lists the devices.
//
//	smoothl1 eval pred.npy target.npy --beta 0.1 --grad-pred grad.npy
//	smoothl1 plot --beta 1,0.1,0.01 -o curves.svg
//	smoothl1 verify --device sim
//	smoothl1 bench
//	smoothl1 devices
//
// It exits with 0 on success, with 1 after an error, with 2 after a usage error, and with 130 or 143 if SIGINT or SIGTERM ended it. An
// error is one line on standard error. Files are written completely or not at all, even if the command is interrupted. Pipes, devices,
// and - for standard input or output are read and written piece by piece.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/files"
)

func main() { os.Exit(runWithSignals(os.Args[1:], os.Stdout, os.Stderr)) }

// patience is how long the command has after a signal to end by itself. It cannot while it is blocked by a pipe, a driver or a long
// computation.
const patience = 300 * time.Millisecond

// runWithSignals is run, but returns early if a signal arrives.
func runWithSignals(arguments []string, stdout, stderr io.Writer) int {
	ctx, again, stop := withSignals(context.Background())
	defer stop()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, arguments, stdout, stderr) }()
	select {
	case code := <-ended:
		return code
	case <-ctx.Done():
	}
	select {
	case code := <-ended:
		return code
	case <-again:
	case <-time.After(patience):
	}
	text := interrupted(files.Abandon())
	said := make(chan struct{})
	go func() {
		defer close(said)
		if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			text = "\n" + text // below the progress
		}
		fmt.Fprintln(stderr, text)
	}()
	select { // standard error may be blocked too
	case <-said:
	case <-time.After(patience):
	}
	return signalCode(ctx)
}

// interrupted returns the message of a command that a signal ended. written are the files that had been written.
func interrupted(written []string) string {
	if len(written) == 0 {
		return "smoothl1: interrupted; no file was written"
	}
	return "smoothl1: interrupted; written before: " + strings.Join(written, ", ")
}

// run runs the command and returns its exit code.
func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	out := &checkedWriter{w: stdout}
	root := newRoot()
	root.SetArgs(arguments)
	root.SetOut(out)
	root.SetErr(stderr)
	refuseUnknown(root)
	command, err := root.ExecuteContextC(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("standard output: %w", out.err)
	}
	if err == nil {
		return 0
	}
	text, code := explain(err, command.CommandPath())
	if signalled := signalCode(ctx); signalled != 0 {
		code = signalled
	}
	fmt.Fprintln(stderr, "smoothl1:", text)
	return code
}

// checkedWriter remembers the first error, because cobra ignores errors when it prints help.
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
		Short: "Compute the smooth L1 and Huber losses of NumPy files, with the same bits on a GPU and the CPU",
		Long: `smoothl1 computes the smooth L1, Huber and L1 losses and their gradients on a CUDA device, on a simulated one, or on the CPU.
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
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flagError(err)} })
	for _, c := range []*cobra.Command{newEval(), newPlot(), newVerify(), newBench(), newDevices()} {
		c.PreRunE = func(*cobra.Command, []string) error { // all of them use the CPU, if only for the reference
			if _, err := cpu.InstructionSet(); err != nil {
				return err
			}
			_, err := cpu.Tuning()
			return err
		}
		root.AddCommand(c)
	}
	return root
}

// refuseUnknown adds cobra's own commands, which write to root's output, and makes them reject unknown arguments instead of printing
// help.
func refuseUnknown(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			shells := c.Commands()
			c.Args = usage(cobra.NoArgs)
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
			for _, shell := range shells {
				shell.Args = usage(shell.Args)
			}
		case "help":
			c.Args = func(c *cobra.Command, topic []string) error {
				if found, rest, err := c.Root().Find(topic); err != nil || found == nil || len(rest) > 0 {
					return usagef("unknown command %q", strings.Join(topic, " "))
				}
				return nil
			}
		}
	}
}
