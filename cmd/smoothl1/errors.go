package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// Exit codes other than 0.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is an error in the command line.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// usage makes the errors of an argument check usage errors.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, arguments []string) error {
		if err := check(c, arguments); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// oneLine joins the lines of a text.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\n", "; ")), " ")
}

// explain returns an error in one line, with a hint at what to do about it, and its exit code.
func explain(err error, command string) (text string, code int) {
	text = oneLine(err.Error())
	text = strings.TrimPrefix(strings.TrimPrefix(text, "smoothl1: "), "npy: ")
	code = exitFailed
	var argument *smoothl1.ArgError
	isUsage := errors.As(err, new(usageError)) ||
		errors.As(err, &argument) && argument.Op == "Loss" // beta and its like come from flags
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted; no file was written", code
	case isUsage:
		code = exitUsage
		text += fmt.Sprintf("; see '%s --help'", command)
	default:
		if h := hint(err); h != "" {
			text += "; " + h
		}
	}
	return text, code
}

// hint returns what can be done about an error, or "".
func hint(err error) string {
	switch {
	case errors.As(err, new(*npy.FormatError)):
		return "expected a file that numpy.save wrote of an array of numbers or bools"
	case errors.Is(err, fs.ErrNotExist):
		return "check the path"
	case errors.Is(err, fs.ErrPermission):
		return "change the permissions or use another path"
	case errors.Is(err, syscall.ENOSPC):
		return "make room on the disk or write elsewhere"
	case errors.Is(err, syscall.EPIPE):
		return "its reader has exited"
	case errors.Is(err, smoothl1.ErrNoCUDA):
		return "use --device auto, cpu or sim, or see 'smoothl1 devices'"
	}
	return ""
}
