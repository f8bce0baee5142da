// Command ptxcheck holds kernels/smoothl1.ptx to what a simulator cannot see:
//
//   - no float add, sub, mul or fma without a rounding, which ptxas would be free to fuse;
//   - ptxas assembles it for every architecture without a spill and without local memory;
//   - in sm_90's code, the body loop of every float32 kernel reads and writes global memory 16 bytes at a time and no less.
//
// usage: ptxcheck FILE.ptx        with ptxas and cuobjdump on the PATH
package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/tools/sass"
)

var architectures = []string{"sm_50", "sm_52", "sm_60", "sm_61", "sm_70", "sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90"}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: ptxcheck FILE.ptx")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "ptxcheck:", err)
		os.Exit(1)
	}
}

func run(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := checkRounding(string(text)); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ptxcheck")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cubin := filepath.Join(dir, "smoothl1.cubin")
	for _, arch := range architectures { // the last one's code is read below
		out, err := exec.Command("ptxas", "-v", "-arch="+arch, file, "-o", cubin).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ptxas -arch=%s: %w\n%s", arch, err, out)
		}
		if err := checkResources(arch, string(out)); err != nil {
			return err
		}
	}
	dump, err := exec.Command("cuobjdump", "-sass", cubin).Output()
	if err != nil {
		return fmt.Errorf("cuobjdump -sass: %w", err)
	}
	return checkLoops(string(dump))
}

// A rounding is the second word of the instruction: mul.rn.f32, fma.rn.f64.
var unrounded = regexp.MustCompile(`^(add|sub|mul|fma|mad|div)(\.(ftz|sat|approx|full))*\.f(16|32|64)\b`)

func checkRounding(ptx string) error {
	rounded := 0
	for i, line := range strings.Split(ptx, "\n") {
		instruction := strings.TrimSpace(line)
		if strings.HasPrefix(instruction, "@") {
			_, instruction, _ = strings.Cut(instruction, " ")
			instruction = strings.TrimSpace(instruction)
		}
		if unrounded.MatchString(instruction) {
			return fmt.Errorf("line %d has no rounding: %s", i+1, instruction)
		}
		if regexp.MustCompile(`^(add|sub|mul|div)\.rn\.f(32|64)\b`).MatchString(instruction) {
			rounded++
		}
		if strings.HasPrefix(instruction, "fma.") {
			return fmt.Errorf("line %d is fused: %s", i+1, instruction)
		}
	}
	if rounded == 0 {
		return fmt.Errorf("found no float arithmetic at all: has the PTX another form?")
	}
	fmt.Printf("rounding: %d float operations, each to nearest even, none fused\n", rounded)
	return nil
}

// checkResources reads what "ptxas -v" says of each kernel.
func checkResources(arch, log string) error {
	var registers []int
	for _, of := range regexp.MustCompile(`Compiling entry function '(\w+)'(?s:.*?)Used (\d+) registers`).FindAllStringSubmatch(log, -1) {
		for _, m := range regexp.MustCompile(`(\d+) bytes (stack frame|spill stores|spill loads|lmem)`).FindAllStringSubmatch(of[0], -1) {
			if m[1] != "0" {
				return fmt.Errorf("%s: %s has %s", arch, of[1], m[0])
			}
		}
		n, _ := strconv.Atoi(of[2]) // digits
		registers = append(registers, n)
	}
	if len(registers) != kernels.Entries {
		return fmt.Errorf("%s: ptxas spoke of %d kernels, want %d", arch, len(registers), kernels.Entries)
	}
	sort.Ints(registers)
	fmt.Printf("%s: %d kernels, %d to %d registers, no spill, no local memory\n", arch, len(registers), registers[0], registers[len(registers)-1])
	return nil
}

// checkLoops finds the body loop of each float32 kernel and what it reads and writes.
func checkLoops(dump string) error {
	kernelsFound := 0
	codes, err := sass.Kernels(dump)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(codes)) {
		if !strings.Contains(name, "_f32_") {
			continue
		}
		kernelsFound++
		code := codes[name]
		loops := 0
		for _, loop := range sass.Innermost(code) {
			counts := map[string]int{}
			for _, i := range loop {
				if op := code[i].Op; strings.HasPrefix(op, "LDG") || strings.HasPrefix(op, "STG") {
					counts[op]++
				}
			}
			if counts["LDG.E.128"] == 0 {
				continue // not a body loop
			}
			loops++
			for op, n := range counts {
				if !strings.Contains(op, ".128") {
					return fmt.Errorf("%s: the body loop has %d × %s", name, n, op)
				}
			}
			stores := counts["STG.E.128"]
			if writes := !strings.Contains(name, "_forward_f32"); writes != (stores > 0) {
				return fmt.Errorf("%s: the body loop has %d stores of 16 bytes", name, stores)
			}
			fmt.Printf("%s: body loop of %d instructions, %d loads and %d stores, all of 16 bytes\n", name, len(loop), counts["LDG.E.128"], stores)
		}
		if loops == 0 {
			return fmt.Errorf("%s: found no loop with 16-byte loads", name)
		}
	}
	if want := kernels.Entries / 2; kernelsFound != want {
		return fmt.Errorf("the code has %d float32 kernels, want %d", kernelsFound, want)
	}
	return nil
}
