package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/smoothl1/smoothl1/internal/files"
)

// named is a place and the argument or flag that names it.
type named struct {
	what  string
	place files.Place
}

// checkPlaces rejects inputs that cannot all be read, and outputs that would overwrite an input, each other, or what is printed.
func checkPlaces(inputs, outputs []named) error {
	for i, in := range inputs {
		for _, other := range inputs[:i] {
			if readsAway(in.place, other.place) {
				return usagef("%s and %s are both %v, which can be read only once", other.what, in.what, in.place)
			}
		}
	}
	stdout, err := files.Output("-")
	for i, out := range outputs {
		for _, in := range inputs {
			switch {
			case !out.place.Same(in.place):
			case out.place.Streamed():
				return usagef("%s %v is also an input: use another name", out.what, out.place)
			default:
				return usagef("%s %v would replace an input: use another name", out.what, out.place)
			}
		}
		for _, other := range outputs[:i] {
			if out.place.Same(other.place) {
				return usagef("%s and %s would write the same file: use two names", other.what, out.what)
			}
		}
		if err == nil && !out.place.Streamed() && out.place.Same(stdout) {
			return usagef("%s %v would replace the file that standard output goes to: use another name, or -", out.what, out.place)
		}
	}
	return nil
}

// readsAway reports whether reading one place consumes the input of the other.
func readsAway(p, q files.Place) bool {
	n, _ := p.Descriptor()
	m, _ := q.Descriptor()
	return p.Streamed() && q.Streamed() && p.Same(q) && (n == m || !p.Regular()) // two descriptors of a file have a position each
}

// printTo returns where results are printed: standard output, or standard error if an output goes to standard output.
func printTo(c *cobra.Command, outputs ...files.Place) io.Writer {
	stdout, err := files.Output("-")
	for _, p := range outputs {
		if err == nil && p.Streamed() && p.Same(stdout) {
			return c.ErrOrStderr()
		}
	}
	return c.OutOrStdout()
}

// create opens a place for writing.
func create(ctx context.Context, p files.Place, stdout io.Writer) (*files.File, error) {
	if n, ok := p.Descriptor(); ok && n == 1 {
		return files.Stream(ctx, p.String(), stdout), nil
	}
	return p.Create(ctx)
}

// writeFile writes content to a place.
func writeFile(ctx context.Context, p files.Place, stdout io.Writer, content []byte) error {
	f, err := create(ctx, p, stdout)
	if err != nil {
		return err
	}
	return writeAll(f, content)
}

// writeAll writes content to a file and commits it.
func writeAll(f *files.File, content []byte) error {
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		return fmt.Errorf("write %s: %w", f.Name(), err)
	}
	return files.Commit(f)
}
