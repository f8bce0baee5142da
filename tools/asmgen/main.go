// Command asmgen generates the assembly of this repository, for amd64 with avo: the kernels of package core, package stage, the CPUID of package isa, and the
// memory loops of the benchmarks.
//
//	asmgen ROOT            writes the files under ROOT, the repository
//	asmgen -check ROOT     writes nothing, and fails if a file differs from what it would write
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

// output holds the files to write, by their path in the repository.
type output map[string][]byte

func main() {
	check := flag.Bool("check", false, "compare the files, do not write them")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: asmgen [-check] ROOT")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *check); err != nil {
		fmt.Fprintln(os.Stderr, "asmgen:", err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	files := output{}
	for _, generate := range []func(string, output) error{generateKernels, generateStages, generateCPUID, generateCeilings} {
		if err := generate(root, files); err != nil {
			return err
		}
	}
	var paths []string
	for path := range files {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	stale := 0
	for _, path := range paths {
		at := filepath.Join(root, filepath.FromSlash(path))
		if !check {
			if err := os.WriteFile(at, files[path], 0o644); err != nil {
				return err
			}
			continue
		}
		if got, err := os.ReadFile(at); err != nil || !bytes.Equal(got, files[path]) {
			fmt.Fprintf(os.Stderr, "asmgen: %s differs from what the generator writes\n", path)
			stale++
		}
	}
	if stale > 0 {
		return fmt.Errorf("%d of %d files differ: run make asm", stale, len(files))
	}
	return nil
}
