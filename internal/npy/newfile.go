package npy

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// newFile is a file that is written under another name and then takes the place of path.
type newFile struct {
	*os.File
	path   string // absolute, no symbolic link
	closed bool
}

// createFile opens a new file beside the one that path leads to, and finds out early what would only show at the end.
func createFile(path string) (*newFile, error) {
	path, mode, err := target(path)
	if err != nil {
		return nil, err
	}
	for range 100 { // os.CreateTemp would leave the file to its owner alone, whatever the umask
		name := fmt.Sprintf(".npy-%08x.tmp", rand.Uint32())
		f, err := os.OpenFile(filepath.Join(filepath.Dir(path), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		n := &newFile{File: f, path: path}
		if err := n.permit(mode); err != nil {
			return nil, also(err, n.discard())
		}
		return n, nil
	}
	return nil, errors.New("the folder is full of .npy-*.tmp files")
}

// target follows path to the file that is to be replaced, if there is one; mode is its permissions, or 0.
func target(path string) (resolved string, mode fs.FileMode, err error) {
	if path == "" || os.IsPathSeparator(path[len(path)-1]) {
		return "", 0, errors.New("not the name of a file")
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", 0, err
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", 0, err
	}
	path = filepath.Join(folder, filepath.Base(path))
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, 0, nil
	}
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			info, err = os.Lstat(path)
		}
	}
	if err != nil {
		return "", 0, err
	}
	if err := checkRegular(path, info); err != nil {
		return "", 0, errors.New(err.(*FormatError).Reason)
	}
	// Replacing needs no permission of the file itself, so a write-protected one would be lost.
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return "", 0, err
	}
	return path, info.Mode().Perm(), f.Close()
}

// permit gives the file these permissions, unless it has them: not every file system can change them. 0 leaves them alone.
func (n *newFile) permit(mode fs.FileMode) error {
	if mode == 0 {
		return nil
	}
	info, err := n.Stat()
	if err == nil && info.Mode().Perm() != mode {
		err = n.Chmod(mode)
	}
	return err
}

// finish brings the file to the disk and closes it.
func (n *newFile) finish() error {
	err := n.Sync()
	n.closed = true
	return also(err, n.Close())
}

// replace gives the finished file its place.
func (n *newFile) replace() error {
	if err := os.Rename(n.Name(), n.path); err != nil {
		return err
	}
	// The new name reaches the disk with the folder; where a folder can't be synced, as on Windows, the system sees to that.
	if dir, err := os.Open(filepath.Dir(n.path)); err == nil {
		dir.Sync()
		dir.Close()
	}
	return nil
}

// discard removes the file.
func (n *newFile) discard() error {
	if !n.closed {
		n.closed = true
		n.Close()
	}
	if err := os.Remove(n.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("its temporary file %s is still there: %w", n.Name(), systemError(err))
	}
	return nil
}
