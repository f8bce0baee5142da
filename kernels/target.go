package kernels

import (
	"fmt"
	"strings"
)

// The texts are of this version of the PTX ISA, which a driver for CUDA MinDriver or newer takes, according to the release history in
// the manual of the PTX ISA.
const (
	ISA             = "7.8"
	MinDriver       = 11080 // CUDA 11.8, in the form of cuDriverGetVersion
	MinDriverBranch = "R520"
)

// A Target is an architecture that a text names in its .target directive: 75 for sm_75. A device can run it if its compute capability
// is at least that.
type Target int

// targets are those of Targets. The oldest is that of the files.
//
// They differ in nothing but the directive: the kernels use no instruction that needs more than sm_50. From sm_80 on ptxas makes the same
// machine code of either text, but for a few instructions where the lanes of a warp meet again; make ptxas-check compares the registers. A
// second target is there for a driver that no longer takes the first: CUDA 13's nvcc and ptxas begin at sm_75. A third one, such as sm_80 or
// sm_90, would be of use only to a driver that refuses sm_75, and there is none.
var targets = [...]Target{75, 50}

// Targets returns the targets for which the texts can be loaded, the newest first. The last is that of the texts as PTX and RichPTX
// return them.
func Targets() []Target { return append([]Target(nil), targets[:]...) }

// String returns the name of the target, such as "sm_75".
func (t Target) String() string { return fmt.Sprintf("sm_%d", int(t)) }

// RunsOn reports whether a device of the given compute capability can run text for the target.
func (t Target) RunsOn(major, minor int) bool { return 10*major+minor >= int(t) }

// Text returns a text of this package for the target. A text without a .target directive is returned as it is.
func (t Target) Text(ptx string) string {
	const directive = "\n.target "
	before, after, ok := strings.Cut(ptx, directive)
	if !ok {
		return ptx
	}
	_, rest, ok := strings.Cut(after, "\n")
	if !ok {
		return ptx
	}
	return before + directive + t.String() + "\n" + rest
}
