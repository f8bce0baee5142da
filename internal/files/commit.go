package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Commit completes outputs together. No file takes its place before all of them, and the streams, are complete and on the
// disk; and where one cannot take its place, what stood in the places of the others is put back there. Where that is not
// possible either, the error says which were written. On an error all that is left of the new files is removed.
func Commit(all ...*File) (err error) {
	defer func() {
		for _, f := range all {
			if err != nil && !f.done {
				err = also(err, f.Close())
			}
		}
	}()
	taken := map[string]bool{}
	for _, f := range all {
		if f.path != "" && taken[f.path] {
			return f.error(errors.New("two outputs go to this file"))
		}
		taken[f.path] = true
		if err := f.finish(); err != nil {
			return f.error(err)
		}
	}
	left.mu.Lock()
	defer left.mu.Unlock()
	if left.abandoned {
		return errAbandoned
	}
	return place(all)
}

// change is the replacing of one file.
type change struct {
	*File
	old     string // another name of what was there, as long as it may have to be put back; "" if it has none
	existed bool
}

var link = os.Link

// place gives finished files their places. left.mu is held.
func place(all []*File) error {
	var changes []*change
	for _, f := range all {
		if f.path != "" {
			changes = append(changes, &change{File: f})
		}
	}
	defer func() {
		for _, c := range changes {
			c.forget()
		}
	}()
	for _, c := range changes {
		if err := c.prepare(len(changes) > 1); err != nil {
			return c.error(err)
		}
	}
	for i, c := range changes {
		if err := os.Rename(c.temporary, c.path); err != nil {
			return also(c.error(err), putBack(changes[:i]))
		}
	}
	for _, c := range changes {
		left.written = append(left.written, c.name)
		delete(left.paths, c.temporary)
		// The new name reaches the disk with the folder; where a folder can't be synced, as on Windows, the system sees to that.
		if dir, err := os.Open(filepath.Dir(c.path)); err == nil {
			dir.Sync()
			dir.Close()
		}
	}
	for _, f := range all {
		f.done = true
	}
	return nil
}

// prepare refuses a place that is not free, and keeps what is there where it may have to be put back.
func (c *change) prepare(keep bool) error {
	info, err := os.Lstat(c.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("a folder has taken its place")
	}
	c.existed = true
	if !keep {
		return nil
	}
	old := strings.TrimSuffix(c.temporary, ".tmp") + "-old.tmp"
	if link(c.path, old) == nil { // not every file system has links
		c.old = old
		left.paths[old] = struct{}{}
	}
	return nil
}

// forget removes the name that was kept.
func (c *change) forget() {
	if c.old != "" {
		os.Remove(c.old)
		delete(left.paths, c.old)
	}
}

// putBack undoes changes; the error names those that cannot be undone.
func putBack(changes []*change) error {
	var stay []string
	for _, c := range changes {
		err := errors.ErrUnsupported
		switch {
		case c.old != "":
			err = os.Rename(c.old, c.path)
		case !c.existed:
			err = os.Remove(c.path)
		}
		if err != nil {
			stay = append(stay, c.name)
			left.written = append(left.written, c.name)
		}
	}
	if stay == nil {
		return nil
	}
	return fmt.Errorf("written all the same: %s", strings.Join(stay, ", "))
}
