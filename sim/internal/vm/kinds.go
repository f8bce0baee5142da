package vm

import (
	"strings"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// kindOf returns the kind under which an instruction is counted.
func kindOf(in *ptx.Inst) string {
	switch in.Op {
	case "bra", "brx", "call", "ret", "exit", "trap", "nanosleep":
		return "branch"
	case "ld", "ldu":
		return "load"
	case "st":
		return "store"
	case "atom", "red":
		return "atomic"
	case "shfl", "vote", "match", "redux", "activemask":
		return "warp"
	case "bar", "barrier":
		return "barrier"
	case "membar", "fence":
		return "fence"
	case "setp", "set", "selp", "slct", "testp":
		return "compare"
	case "cvt":
		return "convert"
	case "mov", "cvta", "isspacep":
		return "move"
	case "prefetch", "prefetchu", "pmevent", "griddepcontrol":
		return "other"
	}
	for _, m := range in.Mods {
		switch t, _ := ptx.TypeNamed(m); {
		case t == ptx.F32:
			return "float32"
		case t == ptx.F64:
			return "float64"
		case half(t):
			return "half"
		}
	}
	if strings.Contains("and or xor not cnot lop3 shl shr shf bfe bfi prmt popc clz bfind brev fns szext bmsk", in.Op) {
		return "logic"
	}
	return "integer"
}
