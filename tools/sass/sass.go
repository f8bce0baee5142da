// Package sass parses the machine code of NVIDIA's GPUs as cuobjdump prints it, as far as needed to find its loops.
package sass

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Kernels splits the output of "cuobjdump -sass" into the code of each kernel, by name.
func Kernels(dump string) (map[string][]Instruction, error) {
	kernels := map[string][]Instruction{}
	for _, part := range strings.Split(dump, "Function : ")[1:] {
		name, body, _ := strings.Cut(part, "\n")
		name = strings.TrimSpace(name)
		code, err := Parse(body)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		kernels[name] = code
	}
	return kernels, nil
}

// Instruction is an instruction with the indexes of those that may follow it.
type Instruction struct {
	Address  uint64
	Guard    string // the predicate that it depends on, P0 or !P0, or ""
	Op       string // with its modifiers: LDG.E.128
	Operands string
	Next     []int
}

var sassLine = regexp.MustCompile(`^\s*/\*([0-9a-f]{4,})\*/\s+(@!?U?P\w+\s+)?([A-Z0-9_.]+)([^;]*);`)

// Parse parses the code of a kernel as cuobjdump prints it.
func Parse(body string) ([]Instruction, error) {
	var code []Instruction
	var targets []string // of branches, by instruction
	at := map[uint64]int{}
	var conditional []bool
	for _, line := range bytes.Split([]byte(body), []byte("\n")) {
		m := sassLine.FindSubmatch(line)
		if m == nil {
			continue
		}
		address, err := strconv.ParseUint(string(m[1]), 16, 64)
		if err != nil {
			return nil, err
		}
		at[address] = len(code)
		op, operands := string(m[3]), strings.TrimSpace(string(m[4]))
		guard := strings.TrimPrefix(strings.TrimSpace(string(m[2])), "@")
		target := ""
		if strings.HasPrefix(op, "BRA") || strings.HasPrefix(op, "BRX") || strings.HasPrefix(op, "JMP") {
			target = operands[strings.LastIndex(operands, " ")+1:]
		}
		// A loop's end in code for sm_80: a call, if a condition holds, of what follows the jump back behind it. It does not return.
		if strings.HasPrefix(op, "CALL.REL") && guard != "" {
			target = operands
		}
		code = append(code, Instruction{Address: address, Guard: guard, Op: op, Operands: operands})
		targets = append(targets, target)
		conditional = append(conditional, len(m[2]) > 0 || strings.Contains(op, ".DIV") || strings.Contains(operands, "P"))
	}
	for i := range code {
		falls := true
		if t := targets[i]; t != "" {
			address, err := strconv.ParseUint(strings.TrimPrefix(t, "0x"), 16, 64)
			if err != nil {
				return nil, fmt.Errorf("%s branches to %q", code[i].Op, t)
			}
			to, ok := at[address]
			if !ok {
				return nil, fmt.Errorf("branch to %s, which is not an instruction", t)
			}
			code[i].Next = append(code[i].Next, to)
			falls = conditional[i]
		} else if !conditional[i] && (code[i].Op == "EXIT" || strings.HasPrefix(code[i].Op, "RET")) {
			falls = false
		}
		if falls && i+1 < len(code) {
			code[i].Next = append(code[i].Next, i+1)
		}
	}
	if len(code) == 0 {
		return nil, fmt.Errorf("no code")
	}
	return code, nil
}
