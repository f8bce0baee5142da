package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// writeFile gives a file this content, whole or not at all: it is written beside its place under another name and then
// takes it, and the permissions of a file that was there.
func writeFile(ctx context.Context, path string, content []byte) (err error) {
	place, mode, err := placeOf(path)
	if err != nil {
		return err
	}
	temporary := filepath.Join(filepath.Dir(place), fmt.Sprintf(".smoothl1-%016x.tmp", rand.Uint64()))
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, bare(err))
	}
	_, err = f.Write(content)
	if err == nil && mode != 0 {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close(), ctx.Err())
	if err == nil {
		err = os.Rename(temporary, place)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, bare(err)), os.Remove(temporary))
	}
	return nil
}

// placeOf follows symbolic links, and refuses what is there and is not a file that may be written.
func placeOf(path string) (place string, mode fs.FileMode, err error) {
	place = path
	if followed, err := filepath.EvalSymlinks(path); err == nil {
		place = followed
	}
	info, err := os.Stat(place)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return place, 0, nil
	case err != nil:
		return "", 0, fmt.Errorf("write %s: %w", path, bare(err))
	case info.IsDir():
		return "", 0, fmt.Errorf("write %s: is a folder: give the name of a file", path)
	case !info.Mode().IsRegular():
		return "", 0, fmt.Errorf("write %s: is no regular file (%v): give the name of a file", path, info.Mode().Type())
	}
	f, err := os.OpenFile(place, os.O_WRONLY, 0) // replacing it needs no permission, which would lose a protected file
	if err != nil {
		return "", 0, fmt.Errorf("write %s: %w", path, bare(err))
	}
	return place, info.Mode().Perm(), f.Close()
}

// bare strips call and path from an error of the system.
func bare(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	if e := (*os.LinkError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
