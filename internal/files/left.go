package files

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// left is what would be left behind if the process ended now.
var left = leftovers{paths: map[string]struct{}{}}

type leftovers struct {
	mu        sync.Mutex
	paths     map[string]struct{}
	written   []string // names of the files that have been committed
	abandoned bool
}

var errAbandoned = errors.New("the process is ending")

// add notes down a path that make makes.
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

// remove removes a path; that it is gone is no error.
func (l *leftovers) remove(path string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.paths, path)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Abandon removes what has not been committed, whoever is writing it, when the process is about to end. Nothing can be created
// or committed from then on; a Commit that has begun comes first. It returns the names of the files that were committed.
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

// TempDir makes a folder for files that nobody else is to see, and returns it with what removes it.
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
