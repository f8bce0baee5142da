package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Commit completes several outputs together. It renames no file into place before all files and streams are complete and on
// disk. If a rename fails, it restores the previous files at the places of the others; if that is impossible too, the error
// says which files were written. On error it removes the temporary files.
func Commit(all ...*File) (err error) {
	defer func() {
		for _, f := range all {
			if err != nil && !f.done {
				err = Also(err, f.Close())
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

// change is the replacement of one file.
type change struct {
	*File
	old     string // temporary link to the previous file, for putBack; "" if there is none
	existed bool
}

var link = os.Link

// place renames finished files into place. The caller holds left.mu.
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
			return Also(c.error(err), putBack(changes[:i]))
		}
	}
	for _, c := range changes {
		left.written = append(left.written, c.name)
		delete(left.paths, c.temporary)
		// Sync the folder too, so that the new name is on disk. Folders can't be synced on Windows, which needs no sync.
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

// prepare returns an error if the place cannot be written to. If keep, it links the previous file, so that putBack can restore it.
func (c *change) prepare(keep bool) error {
	info, err := os.Lstat(c.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("a folder is in its place")
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

// forget removes the link to the previous file.
func (c *change) forget() {
	if c.old != "" {
		os.Remove(c.old)
		delete(left.paths, c.old)
	}
}

// putBack undoes changes. Its error names those that cannot be undone.
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
	return fmt.Errorf("written nevertheless: %s", strings.Join(stay, ", "))
}
