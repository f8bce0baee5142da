// Package files finds what the names on a command line lead to, and writes there.
//
// A regular file is replaced, whole, when everything is written. What is no regular file, such as a pipe or a device, and what
// the process was given open, by "-" or as /dev/stdout or /dev/fd/3, is written to as it comes, where it stands.
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Place is what a name leads to. The zero Place leads nowhere.
type Place struct {
	name       string
	descriptor int         // that the process was given open; -1 where the place is a path
	info       os.FileInfo // nil: nothing is there yet
	path       string      // absolute, without symbolic links
}

// Input finds the place of an input; "-" is the standard input.
func Input(name string) (Place, error) { return find("read", name, 0) }

// Output finds the place of an output; "-" is the standard output. A symbolic link leads on, also to where nothing is yet.
func Output(name string) (Place, error) { return find("write", name, 1) }

// String returns the name, or in its place "standard input" or "standard output".
func (p Place) String() string {
	switch {
	case p.name == "-" && p.descriptor == 0:
		return "standard input"
	case p.name == "-":
		return "standard output"
	}
	return p.name
}

// Descriptor returns the descriptor that the place is, and whether it is one.
func (p Place) Descriptor() (int, bool) { return p.descriptor, p.info != nil && p.descriptor >= 0 }

// Streamed reports whether what is there is read or written as it comes.
func (p Place) Streamed() bool { return p.info != nil && (p.descriptor >= 0 || !p.Regular()) }

// Regular reports whether a regular file is there.
func (p Place) Regular() bool { return p.info != nil && p.info.Mode().IsRegular() }

// Same reports whether two places are one. A device, such as /dev/null, is as many as it is named.
func (p Place) Same(q Place) bool {
	switch {
	case p.info == nil || q.info == nil:
		return p.info == nil && q.info == nil && p.path == q.path && p.path != ""
	case p.descriptor >= 0 && p.descriptor == q.descriptor:
		return true
	}
	return p.info.Mode()&fs.ModeDevice == 0 && os.SameFile(p.info, q.info)
}

// find follows a name to its place.
func find(do, name string, dash int) (Place, error) {
	p, err := follow(name, dash)
	if err != nil {
		return Place{}, fmt.Errorf("%s %s: %w", do, quoteEmpty(name), bare(err))
	}
	p.name = name
	return p, nil
}

func quoteEmpty(name string) string {
	if name == "" {
		return `""`
	}
	return name
}

var standard = map[string]int{"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}

func follow(name string, dash int) (Place, error) {
	if name == "-" {
		return openPlace(dash)
	}
	if name == "" || os.IsPathSeparator(name[len(name)-1]) {
		return Place{}, errors.New("not the name of a file")
	}
	const most = 40 // links, as on Linux
	path := name
	for range most {
		if n, ok := standard[path]; ok {
			return openPlace(n)
		}
		var err error
		if path, err = filepath.Abs(path); err != nil {
			return Place{}, err
		}
		folder, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return Place{}, err
		}
		path = filepath.Join(folder, filepath.Base(path))
		n, whose := descriptorAt(folder, filepath.Base(path))
		if whose == ours {
			return openPlace(n)
		}
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return Place{path: path, descriptor: -1}, nil
		}
		if err == nil && info.Mode()&fs.ModeSymlink != 0 && whose == nobodys {
			link, err := os.Readlink(path)
			if err != nil {
				return Place{}, err
			}
			if path = link; !filepath.IsAbs(link) {
				path = filepath.Join(folder, link)
			}
			continue
		}
		if err == nil {
			info, err = os.Stat(path)
		}
		switch {
		case err != nil:
			return Place{}, err
		case info.IsDir():
			return Place{}, errors.New("a folder, not a file")
		case whose == anothers && info.Mode().IsRegular():
			return Place{}, errors.New("a file that another process has open: give its own name")
		}
		return Place{path: path, descriptor: -1, info: info}, nil
	}
	return Place{}, errors.New("too many symbolic links")
}

// openPlace is the place of a descriptor.
func openPlace(n int) (Place, error) {
	f, done, err := descriptor(n)
	if err != nil {
		return Place{}, err
	}
	defer done()
	info, err := f.Stat()
	return Place{descriptor: n, info: info}, err
}

// owner says whose descriptor a path is.
type owner int

const (
	nobodys owner = iota // the path is none
	ours
	anothers
)

// descriptorAt says which descriptor the name in a folder without symbolic links is: /dev/fd/3 and, where Linux keeps them,
// /proc/77/fd/3. Behind such a name is not the path that it reads as, but what was opened, at the position where that is.
func descriptorAt(folder, name string) (n int, whose owner) {
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 {
		return 0, nobodys
	}
	if folder == "/dev/fd" {
		return n, ours
	}
	parts := strings.Split(folder, "/") // "", proc, 77, fd or "", proc, 77, task, 78, fd
	if len(parts) < 4 || parts[1] != "proc" || parts[len(parts)-1] != "fd" {
		return 0, nobodys
	}
	if self, err := os.Readlink("/proc/self"); err == nil && self == parts[2] {
		return n, ours
	}
	return n, anothers
}

// bare strips what os adds to an error: the call and a name, which may be one that the user never gave.
func bare(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	if e := (*os.LinkError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
