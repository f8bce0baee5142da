package files

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// left tracks the files that would be left behind if the process ended.
var left = leftovers{paths: map[string]struct{}{}}

type leftovers struct {
	mu        sync.Mutex
	paths     map[string]struct{}
	written   []string // names of the files that have been committed
	abandoned bool
}

var errAbandoned = errors.New("the process is ending")

// add calls make and records the path that it has made.
func (l *leftovers) add(path string, make func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.abandoned {
		return errAbandoned
	}
	err := make()
	if err == nil {
		l.paths[path] = struct{}{}
	}
	return err
}

// remove removes a path. It is not an error if the path does not exist.
func (l *leftovers) remove(path string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.paths, path)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Abandon removes all files of the process that have not been committed. It is for a process that is about to end: from then on
// nothing can be created or committed. It waits for a Commit that has begun, and returns the names of the committed files.
func Abandon() (written []string) {
	left.mu.Lock()
	defer left.mu.Unlock()
	left.abandoned = true
	for path := range left.paths {
		os.RemoveAll(path)
	}
	clear(left.paths)
	return slices.Clone(left.written)
}

// TempDir creates a private folder for temporary files, and returns it with a function that removes it.
func TempDir() (folder string, remove func() error, err error) {
	left.mu.Lock()
	defer left.mu.Unlock()
	if left.abandoned {
		return "", nil, errAbandoned
	}
	if folder, err = os.MkdirTemp("", "smoothl1-"); err != nil {
		return "", nil, err
	}
	left.paths[folder] = struct{}{}
	return folder, func() error {
		left.mu.Lock()
		defer left.mu.Unlock()
		delete(left.paths, folder)
		return os.RemoveAll(folder)
	}, nil
}
