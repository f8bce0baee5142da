//go:build linux

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
	"strings"
	"time"

	"github.com/smoothl1/smoothl1/internal/bundle"
	"github.com/smoothl1/smoothl1/internal/measure"
)

// keeper keeps the results on disk, complete at any moment: files are replaced, never modified, and the run is saved before and after
// each step.
type keeper struct {
	folder string
	files  string // the folder of the steps' files, removed at the end
	run    bundle.Run
	err    error // the first error of writing
}

// openKeeper makes the folder and writes the first, empty results.
func openKeeper(folder, commit string, budget time.Duration) (*keeper, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	k := &keeper{folder: folder, files: filepath.Join(folder, "smoothl1-steps")}
	k.run = bundle.Run{Commit: commit, Date: time.Now().UTC().Format(time.RFC3339), State: bundle.Running, Budget: budget.Seconds()}
	k.run.Machine.CPU, k.run.Machine.Threads, k.run.Machine.Kernel = host()
	if err := errors.Join(os.RemoveAll(k.files), os.MkdirAll(k.files, 0o777)); err != nil {
		return nil, err
	}
	k.save()
	return k, k.err
}

// path returns the path of a step's file.
func (k *keeper) path(name string) string { return filepath.Join(k.files, name) }

func logName(step string) string {
	return strings.NewReplacer(" ", "-", "'", "").Replace(step) + ".log"
}

// log creates a step's log.
func (k *keeper) log(step string) (*os.File, error) {
	return os.OpenFile(k.path(logName(step)), os.O_CREATE|os.O_TRUNC|os.O_RDWR|os.O_APPEND, 0o666)
}

// text returns the contents of a step's log.
func (k *keeper) text(step string) string {
	text, err := os.ReadFile(k.path(logName(step)))
	if err != nil {
		return ""
	}
	return string(text)
}

// lastLine returns the last line of a step's log that is not blank.
func (k *keeper) lastLine(step string) string {
	lines := strings.Split(strings.TrimSpace(k.text(step)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// note records that a step is running.
func (k *keeper) note(s bundle.Step) {
	s.Outcome, s.Note = bundle.Broken, "it was running when this was written"
	steps := k.run.Steps
	k.run.Steps = append(steps[:len(steps):len(steps)], s)
	k.write(bundle.RunFile, encode(k.run))
	k.run.Steps = steps
}

// add records and prints the result of a step, and saves everything.
func (k *keeper) add(s bundle.Step) {
	k.run.Steps = append(k.run.Steps, s)
	fmt.Println(s)
	k.save()
}

// save writes the run, the figures and the archive.
func (k *keeper) save() {
	k.write(bundle.RunFile, encode(k.run))
	k.write(bundle.FiguresFile, encode(k.figures()))
	k.write(bundle.ArchiveFile, k.archive)
}

// finish writes the final results and returns the exit code. If they cannot be written, it prints them.
func (k *keeper) finish(state bundle.State, exit int, took time.Duration) int {
	k.run.State, k.run.Exit, k.run.Seconds = state, exit, took.Seconds()
	k.err = nil
	k.save()
	if k.err != nil {
		fmt.Fprintf(os.Stderr, "run: the results could not be written, so here they are: %v\n", k.err)
		_ = encode(k.run)(os.Stdout)
		_ = encode(k.figures())(os.Stdout)
		return max(exit, exitFailed)
	}
	if err := os.RemoveAll(k.files); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
	}
	fmt.Printf("results: %s (%s, %s and %s), exit %d\n", k.folder, bundle.RunFile, bundle.FiguresFile, bundle.ArchiveFile, exit)
	return exit
}

// write replaces a file atomically. It reports only its first error, and the run goes on.
func (k *keeper) write(name string, content func(io.Writer) error) {
	path := filepath.Join(k.folder, name)
	f, err := os.Create(path + ".new")
	if err == nil {
		err = errors.Join(content(f), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), path)
		}
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}
	if err != nil && k.err == nil {
		k.err = err
		fmt.Fprintf(os.Stderr, "run: %v\n", err)
	}
}

func encode(v any) func(io.Writer) error {
	return func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
}

// parts are the files of figures, in the order of the steps.
var parts = []string{"bits.json", "main.json", "geometry.json", "full.json"}

// figures returns all figures so far.
func (k *keeper) figures() *measure.Result {
	var all []*measure.Result
	for _, name := range parts {
		if r, err := measure.Load(k.path(name)); err == nil {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return &measure.Result{Commit: k.run.Commit, Date: k.run.Date, Left: []string{"all: nothing was measured"}}
	}
	return measure.Merge(all...)
}

// archive writes the archive: the two files of the run and all files of the steps.
func (k *keeper) archive(w io.Writer) (err error) {
	zip := gzip.NewWriter(w)
	t := tar.NewWriter(zip)
	defer func() { err = errors.Join(err, t.Close(), zip.Close()) }()
	list := []string{filepath.Join(k.folder, bundle.RunFile), filepath.Join(k.folder, bundle.FiguresFile)}
	more, err := filepath.Glob(k.path("*"))
	if err != nil {
		return err
	}
	for _, path := range append(list, more...) {
		if err := addFile(t, path); err != nil {
			return err
		}
	}
	return nil
}

// mostOfAFile limits how much of the end of a file is archived, because a log can be endless.
const mostOfAFile = 4 << 20

func addFile(t *tar.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil // it does not exist yet
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	size := min(info.Size(), mostOfAFile)
	content := make([]byte, size)
	n, err := f.ReadAt(content, info.Size()-size)
	if err != nil && err != io.EOF {
		return err
	}
	h := &tar.Header{Name: "results/" + filepath.Base(path), Mode: 0o644, Size: int64(n), ModTime: info.ModTime()}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = t.Write(content[:n])
	return err
}

// host describes the machine apart from its GPU.
func host() (cpu string, threads int, kernel string) {
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(line, ":")
			switch strings.TrimSpace(name) {
			case "processor":
				threads++
			case "model name":
				cpu = strings.TrimSpace(value)
			}
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = strings.TrimSpace(string(text))
	}
	return cpu, threads, kernel
}
