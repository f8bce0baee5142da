package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
)

// unique returns a name that no other run has.
func unique() string { return rand.Text() }

// prepare makes a temporary folder, and remembers what has to be removed at the end: that folder, the record, and what a failed run
// leaves of its outputs.
func (j *job) prepare(ctx context.Context) (folder, record string, err error) {
	before := j.temporary(ctx)
	ctx = context.WithoutCancel(ctx)
	j.mu.Lock()
	defer j.mu.Unlock()
	folder, err = os.MkdirTemp("", "smoothl1-beam-")
	if err != nil {
		return "", "", err
	}
	staging := j.staging
	if staging == "" {
		staging = folder
	}
	record = strings.TrimSuffix(staging, "/") + "/smoothl1-beam-" + unique() + ".result"
	j.started = true
	j.leftover = func() {
		remove(ctx, record)
		for _, name := range j.temporary(ctx) {
			if !slices.Contains(before, name) {
				remove(ctx, name)
			}
		}
		os.RemoveAll(folder) // last: after a signal, a pipeline that is beginning may still need it
	}
	return folder, record, nil
}

// redirect sets the folder of temporary files, for Beam leaves one behind for each pipeline whose workers are in this process, and returns
// a function that sets it back.
func redirect(folder string) (back func()) {
	name := "TMPDIR"
	if runtime.GOOS == "windows" {
		name = "TMP"
	}
	old, set := os.LookupEnv(name)
	os.Setenv(name, folder)
	return func() {
		os.Unsetenv(name)
		if set {
			os.Setenv(name, old)
		}
	}
}

// temporary lists the temporary files beside the outputs.
func (j *job) temporary(ctx context.Context) []string {
	if j.out == "" {
		return nil
	}
	base := j.out
	if j.rows {
		base = j.prefix()
	}
	pattern := special.ReplaceAllString(base, `\$0`) + ".*.tmp"
	return slices.DeleteFunc(list(ctx, pattern), func(name string) bool { // those of outputs whose names begin with this one's
		m := ours.FindStringSubmatch(path.Base(name))
		return m == nil || m[1] != path.Base(base)
	})
}

var (
	ours    = regexp.MustCompile(`^(.*)\.[A-Z2-7]{26}\.tmp$`) // with a text of crypto/rand
	special = regexp.MustCompile(`[*?\[\\]`)                  // what a pattern must quote
)

// remove removes a file, if there is one and its file system can.
func remove(ctx context.Context, name string) {
	system, err := filesystem.New(ctx, name)
	if err != nil {
		return
	}
	defer system.Close()
	if r, ok := system.(filesystem.Remover); ok {
		_ = r.Remove(ctx, name)
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
	return "interrupted; nothing half written remains"
}

// replace writes a file under a temporary name and renames it.
func replace(ctx context.Context, name string, content []byte) error {
	temporary := name + "." + unique() + ".tmp"
	if err := save(ctx, temporary, content); err != nil {
		remove(ctx, temporary)
		return err
	}
	system, err := filesystem.New(ctx, name)
	if err == nil {
		defer system.Close()
		err = filesystem.Rename(ctx, system, temporary, name)
	}
	if e := (*os.LinkError)(nil); errors.As(err, &e) {
		err = e.Err // without the temporary name
	}
	if err != nil {
		remove(ctx, temporary)
		return fmt.Errorf("evaluate: write %s: %w", name, err)
	}
	return nil
}
