package op

import (
	"math/bits"
)

// A Role is what an array is to an operation.
type Role uint8

// The roles. A new array is a role here, a row of operands below, and a field of cpu.Args and gpu.Args.
const (
	RolePred Role = iota
	RoleTarget
	RoleUpstream // the upstream gradient element by element
	RoleTerms
	RoleGradPred
	RoleGradTarget
	RoleChunkSums
	Roles = iota
)

// operand is what every operation holds about the array of a role.
type operand struct {
	name    string // as errors and Args spell it
	output  bool
	inPlace bool // an output that may be the very array of an input
	uses    Set[Pass]
	needs   Set[Pass] // the passes that it may not be absent from; gradients have a rule of their own
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

// gradients are the outputs of which a pass that differentiates needs one at least.
const gradients Set[Role] = 1<<RoleGradPred | 1<<RoleGradTarget

// String returns the name of the field of Args with a small letter: "gradPred".
func (r Role) String() string { return operands[r].name }

// IsOutput says whether an operation writes the array.
func (r Role) IsOutput() bool { return operands[r].output }

// InPlace says whether the array may be an output in the very place of an input.
func (r Role) InPlace() bool { return operands[r].inPlace }

// UsedBy says whether the pass reads or writes the array.
func (r Role) UsedBy(p Pass) bool { return operands[r].uses.Has(p) }

// lenFor returns the elements that the array must have beside n of pred.
func (r Role) lenFor(n int) int {
	if r == RoleChunkSums { // not in the table, so that the compiler sees it where the role is a constant
		return Chunks(n)
	}
	return n
}

// size returns the bytes of an element where one of pred has so many.
func (r Role) size(pred int) int {
	if r == RoleChunkSums {
		return 8
	}
	return pred
}

// A Set is a set of roles or of passes.
type Set[E Role | Pass] uint32

// SetOf returns the set of these.
func SetOf[E Role | Pass](members ...E) (s Set[E]) {
	for _, m := range members {
		s |= 1 << m
	}
	return s
}

// Has says whether e is in the set.
func (s Set[E]) Has(e E) bool { return s>>e&1 != 0 }

// first returns the lowest member of a set that has one.
func (s Set[E]) first() E { return E(bits.TrailingZeros32(uint32(s))) }

// Sets of roles by pass, or of all passes, made of the table.
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
