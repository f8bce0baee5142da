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

	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/tools/sass"
)

// Assemble assembles the PTX files of all element types for an architecture, such as "sm_90", and returns the output of "ptxas -v".
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
		name, err := kernels.File(t)
		if err != nil {
			return err
		}
		text, err := kernels.PTX(t)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
		out, err := exec.Command("ptxas", "-v", "-arch="+arch, file, "-o", file+".cubin").CombinedOutput()
		if err != nil {
			return fmt.Errorf("ptxas -arch=%s %s: %w\n%s", arch, name, err, out)
		}
		if err := then(string(out), file+".cubin"); err != nil {
			return err
		}
	}
	return nil
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
