package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
)

// unique returns a name that no other run has.
func unique() string { return rand.Text() }

// prepare remembers what has to be removed at the end: the record, the folder made for it, and what a failed run leaves of its outputs.
func (j *job) prepare(ctx context.Context, path string) {
	before := j.temporary(ctx)
	ctx = context.WithoutCancel(ctx)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.started = true
	j.leftover = func() {
		remove(ctx, path)
		if j.staging == "" {
			os.Remove(filepath.Dir(path))
		}
		for _, name := range j.temporary(ctx) {
			if !slices.Contains(before, name) {
				remove(ctx, name)
			}
		}
	}
}

// temporary lists the temporary files beside the outputs.
func (j *job) temporary(ctx context.Context) []string {
	if !j.rows {
		return nil
	}
	pattern := j.prefix() + ".*.tmp"
	system, err := filesystem.New(ctx, pattern)
	if err != nil {
		return nil // the pipeline reports it
	}
	defer system.Close()
	names, _ := system.List(ctx, pattern)
	return names
}

// remove removes a file, if there is one and its file system can.
func remove(ctx context.Context, path string) {
	system, err := filesystem.New(ctx, path)
	if err != nil {
		return
	}
	defer system.Close()
	if r, ok := system.(filesystem.Remover); ok {
		_ = r.Remove(ctx, path)
	}
}

// remains removes what the run leaves.
func (j *job) remains() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.leftover != nil {
		j.leftover()
		j.leftover = nil
	}
}

// interrupted returns the message of a run that a signal ended.
func (j *job) interrupted() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.started && !j.inProcess() {
		return "interrupted; a job that was submitted to " + j.runner() + " goes on"
	}
	return "interrupted; no file was written"
}

// replace writes a file under a temporary name and renames it.
func replace(ctx context.Context, path string, content []byte) error {
	temporary := path + "." + unique() + ".tmp"
	if err := save(ctx, temporary, content); err != nil {
		remove(ctx, temporary)
		return err
	}
	system, err := filesystem.New(ctx, path)
	if err == nil {
		defer system.Close()
		err = filesystem.Rename(ctx, system, temporary, path)
	}
	if err != nil {
		remove(ctx, temporary)
		return fmt.Errorf("evaluate: write %s: %w", path, err)
	}
	return nil
}
