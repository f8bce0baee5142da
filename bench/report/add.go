package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/smoothl1/smoothl1/internal/bundle"
	"github.com/smoothl1/smoothl1/internal/measure"
)

// add copies the two files of a run, from the folder that run.sh left or its results.tar.gz, into bench/results, under names made of
// device and date.
func add(root, from string) error {
	dir := from
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		if dir, err = os.MkdirTemp("", "smoothl1-results-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := unpack(from, dir); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	r, err := bundle.Load(filepath.Join(dir, bundle.RunFile))
	if err != nil {
		return err
	}
	switch {
	case r.Machine.GPU == "":
		return fmt.Errorf("%s: the run had no GPU: %s", from, r.Machine.NoGPU)
	case strings.HasPrefix(r.Machine.GPU, "Simulated") || strings.HasPrefix(r.Machine.GPU, "Fake"):
		return fmt.Errorf("%s: the device is a stand-in, %q", from, r.Machine.GPU)
	}
	date, _, _ := strings.Cut(r.Date, "T")
	name := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(r.Machine.GPU), "-"), "-") + "-" + date
	results := filepath.Join(root, "bench", "results")
	for base, k := name, 2; exists(filepath.Join(results, "run-"+name+".json")); k++ {
		if old, err := bundle.Load(filepath.Join(results, "run-"+name+".json")); err == nil && old.Date == r.Date {
			break // the same run again
		}
		name = fmt.Sprintf("%s-%d", base, k)
	}
	if err := write(filepath.Join(results, "run-"+name+".json"), r); err != nil {
		return err
	}
	figures, err := measure.Load(filepath.Join(dir, bundle.FiguresFile))
	if err != nil || figures.Device.Backend != "cuda" {
		return nil // nothing was measured; the run says why
	}
	return write(filepath.Join(results, "gpu-"+name+".json"), figures)
}

func write(path string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	fmt.Println("wrote", path)
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// unpack extracts the two files from an archive of results.
func unpack(path, dir string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for t := tar.NewReader(zip); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if base := filepath.Base(h.Name); base == bundle.RunFile || base == bundle.FiguresFile {
			text, err := io.ReadAll(io.LimitReader(t, 64<<20))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, base), text, 0o600)
			}
			if err != nil {
				return err
			}
		}
	}
}
