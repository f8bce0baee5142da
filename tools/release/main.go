// Command release packs the last commit as a module proxy: this module and those beside it that users import, at the version with which
// they require each other, as a proxy would pack them once that version is tagged. scripts/release-check.sh fetches them from it.
//
// usage: cd tools && go run ./release FOLDER MODULE...
//
// A MODULE is a folder at the top of the repository, such as gorgonia.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const root = "github.com/smoothl1/smoothl1"

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: release FOLDER MODULE...")
		os.Exit(2)
	}
	if err := pack(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// pack writes the root module and the given ones to folder.
func pack(folder string, names []string) error {
	top, err := git("rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	repository := strings.TrimSpace(string(top))
	version := ""
	for _, name := range names {
		required, err := requirement(name)
		if err != nil {
			return err
		}
		if version != "" && required != version {
			return fmt.Errorf("%s/go.mod requires %s %s, and %s/go.mod %s", name, root, required, names[0], version)
		}
		version = required
	}
	for _, name := range append([]string{""}, names...) {
		if err := packOne(filepath.Join(folder, filepath.FromSlash(root), name, "@v"), repository, name, version); err != nil {
			return err
		}
	}
	return nil
}

// requirement returns the version of the root module that a module requires. What users fetch has no replacement for it.
func requirement(name string) (string, error) {
	text, err := git("show", "HEAD:"+name+"/go.mod")
	if err != nil {
		return "", err
	}
	file, err := modfile.Parse(name+"/go.mod", text, nil)
	if err != nil {
		return "", err
	}
	if len(file.Replace) > 0 {
		return "", fmt.Errorf("%s/go.mod replaces %s: a replacement has no effect for those who import the module", name, file.Replace[0].Old.Path)
	}
	for _, r := range file.Require {
		if r.Mod.Path == root {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s/go.mod does not require %s", name, root)
}

// packOne writes the files of one version of a module, as "go help goproxy" describes them.
func packOne(folder, repository, name, version string) error {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	mod, path := "go.mod", root
	if name != "" {
		mod, path = name+"/go.mod", root+"/"+name
	}
	text, err := git("show", "HEAD:"+mod)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := zip.CreateFromVCS(&archive, module.Version{Path: path, Version: version}, repository, "HEAD", name); err != nil {
		return err
	}
	info := fmt.Appendf(nil, `{"Version":%q,"Time":%q}`, version, time.Unix(0, 0).UTC().Format(time.RFC3339))
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "list"), []byte(version+"\n"), 0o666),
		os.WriteFile(filepath.Join(folder, version+".info"), info, 0o666),
		os.WriteFile(filepath.Join(folder, version+".mod"), text, 0o666),
		os.WriteFile(filepath.Join(folder, version+".zip"), archive.Bytes(), 0o666))
}

func git(args ...string) ([]byte, error) {
	c := exec.Command("git", args...)
	c.Dir = ".." // the top, from where this command is run
	var complaint strings.Builder
	c.Stderr = io.Writer(&complaint)
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return out, nil
}
