package op

import (
	"math/bits"
	"strings"
)

// A Role is the role of an array in an operation.
type Role uint8

// The roles. A new array needs a role here, a row in operands, a view in smoothl1.Shape and viewOf, and a field in cpu.Args and gpu.Args
// that checkAll and check put into a Call and that cpu's short check, plain, does not accept.
const (
	RolePred Role = iota
	RoleTarget
	RoleWeight
	RoleMask
	RoleBeta     // by element
	RoleUpstream // an elementwise upstream gradient
	RoleIndex
	RoleDirection // by which the second derivative is multiplied
	RoleTerms
	RoleAbs // |d|
	RoleGradPred
	RoleGradTarget
	RoleSecond // the second derivative times the direction
	RoleLosses // of the rows
	RoleChunkSums
	Roles = iota
)

// operand describes the array of a role.
type operand struct {
	name    string // as in errors
	output  bool
	inPlace bool      // an output that may be the same array as an input
	uses    Set[Pass] // the passes that use it
	needs   Set[Pass] // the passes that require it; see also derived and perTerm
	lean    bool      // lean kernels have it
}

var operands = [Roles]operand{
	RolePred:       {name: "pred", uses: every, needs: every, lean: true},
	RoleTarget:     {name: "target", uses: every, needs: every, lean: true},
	RoleWeight:     {name: "weight", uses: every},
	RoleMask:       {name: "mask", uses: every},
	RoleBeta:       {name: "beta", uses: every},
	RoleUpstream:   {name: "upstream", uses: differentiating, lean: true},
	RoleIndex:      {name: "index", uses: every},
	RoleDirection:  {name: "direction", uses: differentiating},
	RoleTerms:      {name: "terms", output: true, inPlace: true, uses: every, lean: true},
	RoleAbs:        {name: "abs", output: true, inPlace: true, uses: every},
	RoleGradPred:   {name: "gradPred", output: true, inPlace: true, uses: differentiating, lean: true},
	RoleGradTarget: {name: "gradTarget", output: true, inPlace: true, uses: differentiating, lean: true},
	RoleSecond:     {name: "second", output: true, inPlace: true, uses: differentiating},
	RoleLosses:     {name: "losses", output: true, uses: reducing},
	RoleChunkSums:  {name: "chunkSums", output: true, uses: reducing, lean: true},
}

const (
	every           Set[Pass] = 1<<Passes - 1
	reducing        Set[Pass] = 1<<Forward | 1<<ForwardBackward
	differentiating Set[Pass] = 1<<Backward | 1<<ForwardBackward
)

// The outputs of which a pass that differentiates, and the pass Terms, require at least one.
const (
	gradients Set[Role] = 1<<RoleGradPred | 1<<RoleGradTarget
	derived             = gradients | 1<<RoleSecond
	perTerm   Set[Role] = 1<<RoleTerms | 1<<RoleAbs
)

// String returns the name of the role's field of Args with a lower-case initial, such as "gradPred".
func (r Role) String() string { return operands[r].name }

// field returns the name of the role's field of Args and Shape.
func (r Role) field() string {
	name := r.String()
	return strings.ToUpper(name[:1]) + name[1:]
}

// array names the array of the role, as distinct from a number.
func (r Role) array() string {
	if r == RoleUpstream {
		return "array of upstream gradients"
	}
	return r.String()
}

// IsOutput reports whether operations write the array.
func (r Role) IsOutput() bool { return operands[r].output }

// InPlace reports whether the array is an output that may be the same array as an input.
func (r Role) InPlace() bool { return operands[r].inPlace }

// UsedBy reports whether the pass reads or writes the array.
func (r Role) UsedBy(p Pass) bool { return operands[r].uses.Has(p) }

// Size returns the size of an element in bytes, given that of an element of pred. It is not in the table, so that the compiler can fold
// it for a constant role.
func (r Role) Size(pred int) int {
	switch r {
	case RoleMask:
		return 1
	case RoleIndex:
		return 4
	case RoleLosses, RoleChunkSums:
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

// Rich reports whether a set of roles has one that lean code does not have.
func (s Set[E]) Rich() bool { return Set[Role](s)&^lean != 0 }

// Has reports whether e is in the set.
func (s Set[E]) Has(e E) bool { return s>>e&1 != 0 }

// First returns the lowest member of a set, which must not be empty.
func (s Set[E]) First() E { return E(bits.TrailingZeros32(uint32(s))) }

// Sets of roles, by pass and overall, derived from operands.
var (
	used, needed     [Passes]Set[Role]
	outputs, inPlace Set[Role]
	lean             Set[Role]
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
		if operands[r].lean {
			lean |= SetOf(r)
		}
		if operands[r].inPlace {
			inPlace |= SetOf(r)
		}
	}
}
