package sim_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/sim"
)

// A wild program is a graph of basic blocks with random jumps. Each thread walks it independently, so that a model of one thread
// predicts the results of a warp, however its lanes diverge and reconverge.
type wild []wildBlock

type wildBlock struct {
	mul, add uint32
	guard    uint32 // bit of the state that a guarded addition looks at; 32: none
	kind     wildKind
	bit      uint32 // of the state, that decides
	to       [3]int
}

type wildKind int

const (
	wildBranch wildKind = iota // to[0] if the bit is set, else to[1]
	wildNot                    // to[0] if the bit is clear, else on
	wildTable                  // to[state % 3]
	wildExit                   // leave if four bits are set, else to[0]
	wildCall                   // a function that returns early for some, then to[0]
	wildKinds
)

func newWild(r *rand.Rand) wild {
	w := make(wild, 3+r.IntN(9))
	for i := range w {
		w[i] = wildBlock{mul: r.Uint32() | 1, add: r.Uint32(), guard: uint32(r.IntN(33)), kind: wildKind(r.IntN(int(wildKinds))), bit: uint32(r.IntN(29))}
		for k := range w[i].to {
			w[i].to[k] = r.IntN(len(w) + 1) // len(w): the end
		}
	}
	return w
}

const wildFuel = 60

// ptx returns the program as text. %r3 is the state, %r4 the number of blocks that a thread may still enter.
func (w wild) ptx() string {
	var b strings.Builder
	fmt.Fprintf(&b, "ld.param.u32 %%r5, [n];\nxor.b32 %%r3, %%r0, %%r5;\nmov.u32 %%r4, %d;\n", wildFuel)
	for i, x := range w {
		fmt.Fprintf(&b, "B%d:\nsub.u32 %%r4, %%r4, 1;\nsetp.eq.u32 %%p1, %%r4, 0;\n@%%p1 bra B%d;\n", i, len(w))
		fmt.Fprintf(&b, "mad.lo.u32 %%r3, %%r3, %d, %d;\n", x.mul, x.add)
		if x.guard < 32 {
			fmt.Fprintf(&b, "and.b32 %%r6, %%r3, %d;\nsetp.ne.u32 %%p2, %%r6, 0;\n@!%%p2 add.u32 %%r3, %%r3, %d;\n", uint32(1)<<x.guard, x.add)
		}
		fmt.Fprintf(&b, "shr.u32 %%r6, %%r3, %d;\nand.b32 %%r7, %%r6, 1;\nsetp.eq.u32 %%p3, %%r7, 1;\n", x.bit)
		switch x.kind {
		case wildBranch:
			fmt.Fprintf(&b, "@%%p3 bra B%d;\nbra B%d;\n", x.to[0], x.to[1])
		case wildNot:
			fmt.Fprintf(&b, "@!%%p3 bra B%d;\n", x.to[0])
		case wildTable:
			fmt.Fprintf(&b, "T%d: .branchtargets B%d, B%d, B%d;\nrem.u32 %%r7, %%r3, 3;\nbrx.idx %%r7, T%d;\n", i, x.to[0], x.to[1], x.to[2], i)
		case wildExit:
			fmt.Fprintf(&b, "and.b32 %%r7, %%r6, 15;\nsetp.eq.u32 %%p4, %%r7, 15;\n@%%p4 st.global.u32 [%%rd1], %%r3;\n@%%p4 exit;\nbra.uni B%d;\n", x.to[0])
		case wildCall:
			fmt.Fprintf(&b, "call (%%r3), f, (%%r3);\nbra.uni B%d;\n", x.to[0])
		}
	}
	// All threads that have not exited vote at the end, which is reached from many blocks.
	fmt.Fprintf(&b, "B%d:\nand.b32 %%r7, %%r3, 1;\nsetp.eq.u32 %%p5, %%r7, 1;\nvote.sync.ballot.b32 %%r8, %%p5, -1;\nxor.b32 %%r3, %%r3, %%r8;\nst.global.u32 [%%rd1], %%r3;\n", len(w))
	return strings.Replace(body(prologue+b.String()), ".visible", `.func (.reg .b32 r) f(.reg .b32 a)
{
	.reg .pred %p; .reg .b32 %t;
	and.b32 %t, a, 6;
	setp.eq.u32 %p, %t, 2;
	mov.b32 r, 77;
	@%p ret;
	shr.u32 r, a, 1;
	@%p add.u32 r, r, 1000;
	ret;
}
.visible`, 1)
}

// walk models one thread: it returns the final state, and whether the thread reached the end.
func (w wild) walk(state uint32) (uint32, bool) {
	at := 0
	for fuel := wildFuel; at < len(w); {
		if fuel--; fuel == 0 {
			break
		}
		x := w[at]
		state = state*x.mul + x.add
		if x.guard < 32 && state>>x.guard&1 == 0 {
			state += x.add
		}
		set := state>>x.bit&1 == 1
		switch x.kind {
		case wildBranch:
			if at = x.to[1]; set {
				at = x.to[0]
			}
		case wildNot:
			if at++; !set {
				at = x.to[0]
			}
		case wildTable:
			at = x.to[state%3]
		case wildExit:
			if state>>x.bit&15 == 15 {
				return state, false
			}
			at = x.to[0]
		case wildCall:
			if state&6 == 2 {
				state = 77
			} else {
				state >>= 1
			}
			at = x.to[0]
		}
	}
	return state, true
}

func TestRandomControlFlow(t *testing.T) {
	programs := 50
	switch {
	case testkit.Long():
		programs = 500
	case testing.Short():
		programs = 15
	}
	const blocks, threads = 2, 80
	for p := range programs {
		seed := uint64(p)
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWild(r)
		n := r.Uint32()
		var want [blocks * threads]uint32
		for block := range blocks {
			for first := 0; first < threads; first += 32 {
				var ballot uint32
				var ended [32]bool
				for lane := range min(32, threads-first) {
					i := block*threads + first + lane
					want[i], ended[lane] = w.walk(uint32(i) ^ n)
					if ended[lane] {
						ballot |= want[i] & 1 << lane
					}
				}
				for lane := range min(32, threads-first) {
					if ended[lane] {
						want[block*threads+first+lane] ^= ballot
					}
				}
			}
		}
		ptx := w.ptx()
		for _, options := range [][]sim.Option{{sim.Seed(seed)}, {sim.Seed(seed + 1000), sim.Fast()}} {
			got := run(t, device(t, options...), ptx, blocks, threads, n)
			require.Equalf(t, want[:], got, "program %d\n%s", p, ptx)
		}
	}
}
