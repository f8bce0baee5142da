package op

import (
	"math/bits"
)

// A Role is the role of an array in an operation.
type Role uint8

// The roles. A new array needs a role here, a row in operands, and a field in cpu.Args and gpu.Args that checkAll and check put into a Call
// and that cpu's short check, plain, does not accept.
const (
	RolePred Role = iota
	RoleTarget
	RoleUpstream // an elementwise upstream gradient
	RoleTerms
	RoleGradPred
	RoleGradTarget
	RoleChunkSums
	Roles = iota
)

// operand describes the array of a role.
type operand struct {
	name    string // as in errors
	output  bool
	inPlace bool      // an output that may be the same array as an input
	uses    Set[Pass] // the passes that use it
	needs   Set[Pass] // the passes that require it; for gradients see the variable of that name
}

var operands = [Roles]operand{
	RolePred:       {name: "pred", uses: every, needs: every},
	RoleTarget:     {name: "target", uses: every, needs: every},
	RoleUpstream:   {name: "upstream", uses: differentiating},
	RoleTerms:      {name: "terms", output: true, inPlace: true, uses: SetOf(Terms), needs: SetOf(Terms)},
	RoleGradPred:   {name: "gradPred", output: true, inPlace: true, uses: differentiating},
	RoleGradTarget: {name: "gradTarget", output: true, inPlace: true, uses: differentiating},
	RoleChunkSums:  {name: "chunkSums", output: true, uses: SetOf(Forward, ForwardBackward)},
}

const (
	every           Set[Pass] = 1<<Passes - 1
	differentiating Set[Pass] = 1<<Backward | 1<<ForwardBackward
)

// gradients are the outputs of which a pass that differentiates requires at least one.
const gradients Set[Role] = 1<<RoleGradPred | 1<<RoleGradTarget

// String returns the name of the role's field of Args with a lower-case initial, such as "gradPred".
func (r Role) String() string { return operands[r].name }

// IsOutput reports whether operations write the array.
func (r Role) IsOutput() bool { return operands[r].output }

// InPlace reports whether the array is an output that may be the same array as an input.
func (r Role) InPlace() bool { return operands[r].inPlace }

// UsedBy reports whether the pass reads or writes the array.
func (r Role) UsedBy(p Pass) bool { return operands[r].uses.Has(p) }

// lenFor returns the length that the array must have if pred has length n.
func (r Role) lenFor(n int) int {
	if r == RoleChunkSums { // not in the table, so that the compiler can fold it for a constant role
		return Chunks(n)
	}
	return n
}

// size returns the size of an element in bytes, given that of an element of pred.
func (r Role) size(pred int) int {
	if r == RoleChunkSums {
		return 8
	}
	return pred
}

// A Set is a set of roles or of passes.
type Set[E Role | Pass] uint32

// SetOf returns the set of the members.
func SetOf[E Role | Pass](members ...E) (s Set[E]) {
	for _, m := range members {
		s |= 1 << m
	}
	return s
}

// Has reports whether e is in the set.
func (s Set[E]) Has(e E) bool { return s>>e&1 != 0 }

// first returns the lowest member of a set, which must not be empty.
func (s Set[E]) first() E { return E(bits.TrailingZeros32(uint32(s))) }

// Sets of roles, by pass and overall, derived from operands.
var (
	used, needed     [Passes]Set[Role]
	outputs, inPlace Set[Role]
)

func init() {
	for r := range Role(Roles) {
		for p := range Pass(Passes) {
			if operands[r].uses.Has(p) {
				used[p] |= SetOf(r)
			}
			if operands[r].needs.Has(p) {
				needed[p] |= SetOf(r)
			}
		}
		if operands[r].output {
			outputs |= SetOf(r)
		}
		if operands[r].inPlace {
			inPlace |= SetOf(r)
		}
	}
}
