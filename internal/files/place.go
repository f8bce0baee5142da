// Package files resolves the file names of a command line, and writes to them.
//
// A regular file is replaced as a whole once everything has been written. Anything else, such as a pipe or a device, and every
// descriptor that the process has inherited, given as "-", /dev/stdout or /dev/fd/3, is written to directly at its position.
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

// Place is the file that a name refers to. The zero Place refers to none.
type Place struct {
	name       string
	descriptor int         // inherited descriptor; -1 if the place is a path
	info       os.FileInfo // nil if nothing exists there yet
	path       string      // absolute, without symbolic links
}

// Input resolves the name of an input; "-" is the standard input.
func Input(name string) (Place, error) { return find("read", name, 0) }

// Output resolves the name of an output; "-" is the standard output. It follows symbolic links, even to a file that does not
// exist yet.
func Output(name string) (Place, error) { return find("write", name, 1) }

// String returns the name, or "standard input" or "standard output" for "-".
func (p Place) String() string {
	switch {
	case p.name == "-" && p.descriptor == 0:
		return "standard input"
	case p.name == "-":
		return "standard output"
	}
	return p.name
}

// Descriptor returns the place's descriptor, and whether it is one.
func (p Place) Descriptor() (int, bool) { return p.descriptor, p.info != nil && p.descriptor >= 0 }

// Streamed reports whether the place is read or written directly and sequentially.
func (p Place) Streamed() bool { return p.info != nil && (p.descriptor >= 0 || !p.Regular()) }

// Regular reports whether a regular file is there.
func (p Place) Regular() bool { return p.info != nil && p.info.Mode().IsRegular() }

// Same reports whether two places are the same file or descriptor. Two paths to one device are not, so that /dev/null can be used
// for several files.
func (p Place) Same(q Place) bool {
	switch {
	case p.info == nil || q.info == nil:
		return p.info == nil && q.info == nil && p.path == q.path && p.path != ""
	case p.descriptor >= 0 && p.descriptor == q.descriptor:
		return true
	}
	return p.info.Mode()&fs.ModeDevice == 0 && os.SameFile(p.info, q.info)
}

// find resolves a name. Its errors say what was to be done and the name.
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
			return Place{}, errors.New("a file that another process has open: give the file's own name")
		}
		return Place{path: path, descriptor: -1, info: info}, nil
	}
	return Place{}, errors.New("too many symbolic links")
}

// openPlace returns the place of a descriptor.
func openPlace(n int) (Place, error) {
	f, done, err := descriptor(n)
	if err != nil {
		return Place{}, err
	}
	defer done()
	info, err := f.Stat()
	return Place{descriptor: n, info: info}, err
}

// owner is the process whose descriptor a path refers to.
type owner int

const (
	nobodys owner = iota // the path is not a descriptor
	ours
	anothers
)

// descriptorAt returns the descriptor that a name in a folder, which has no symbolic links, refers to: /dev/fd/3 or, on Linux,
// /proc/77/fd/3. Such a name stands for the open file and its position, not for the path that it links to.
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

// bare strips what os adds to an error: the operation and a name, which may be one that the user never gave.
func bare(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	if e := (*os.LinkError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
