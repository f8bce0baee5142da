// Command ptxcheck checks properties of the kernels' PTX that a simulator cannot see:
//
//   - every float add, sub, mul and fma has a rounding modifier, without which ptxas may fuse it;
//   - ptxas assembles it for every architecture without spills or local memory, but for a few bytes before sm_70;
//   - it gives a kernel nearly as many registers in the text for each target of kernels.Targets;
//   - in the code for sm_90, the body loop of every float32 kernel accesses global memory only 16 bytes at a time.
//
// usage: ptxcheck [sm_NN ...]        with ptxas and cuobjdump on the PATH; other architectures than those that ptxas 11.8 knows
package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/tools/ptxas"
	"github.com/smoothl1/smoothl1/tools/sass"
)

// The architectures unless others are chosen.
var architectures = []string{"sm_50", "sm_52", "sm_60", "sm_61", "sm_70", "sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90"}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ptxcheck:", err)
		os.Exit(1)
	}
}

func run(chosen []string) error {
	for _, t := range kernels.DTypes() {
		for _, of := range []func(smoothl1.DType) (string, error){kernels.PTX, kernels.RichPTX} {
			text, err := of(t)
			if err != nil {
				return err
			}
			if err := checkRounding(text); err != nil {
				return fmt.Errorf("%v: %w", t, err)
			}
		}
	}
	if len(chosen) == 0 {
		chosen = architectures
	}
	for _, arch := range chosen {
		if err := checkArchitecture(arch); err != nil {
			return err
		}
	}
	files, err := ptxas.Files()
	if err != nil {
		return err
	}
	_, code, err := ptxas.Code("sm_90", files)
	if err != nil {
		return err
	}
	return checkLoops(code)
}

// checkArchitecture assembles the texts for an architecture, for every target that it can run.
func checkArchitecture(arch string) error {
	var capability int
	if _, err := fmt.Sscanf(arch, "sm_%d", &capability); err != nil {
		return fmt.Errorf("%q is no architecture: %w", arch, err)
	}
	registers := map[string]int{}
	for _, target := range kernels.Targets() {
		if !target.RunsOn(capability/10, capability%10) {
			continue
		}
		log, err := ptxas.AssembleFor(arch, target)
		if err != nil {
			return err
		}
		if err := checkResources(fmt.Sprintf("%s, text for %v", arch, target), log); err != nil {
			return err
		}
		const unit = 8 // in which registers are allocated to a thread
		for _, e := range ptxas.Entries(log) {
			if n, ok := registers[e.Kernel]; ok && max(n, e.Registers) > min(n, e.Registers)+unit {
				return fmt.Errorf("%s: %s has %d registers in the text for %v, and %d in that for another target", arch, e.Kernel, e.Registers, target, n)
			}
			registers[e.Kernel] = e.Registers
		}
	}
	return nil
}

// The rounding modifier is the second word of an instruction: mul.rn.f32, fma.rn.f64.
var unrounded = regexp.MustCompile(`^(add|sub|mul|fma|mad|div)(\.(ftz|sat|approx|full))*\.f(16|32|64)\b`)

var (
	entry = regexp.MustCompile(`^\.visible \.entry (\w+)\(`)
	// corrects are the kernels that compute quotients by fused operations.
	corrects = regexp.MustCompile(`^smoothl1_(forward_terms|forward|backward|forward_backward)_(f32|f16|bf16)_div$`)
)

func checkRounding(ptx string) error {
	rounded, fused := 0, 0
	kernel := ""
	for i, line := range strings.Split(ptx, "\n") {
		if m := entry.FindStringSubmatch(line); m != nil {
			kernel = m[1]
		}
		instruction := strings.TrimSpace(line)
		if strings.HasPrefix(instruction, "@") {
			_, instruction, _ = strings.Cut(instruction, " ")
			instruction = strings.TrimSpace(instruction)
		}
		if unrounded.MatchString(instruction) {
			return fmt.Errorf("line %d has no rounding modifier: %s", i+1, instruction)
		}
		if regexp.MustCompile(`^(add|sub|mul|div)\.rn\.f(32|64)\b`).MatchString(instruction) {
			rounded++
		}
		if strings.HasPrefix(instruction, "fma.") {
			if !strings.HasPrefix(instruction, "fma.rn.f32") || !corrects.MatchString(kernel) {
				return fmt.Errorf("line %d, %s, is fused: %s", i+1, kernel, instruction)
			}
			fused++
		}
	}
	if rounded == 0 {
		return fmt.Errorf("found no float arithmetic at all: has the form of the PTX changed?")
	}
	fmt.Printf("rounding: %d float operations, each to nearest even; %d fused, all in kernels that correct quotients\n", rounded, fused)
	return nil
}

// earlySpill is the largest number of bytes that a kernel may spill on the architectures before sm_70, for which ptxas uses more registers:
// there two or three kernels of float32 do not fit into the 128 registers that leave room for two blocks.
const earlySpill = 64

// checkResources checks the output of "ptxas -v" for each kernel.
func checkResources(arch, log string) error {
	var registers []int
	allowed := 0
	if strings.HasPrefix(arch, "sm_5") || strings.HasPrefix(arch, "sm_6") {
		allowed = earlySpill
	}
	spilling := map[string]bool{}
	for _, e := range ptxas.Entries(log) {
		for _, m := range regexp.MustCompile(`(\d+) bytes (stack frame|spill stores|spill loads|lmem)`).FindAllStringSubmatch(e.Text, -1) {
			bytes, _ := strconv.Atoi(m[1]) // digits
			if bytes > allowed {
				return fmt.Errorf("%s: %s has %s", arch, e.Kernel, m[0])
			}
			if bytes > 0 {
				spilling[e.Kernel] = true
			}
		}
		registers = append(registers, e.Registers)
	}
	if want := len(kernels.All()); len(registers) != want {
		return fmt.Errorf("%s: ptxas reported %d kernels, want %d", arch, len(registers), want)
	}
	sort.Ints(registers)
	fmt.Printf("%s: %d kernels, %d to %d registers, %d that spill a few bytes\n", arch, len(registers), registers[0], registers[len(registers)-1], len(spilling))
	return nil
}

// checkLoops checks the memory accesses in the body loop of each float32 kernel.
func checkLoops(code map[string][]sass.Instruction) error {
	for _, v := range kernels.Of(smoothl1.Float32) {
		if err := checkBody(v, code[v.Name()]); err != nil {
			return fmt.Errorf("%s: %w", v.Name(), err)
		}
	}
	return nil
}

func checkBody(v kernels.Variant, code []sass.Instruction) error {
	if len(code) == 0 {
		return errors.New("is not in the code")
	}
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
				return fmt.Errorf("the body loop has %d × %s", n, op)
			}
		}
		stores := counts["STG.E.128"]
		if writes := v.Pass != kernels.Forward; writes != (stores > 0) {
			return fmt.Errorf("the body loop has %d stores of 16 bytes", stores)
		}
		fmt.Printf("%s: body loop of %d instructions, %d loads and %d stores, all of 16 bytes\n", v.Name(), len(loop), counts["LDG.E.128"], stores)
	}
	if loops == 0 {
		return errors.New("found no loop with 16-byte loads")
	}
	return nil
}
