// Command instructions writes docs/arm64.md: the instructions that package cpu executes for an element on arm64, with NEON and in Go,
// counted by qemu-aarch64.
//
// usage: instructions DOCS        with qemu-aarch64 on the PATH; some minutes
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// passes are the names that guest knows.
var passes = []string{"terms", "forward", "forward, beta 0.1", "backward", "backward, upstream by element", "forward+backward",
	"forward+backward, beta 0.1", "forward+backward, L1", "forward+backward, both gradients", "weights", "mask", "weights and mask",
	"beta by element", "accumulated gradient"}

var types = []string{"float32", "float64", "float16", "bfloat16"}

// The two lengths: whole chunks, too few for goroutines. The difference between their counts leaves out what is done once a call.
const short, long = 2 * 2048, 3 * 2048

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: instructions DOCS")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "instructions:", err)
		os.Exit(1)
	}
}

func run(docs string) error {
	folder, err := os.MkdirTemp("", "instructions")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	g, err := newGuest(folder)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, head, runtime.Version())
	for _, pass := range passes {
		fmt.Fprintf(&b, "| %s |", pass)
		for _, t := range types {
			neon, err := g.perElement("neon", pass, t)
			if err != nil {
				return err
			}
			generic, err := g.perElement("generic", pass, t)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %.2f | %.2f | %.0f |", neon.all, neon.memory, generic.all)
			fmt.Fprintf(os.Stderr, "%s, %s: %.2f with NEON, %.0f in Go\n", pass, t, neon.all, generic.all)
		}
		b.WriteString("\n")
	}
	b.WriteString(tail)
	return os.WriteFile(filepath.Join(docs, "arm64.md"), b.Bytes(), 0o644)
}

const head = `# The CPU code on arm64

` + "`make instructions`" + ` writes this file. **No time was measured on an arm64 machine**: there was none. What is known of the code there:

- It has the bits of the reference: ` + "`make test-arm64`" + `, a part of CI, runs the tests of package cpu and the differential test in qemu, with NEON
  and with plain Go in turn.
- Its instructions are what the generator means: each word of the assembly has its GNU syntax in a comment, which a test of
  [tools/asmgen](../tools/asmgen) compares with Go's disassembler.
- It executes the numbers of instructions below for an element, counted in qemu: the difference between calls for 6144 and 4096 elements, in
  package cpu and its internal packages, compiled by %s. Copying and clearing memory by Go's runtime is not counted.

The norm is a mean, and beta is 1 where nothing else is said. With weights, with a mask, and below that, the loss and the gradient with
respect to pred are computed.

| | float32 | loads and stores | in Go | float64 | loads and stores | in Go | float16 | loads and stores | in Go | bfloat16 | loads and stores | in Go |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
`

const tail = `
How the code is made:

- A vector has 16 bytes, and four vectors (two in kernels with a mask, and in some for bfloat16) are computed at a time, instruction by
  instruction, so that those that depend on each other are several apart. The last elements of the arrays are computed one at a time.
- The 128 lanes of the canonical sum are 1 KiB of the stack: of the 32 registers, constants and variables leave fewer than
  the 64 that they would take. Arrays are read in the order of memory.
- Products and sums are rounded separately: there is no fused multiplication and addition.
- There are no streaming stores: STNP is a hint, and Arm's cores detect that whole cache lines are written (write streaming mode: for
  example Arm's technical reference manual of the Cortex-A76, A6.2.6).
- How a call is split among goroutines, and how far ahead it prefetches, is found by timing the calls of the program: see cpu.Tuning. Programs
  cannot read the sizes of the caches.
`

// count is a number of instructions for an element.
type count struct{ all, memory float64 }

// perElement counts the instructions of a pass.
func (g *guest) perElement(set, pass, element string) (count, error) {
	few, err := g.count(set, pass, element, short)
	if err != nil {
		return count{}, err
	}
	many, err := g.count(set, pass, element, long)
	if err != nil {
		return count{}, err
	}
	return count{(many.all - few.all) / (long - short), (many.memory - few.memory) / (long - short)}, nil
}

// command returns the output of a program.
func command(env []string, name string, arguments ...string) ([]byte, error) {
	c := exec.Command(name, arguments...)
	c.Env = append(os.Environ(), env...)
	out, err := c.Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(c.Args, " "), err, failed.Stderr)
	}
	return out, err
}
