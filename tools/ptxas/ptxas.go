// Package ptxas assembles the kernels with the tools of the CUDA toolkit and parses their output. ptxas and cuobjdump must be on the
// PATH.
package ptxas

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/tools/sass"
	"golang.org/x/sync/errgroup"
)

// A File is a PTX file, by its name.
type File struct{ Name, Text string }

// Files returns the PTX files of the kernels.
func Files() (files []File, err error) {
	for _, t := range kernels.DTypes() {
		for _, file := range []struct {
			name, text func(smoothl1.DType) (string, error)
		}{{kernels.File, kernels.PTX}, {kernels.RichFile, kernels.RichPTX}} {
			name, err := file.name(t)
			if err != nil {
				return nil, err
			}
			text, err := file.text(t)
			if err != nil {
				return nil, err
			}
			files = append(files, File{name, text})
		}
	}
	return files, nil
}

// Assemble assembles all PTX files for an architecture, such as "sm_90", and returns the output of "ptxas -v".
func Assemble(arch string) (log string, err error) {
	files, err := Files()
	if err != nil {
		return "", err
	}
	logs, err := each(arch, files, func(out, _ string) (string, error) { return out, nil })
	return strings.Join(logs, ""), err
}

// AssembleFor is Assemble for the texts as they are for a target.
func AssembleFor(arch string, target kernels.Target) (log string, err error) {
	files, err := Files()
	if err != nil {
		return "", err
	}
	for i := range files {
		files[i].Text = target.Text(files[i].Text)
	}
	logs, err := each(arch, files, func(out, _ string) (string, error) { return out, nil })
	return strings.Join(logs, ""), err
}

// Code assembles files, and also returns the machine code of each kernel. (For architectures before sm_70 it has another form.)
func Code(arch string, files []File) (log string, code map[string][]sass.Instruction, err error) {
	type assembled struct {
		log     string
		kernels map[string][]sass.Instruction
	}
	all, err := each(arch, files, func(out, cubin string) (assembled, error) {
		dump, err := exec.Command("cuobjdump", "-sass", cubin).Output()
		if err != nil {
			return assembled{}, fmt.Errorf("cuobjdump -sass: %w", err)
		}
		of, err := sass.Kernels(string(dump))
		return assembled{out, of}, err
	})
	code = map[string][]sass.Instruction{}
	for _, f := range all {
		log += f.log
		maps.Copy(code, f.kernels)
	}
	return log, code, err
}

// each assembles the files, as many at a time as there are processors, and returns what then makes of each, in their order.
func each[T any](arch string, files []File, then func(log, cubin string) (T, error)) ([]T, error) {
	dir, err := os.MkdirTemp("", "ptxas")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	results := make([]T, len(files))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range files {
		group.Go(func() error {
			cubin := filepath.Join(dir, f.Name+".cubin")
			log, err := assemble(arch, filepath.Join(dir, f.Name), f.Text, cubin)
			if err != nil {
				return err
			}
			results[i], err = then(log, cubin)
			return err
		})
	}
	return results, group.Wait()
}

func assemble(arch, file, text, cubin string) (log string, err error) {
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return "", err
	}
	out, err := exec.Command("ptxas", "-v", "-arch="+arch, file, "-o", cubin).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ptxas -arch=%s %s: %w\n%s", arch, filepath.Base(file), err, out)
	}
	return string(out), nil
}

// Entry is the output of "ptxas -v" for one kernel.
type Entry struct {
	Kernel    string
	Registers int
	Text      string
}

// Entries parses the output of "ptxas -v".
func Entries(log string) (list []Entry) {
	for _, m := range regexp.MustCompile(`Compiling entry function '(\w+)'(?s:.*?)Used (\d+) registers`).FindAllStringSubmatch(log, -1) {
		n, _ := strconv.Atoi(m[2]) // digits
		list = append(list, Entry{m[1], n, m[0]})
	}
	return list
}
