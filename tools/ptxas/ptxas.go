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

// Assemble assembles all PTX files for an architecture, such as "sm_90", and returns the output of "ptxas -v".
func Assemble(arch string) (log string, err error) {
	logs, err := each(arch, func(out, _ string) (string, error) { return out, nil })
	return strings.Join(logs, ""), err
}

// Code is like Assemble, and also returns the machine code of each kernel. (For architectures before sm_70 it has another form.)
func Code(arch string) (log string, code map[string][]sass.Instruction, err error) {
	type file struct {
		log     string
		kernels map[string][]sass.Instruction
	}
	files, err := each(arch, func(out, cubin string) (file, error) {
		dump, err := exec.Command("cuobjdump", "-sass", cubin).Output()
		if err != nil {
			return file{}, fmt.Errorf("cuobjdump -sass: %w", err)
		}
		of, err := sass.Kernels(string(dump))
		return file{out, of}, err
	})
	code = map[string][]sass.Instruction{}
	for _, f := range files {
		log += f.log
		maps.Copy(code, f.kernels)
	}
	return log, code, err
}

// each assembles the files, as many at a time as there are processors, and returns what then makes of each, in their order.
func each[T any](arch string, then func(log, cubin string) (T, error)) ([]T, error) {
	dir, err := os.MkdirTemp("", "ptxas")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	types := kernels.DTypes()
	results := make([]T, 2*len(types))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, t := range types {
		for j, file := range []struct {
			name, text func(smoothl1.DType) (string, error)
		}{{kernels.File, kernels.PTX}, {kernels.RichFile, kernels.RichPTX}} {
			group.Go(func() error {
				name, err := file.name(t)
				if err != nil {
					return err
				}
				text, err := file.text(t)
				if err != nil {
					return err
				}
				cubin := filepath.Join(dir, name+".cubin")
				log, err := assemble(arch, filepath.Join(dir, name), text, cubin)
				if err != nil {
					return err
				}
				results[2*i+j], err = then(log, cubin)
				return err
			})
		}
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
