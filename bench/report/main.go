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
	from := flag.String("results", "", "the run on a CPU; default: the last by name of ROOT/bench/results/cpu-*.json")
	device := flag.String("add", "", "first add a run of the bundle: the folder that run.sh left, or its results.tar.gz")
	flag.Parse()
	var err error
	if *device != "" {
		err = add(*root, *device)
	}
	if err == nil {
		err = run(*root, *from)
	}
	if err == nil {
		err = hardware(*root)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(root, from string) error {
	if from == "" {
		files, err := filepath.Glob(filepath.Join(root, "bench", "results", "cpu-*.json"))
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return errors.New("no bench/results/cpu-*.json: run make bench-cpu-peers")
		}
		from = slices.Max(files)
	}
	r, err := measure.Load(from)
	if err != nil {
		return err
	}
	if err := paint(r, filepath.Join(root, "docs")); err != nil {
		return err
	}
	page := filepath.Join(root, "docs", "performance.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	describe(&b, r, filepath.Base(from))
	targets(&b, r)
	furtherTable(&b, r)
	table(&b, r)
	devices, err := gpuSection(root)
	if err != nil {
		return err
	}
	if text, err = replace(text, b.Bytes(), begin, end); err == nil {
		text, err = replace(text, devices, beginGPU, endGPU)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, text, 0o644)
}

// What lies between these lines of docs/performance.md is generated.
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
