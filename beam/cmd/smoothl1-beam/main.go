// Command smoothl1-beam computes the smooth L1, Huber or L1 loss of arrays in shards of NumPy files, on any runner of Apache Beam.
//
//	smoothl1-beam 'pred-*.npy' 'target-*.npy' --beta 0.1
//	smoothl1-beam 'gs://bucket/pred-*.npy' 'gs://bucket/target-*.npy' --runner dataflow --staging gs://bucket/tmp --project P --region R
//
// It prints what "smoothl1 eval" prints for the concatenated files, bit for bit. Without --runner it runs in this process, on Beam's
// runner Prism.
//
// It exits with 0 on success, with 1 after an error, with 2 after a usage error, and with 130 or 143 if SIGINT or SIGTERM ended it. An
// error is one line on standard error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/smoothl1/smoothl1"
)

func main() {
	if isWorker(os.Args[1:]) {
		flag.Parse()
		beam.Init() // runs the worker, and does not return
	}
	os.Exit(runWithSignals(os.Args[1:], os.Stdout, os.Stderr))
}

// isWorker reports whether a runner has started this binary as a worker: Beam's boot code passes --worker=true.
func isWorker(arguments []string) bool {
	for _, a := range arguments {
		if name, value, _ := strings.Cut(strings.TrimLeft(a, "-"), "="); strings.HasPrefix(a, "-") && name == "worker" && value != "false" {
			return true
		}
	}
	return false
}

// runWithSignals is run, but returns early if a signal arrives: a pipeline need not notice that its context is cancelled.
func runWithSignals(arguments []string, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	j := &job{}
	ended := make(chan int, 1)
	go func() {
		defer func() {
			if ctx.Err() != nil {
				_ = recover() // Beam dereferences nil if its temporary folder is gone
			}
		}()
		ended <- run(ctx, j, arguments, stdout, stderr)
	}()
	select {
	case code := <-ended:
		return code
	case s := <-signals:
		cancel()
		text := "smoothl1-beam: " + j.interrupted()
		if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			text = "\n" + text // below the progress
		}
		fmt.Fprintln(stderr, text)
		j.remains()
		return 128 + int(s.(syscall.Signal))
	}
}

// run runs the command and returns its exit code.
func run(ctx context.Context, j *job, arguments []string, stdout, stderr io.Writer) int {
	c := newCommand(j)
	c.SetArgs(arguments)
	c.SetOut(stdout)
	c.SetErr(stderr)
	err := c.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	text, code := explain(err)
	if ctx.Err() == nil { // else the signal has been reported
		fmt.Fprintln(stderr, "smoothl1-beam:", text)
	}
	return code
}

// usageError is an error in the command line.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// explain returns an error in one line and its exit code.
func explain(err error) (text string, code int) {
	var argument *smoothl1.ArgError
	text = reason(err.Error())
	if errors.As(err, new(usageError)) || errors.As(err, &argument) {
		return strings.TrimPrefix(text, "smoothl1: ") + "; see 'smoothl1-beam --help'", 2
	}
	return text, 1
}

// reason returns the text of an error in one line. That of a pipeline is wrapped in many lines of the runner and the SDK, of which the last
// that this module wrote says what is wrong.
func reason(text string) string {
	lines := strings.Split(text, "\n")
	for _, own := range []string{"evaluate: ", "smoothl1: "} {
		for _, line := range slices.Backward(lines) {
			if _, ours, ok := strings.Cut(line, own); ok {
				return strings.TrimSpace(ours)
			}
		}
	}
	return strings.Join(strings.Fields(text), " ")
}

func newCommand(j *job) *cobra.Command {
	c := &cobra.Command{
		Use:   "smoothl1-beam PRED TARGET",
		Short: "Compute the loss of arrays in shards of NumPy files, on a runner of Apache Beam",
		Long: `smoothl1-beam computes the loss of two arrays, each in shards of NumPy files that are concatenated along the first dimension, and
prints it: a float64, with the bits that "smoothl1 eval" prints for the concatenated files.

PRED, TARGET and the values of --weight, --mask and --groups are patterns, or several with commas between them. Quote them, so that the shell
does not expand them. Files may be local or on Google Cloud Storage (gs://). Names that end in 00003-of-00008.npy must be
complete; other numbered ones must have no gap. The arrays may be cut into shards in different ways.

With --rows, there is one loss for each row of the last dimension, which is written to float64 files OUT-00000-of-00003.npy and so on. With
--groups, a line for each group is printed: its number, how many elements it has, the sum of their losses, their mean, and the
largest |pred - target|.

Arrays are float16, float32 or float64; with --dtype bfloat16, uint16 with the bit patterns of bfloat16 numbers. Nothing is converted.
Weights, masks and groups have the shape of the arrays, or 1 as last dimension: one for each row.

Without --runner, the command runs in this process, on Beam's runner Prism. The flags of other runners are listed by --runner-flags. Workers
elsewhere and this command exchange the result through a file in the folder --staging, which both must reach.`,
		Example: `  smoothl1-beam 'pred-*.npy' 'target-*.npy'
  smoothl1-beam 'pred-*.npy' 'target-*.npy' --loss huber --delta 1.35 --json
  smoothl1-beam 'pred-*.npy' 'target-*.npy' --mask 'mask-*.npy' --weight 'w-*.npy' --divisor kept
  smoothl1-beam 'pred-*.npy' 'target-*.npy' --rows --out losses
  smoothl1-beam 'pred-*.npy' 'target-*.npy' --groups 'class-*.npy' --out classes.csv
  smoothl1-beam 'gs://b/pred-*.npy' 'gs://b/target-*.npy' --staging gs://b/tmp --runner flink --endpoint host:8099`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) != 2 && !j.listFlags {
				return usagef("want two patterns, PRED and TARGET, got %d arguments: quote patterns, so that the shell does not expand them", len(arguments))
			}
			return nil
		},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	j.addFlags(c)
	c.RunE = func(c *cobra.Command, arguments []string) error {
		if j.listFlags {
			return listRunnerFlags(c.OutOrStdout())
		}
		if err := j.check(c.Flags().Changed, arguments); err != nil {
			return err
		}
		return j.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
	}
	return c
}
