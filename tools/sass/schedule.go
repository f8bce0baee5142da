package sass

import (
	"regexp"
	"strconv"
	"strings"
)

// A Timing says how long a lone warp waits: by class, for the result of an instruction, and until the units take the next one.
type Timing struct {
	Latency, Interval [Classes]float64
	Load              float64 // for the result of a load from global memory
}

// Schedule returns the cycle in which a warp that runs alone has issued the last one of the instructions. It issues them in order, at most
// one a cycle, each when the registers and predicates that it reads are there and the units of its class are free.
func Schedule(code []Instruction, indexes []int, t Timing) float64 {
	ready := map[string]float64{}
	var free [Classes]float64
	cycle := 0.0
	for _, i := range indexes {
		in := code[i]
		class := in.Class()
		writes, reads := in.registers()
		at := max(cycle, free[class])
		for _, r := range reads {
			at = max(at, ready[r])
		}
		free[class] = at + t.Interval[class]
		cycle = at + 1
		latency := t.Latency[class]
		if strings.HasPrefix(in.Op, "LDG") || strings.HasPrefix(in.Op, "ATOMG") {
			latency = t.Load
		}
		for _, r := range writes {
			ready[r] = at + latency
		}
	}
	return cycle
}

var register = regexp.MustCompile(`\b(U?[RP])(\d+)\b(\.64)?`)

// registers returns the registers and predicates that an instruction writes and reads. It writes its first operand, and predicates that
// stand before its second one; a store writes nothing.
func (in Instruction) registers() (writes, reads []string) {
	if in.Guard != "" {
		reads = append(reads, strings.TrimPrefix(in.Guard, "!"))
	}
	operands := strings.Split(in.Operands, ",")
	op, _, _ := strings.Cut(in.Op, ".")
	store := strings.HasPrefix(op, "ST") || op == "RED" || in.Class() == Other
	for k, operand := range operands {
		for _, m := range register.FindAllStringSubmatch(operand, -1) {
			first, _ := strconv.Atoi(m[2]) // digits
			written := !store && (k == 0 || k <= 2 && strings.HasSuffix(m[1], "P") && strings.HasSuffix(op, "SETP"))
			for r := range in.width(op, m[1], m[3] != "", written || store && k > 0) {
				name := m[1] + strconv.Itoa(first+r)
				if written {
					writes = append(writes, name)
				} else {
					reads = append(reads, name)
				}
			}
		}
	}
	return writes, reads
}

// width returns the number of registers that an operand names by its first one; data means the result, or what a store writes.
func (in Instruction) width(op, kind string, address64, data bool) int {
	switch {
	case strings.HasSuffix(kind, "P"):
		return 1
	case address64:
		return 2
	case data && strings.Contains(in.Op, ".128"):
		return 4
	case data && (strings.Contains(in.Op, ".64") || strings.Contains(in.Op, ".WIDE") || op == "CS2R"):
		return 2
	case data && strings.HasPrefix(in.Op, "F2F.F64"), classes[op] == FP64 && kind == "R":
		return 2
	}
	return 1
}
