// Command report generates the tables of docs/performance.md and docs/hardware.md, and their pictures, from a run of command peers and
// the runs on GPUs.
//
//	make report
//	make hardware RESULTS=results.tar.gz
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/smoothl1/smoothl1/internal/measure"
)

func main() {
	root := flag.String("root", "..", "the repository")
	device := flag.String("add", "", "first add a run of the bundle: the folder that run.sh left, or its results.tar.gz")
	flag.Parse()
	var err error
	if *device != "" {
		err = add(*root, *device)
	}
	if err == nil {
		err = run(*root)
	}
	if err == nil {
		err = hardware(*root)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	all, err := loadMachines(root)
	if err != nil {
		return err
	}
	if err := paint(all, filepath.Join(root, "docs")); err != nil {
		return err
	}
	devices, err := gpuSection(root)
	if err != nil {
		return err
	}
	return errors.Join(
		generate(filepath.Join(root, "docs", "performance.md"), generated{cpuSection(all), begin, end}, generated{devices, beginGPU, endGPU}),
		generate(filepath.Join(root, "README.md"), generated{reached(all), begin, end}))
}

// generated is text between the lines that begin and end it.
type generated struct{ text, begin, end []byte }

// generate replaces the parts of a page.
func generate(page string, parts ...generated) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if text, err = replace(text, p.text, p.begin, p.end); err != nil {
			return fmt.Errorf("%s: %w", page, err)
		}
	}
	return os.WriteFile(page, text, 0o644)
}

// cpuSection returns the section on CPUs: the targets of all machines side by side, and then each machine's own tables.
func cpuSection(all []machine) []byte {
	var b bytes.Buffer
	fmt.Fprint(&b, "![Share of the ceiling over the number of elements](cpu-ceiling.svg)\n\n")
	targets(&b, all)
	if slices.ContainsFunc(all, func(m machine) bool { return len(m.further()) > 0 }) {
		fmt.Fprint(&b, "![Share of the ceiling by operation and type](cpu-operations.svg)\n\n")
	}
	for _, m := range all {
		m.describe(&b)
		furtherTable(&b, m.Result)
		table(&b, m.Result)
	}
	return b.Bytes()
}

// reached returns the README's list of how near to the ceiling the machines come.
func reached(all []machine) []byte {
	var b bytes.Buffer
	fmt.Fprint(&b, "The operations reach of it, in float32 and from 2^19 elements on:\n\n")
	for i := range all {
		var shares []float64
		for _, g := range all[i].alone() {
			for _, op := range measure.Ops {
				if s := share(g, op); s > 0 && g.N >= 1<<19 {
					shares = append(shares, s)
				}
			}
		}
		slices.Sort(shares)
		if n := len(shares); n > 0 {
			fmt.Fprintf(&b, "- %.2f to %.2f, with a median of %.2f, on %s\n", shares[0], shares[n-1], shares[n/2], all[i].label)
		}
	}
	return b.Bytes()
}

// What lies between these lines of docs/performance.md and README.md is generated.
var (
	begin, end       = []byte("<!-- begin: make report -->\n"), []byte("<!-- end: make report -->\n")
	beginGPU, endGPU = []byte("<!-- begin: make report, GPU -->\n"), []byte("<!-- end: make report, GPU -->\n")
)

// replace returns text with what is between its markers replaced.
func replace(text, generated, begin, end []byte) ([]byte, error) {
	head, rest, ok := bytes.Cut(text, begin)
	_, tail, ok2 := bytes.Cut(rest, end)
	if !ok || !ok2 {
		return nil, fmt.Errorf("has no line %q, or no line %q after it", begin[:len(begin)-1], end[:len(end)-1])
	}
	return slices.Concat(head, begin, generated, end, tail), nil
}
