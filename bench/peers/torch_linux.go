package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

//go:embed torch.py
var torchScript string

// torch is a Python process that computes PyTorch's losses of shared arrays when it is told to.
type torch struct {
	version string
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// startTorch starts it. What Debian packages are missing is said by the error.
func startTorch(python string, m *memory) (*torch, error) {
	if _, err := exec.LookPath(python); err != nil {
		return nil, fmt.Errorf("%w\nThe Debian packages python3, python3-torch and python3-numpy are needed: apt-get install --no-install-recommends python3-torch python3-numpy", err)
	}
	c := exec.Command(python, "-c", torchScript, strconv.Itoa(m.stride))
	c.Stderr = os.Stderr
	c.ExtraFiles = []*os.File{m.file}
	in, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	t := &torch{command: c, in: in, out: bufio.NewReader(out)}
	answer, err := t.read()
	switch {
	case strings.HasPrefix(answer, "missing "):
		packages := strings.TrimPrefix(answer, "missing ")
		return nil, errors.Join(t.close(), fmt.Errorf("missing for %s: the Debian packages %s: apt-get install --no-install-recommends %s", python, packages, packages))
	case err != nil:
		return nil, errors.Join(err, t.close())
	}
	t.version = strings.TrimPrefix(answer, "ready ")
	return t, nil
}

func (t *torch) read() (string, error) {
	line, err := t.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("PyTorch: no answer: %w", err)
	}
	return strings.TrimSuffix(line, "\n"), nil
}

func (t *torch) ask(words ...string) (string, error) {
	if _, err := fmt.Fprintln(t.in, strings.Join(words, "\t")); err != nil {
		return "", fmt.Errorf("PyTorch: %w", err)
	}
	return t.read()
}

func (t *torch) prepare(n, threads int) error {
	_, err := t.ask("prepare", strconv.Itoa(n), strconv.Itoa(threads))
	return err
}

// run returns the time of reps calls.
func (t *torch) run(contender, op string, reps int) (time.Duration, error) {
	answer, err := t.ask("run", contender, op, strconv.Itoa(reps))
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(answer, 10, 64)
	return time.Duration(ns), err
}

// check computes once and returns the loss; terms or gradients are then in the third array.
func (t *torch) check(contender, op string) (float64, error) {
	answer, err := t.ask("check", contender, op)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(answer, 64)
}

func (t *torch) close() error {
	return errors.Join(t.in.Close(), t.command.Wait())
}
