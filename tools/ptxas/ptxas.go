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
	"strconv"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/tools/sass"
)

// Assemble assembles all PTX files for an architecture, such as "sm_90", and returns the output of "ptxas -v".
func Assemble(arch string) (log string, err error) {
	err = each(arch, func(out, _ string) error {
		log += out
		return nil
	})
	return log, err
}

// Code is like Assemble, and also returns the machine code of each kernel. (For architectures before sm_70 it has another form.)
func Code(arch string) (log string, code map[string][]sass.Instruction, err error) {
	code = map[string][]sass.Instruction{}
	err = each(arch, func(out, cubin string) error {
		log += out
		dump, err := exec.Command("cuobjdump", "-sass", cubin).Output()
		if err != nil {
			return fmt.Errorf("cuobjdump -sass: %w", err)
		}
		of, err := sass.Kernels(string(dump))
		maps.Copy(code, of)
		return err
	})
	return log, code, err
}

func each(arch string, then func(log, cubin string) error) error {
	dir, err := os.MkdirTemp("", "ptxas")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, t := range kernels.DTypes() {
		for _, file := range []struct {
			name, text func(smoothl1.DType) (string, error)
		}{{kernels.File, kernels.PTX}, {kernels.RichFile, kernels.RichPTX}} {
			name, err := file.name(t)
			if err != nil {
				return err
			}
			text, err := file.text(t)
			if err != nil {
				return err
			}
			if err := assemble(arch, filepath.Join(dir, name), text, then); err != nil {
				return err
			}
		}
	}
	return nil
}

func assemble(arch, file, text string, then func(log, cubin string) error) error {
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	out, err := exec.Command("ptxas", "-v", "-arch="+arch, file, "-o", file+".cubin").CombinedOutput()
	if err != nil {
		return fmt.Errorf("ptxas -arch=%s %s: %w\n%s", arch, filepath.Base(file), err, out)
	}
	return then(string(out), file+".cubin")
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
