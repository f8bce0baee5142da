package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/smoothl1/smoothl1/sim"
)

// original is the PTX that is changed, and what is known of it.
type original struct {
	lines []string
	// never holds the lines of branches that no case takes. The test of the PTX's coverage says why none can.
	never map[int]bool

	mu        sync.Mutex
	otherwise map[string]map[int]bool // by kernel, the lines that run with another beta than 0
}

// learn notes what a coverage of one of its kernels tells.
func (o *original) learn(kernel string, c sim.Coverage) {
	for _, k := range c {
		if k.Kernel != kernel {
			continue
		}
		for _, i := range k.Instructions {
			if i.Branch && i.Executed == 0 {
				o.never[i.Line] = true
			}
		}
	}
}

// A rule says which mutants of an operator compute the same as the original, and why. Each is as narrow as its reason.
type rule struct {
	operator string
	matches  func(o *original, m mutant) bool
	reason   string
}

var rules = []rule{
	{"swap operands", func(o *original, m mutant) bool {
		dst := regexp.MustCompile(`sub\.rn\.f\d\d \t(%fd?\d+),`).FindStringSubmatch(m.from)
		return dst != nil && o.usedOnlyBy(m, dst[1], "abs.")
	}, "only |d| is used, and |a − b| = |b − a|"},
	{"change a shuffle's distance", func(o *original, m mutant) bool {
		operand := regexp.MustCompile(`\|%p\d+, %r\d+, (%r\d+),`).FindStringSubmatch(m.from)
		return operand != nil && o.valueOf(m, operand[1]) == "2"
	}, "the distance is 2 already"},
	{"a bound ±1", func(o *original, m mutant) bool {
		counter := regexp.MustCompile(`setp\.lt\.u32 \t%p\d+, (%r\d+), 16;`).FindStringSubmatch(m.from)
		return counter != nil && strings.HasSuffix(m.to, ", 15;") && o.step(m, counter[1]) > 1
	}, "rows are counted by 2, 4 or 8, so that none is 15"},
	{"a constant ±1", func(o *original, m mutant) bool {
		counter := regexp.MustCompile(`mov\.u32 \t(%r\d+), (\d+);`).FindStringSubmatch(m.from)
		return counter != nil && strings.HasSuffix(m.to, ", "+plusOne(counter[2])+";") && o.onlyCounts(m, counter[1])
	}, "rows are counted by 2, 4 or 8 up to 16, and nothing else is done with the count: one more is as many"},
	{"a constant ±1", func(o *original, m mutant) bool {
		advance := regexp.MustCompile(`add\.s32 +\t(%r\d+), (%r\d+), ([48]);`).FindStringSubmatch(m.from)
		return advance != nil && advance[1] == advance[2] && strings.HasSuffix(m.to, ", "+plusOne(advance[3])+";") && o.onlyCounts(m, advance[1])
	}, "rows are counted by 4 or 8 up to 16, and nothing else is done with the count: by 5 or 9 they are as many"},
	{"round to zero", func(o *original, m mutant) bool {
		half := regexp.MustCompile(`mul\.rn\.f\d\d \t%fd?\d+, (%fd?\d+), (0f3F000000|0d3FE0000000000000);`).FindStringSubmatch(m.from)
		return half != nil && half[1] == o.threshold(m) && strings.HasSuffix(m.kernel, "_mul")
	}, "half of a power of two is exact, or 0; where that of Huber's delta is not, it is subnormal, and its product by delta is 0"},
	{"gt for ge", func(o *original, m mutant) bool { return o.comparesRow(m) }, emptyRow},
	{"lt for le", func(o *original, m mutant) bool { return o.comparesRow(m) }, emptyRow},
	{"never branch", func(o *original, m mutant) bool {
		return o.comparesRow(o.condition(m))
	}, emptyRow},
	{"a constant ±1", func(o *original, m mutant) bool {
		lane := regexp.MustCompile(`and\.b32 +\t(%r\d+), (%r\d+), 31;`).FindStringSubmatch(m.from)
		return lane != nil && strings.HasSuffix(m.to, ", 30;") && o.usedOnlyBy(m, lane[1], "setp.ne.s32")
	}, everyLane},
	{"eq for ne", func(o *original, m mutant) bool { return o.comparesLane(m) }, everyLane},
	{"never branch", func(o *original, m mutant) bool {
		return o.comparesLane(o.condition(m))
	}, everyLane},
	{"negate a guard", func(o *original, m mutant) bool {
		return o.comparesLane(o.condition(m))
	}, everyLane},
	{"round to zero", func(o *original, m mutant) bool {
		return strings.HasPrefix(m.from, "\tsub.") && !reduces(m.kernel) && !strings.Contains(m.kernel, "terms") && o.onlyForBetaZero(m)
	}, "beta is 0 here, and of d its sign and whether it is NaN alone matter"},
	{"a bound ±1", func(_ *original, m mutant) bool {
		return strings.Contains(m.from, "setp.ne.s32") && strings.HasSuffix(m.to, ", 1;")
	}, "thread 1 draws the ticket in place of thread 0, or lane 1 writes the sum that every lane has"},
	{"a bound ±1", func(o *original, m mutant) bool { return o.guardsOnlyNever(m) },
		"the branches it guards are never taken, before and after"},
	{"a bound ±1", func(_ *original, m mutant) bool {
		return strings.Contains(m.from, "setp.lt.u64") && strings.HasSuffix(m.from, ", 2;") && strings.HasSuffix(m.to, ", 1;")
	}, "one more level of the sum is that of one number, which it leaves as it is; there is room for it"},
	{"a constant ±1", func(o *original, m mutant) bool {
		and := regexp.MustCompile(`and\.b32 +\t%r\d+, (%r\d+), (124|62);`).FindStringSubmatch(m.from)
		return and != nil && o.definedBy(m, and[1], "shl.b32") && regexp.MustCompile(`, (125|63);$`).MatchString(m.to)
	}, "the number is even, so that the lowest bit of the mask keeps nothing"},
	{"never branch", func(o *original, m mutant) bool { return o.never[m.line] },
		"it is never taken"},
	{"a constant ±1", func(_ *original, m mutant) bool {
		return strings.Contains(m.from, "and.b64") && strings.HasSuffix(m.from, ", 15;") && strings.HasSuffix(m.to, ", 14;")
	}, "addresses are multiples of 4 or 8, whose lowest bit is 0"},
	{"round to zero", func(o *original, m mutant) bool {
		half := regexp.MustCompile(`mul\.rn\.f\d\d \t%fd?\d+, (%fd?\d+), (0f3F000000|0d3FE0000000000000);`).FindStringSubmatch(m.from)
		return half != nil && o.definedBy(m, half[1], "abs.")
	}, "half of |d| is exact unless it is subnormal, and then its product with |d| is 0 either way"},
	{"lt for le", func(o *original, m mutant) bool {
		operands := regexp.MustCompile(`setp\.lt\.f\d\d \t%p\d+, (%fd?\d+), (%fd?\d+);`).FindStringSubmatch(m.from)
		return operands != nil && o.definedBy(m, operands[1], "abs.") && operands[2] == o.threshold(m) && o.onlyForBetaZero(m)
	}, "beta is 0 here, and both terms of |d| = 0 are +0"},
	{"mul for add", func(o *original, m mutant) bool { return o.roleOf(m) == squareTerm }, neverTaken},
	{"mul for div", func(o *original, m mutant) bool { return o.roleOf(m) == squareTerm }, neverTaken},
	{"round to zero", func(o *original, m mutant) bool { return o.roleOf(m) == squareTerm }, neverTaken},
	{"mul for div", func(o *original, m mutant) bool { return o.roleOf(m) == linearTerm }, linearIsD},
	{"add for sub", func(o *original, m mutant) bool { return o.roleOf(m) == linearTerm }, linearIsD},
	{"round to zero", func(o *original, m mutant) bool { return o.roleOf(m) == linearTerm }, linearIsD},
	{"mul for add", func(o *original, m mutant) bool { return o.roleOf(m) == middleGradient }, onlyNaN},
	{"mul for div", func(o *original, m mutant) bool { return o.roleOf(m) == middleGradient }, onlyNaN},
	{"round to zero", func(o *original, m mutant) bool { return o.roleOf(m) == middleGradient }, onlyNaN},
	{"and for or", func(o *original, m mutant) bool { return oneChunkMore(m) },
		"there is one chunk more where the count is a multiple of 2048, and it has no elements"},
	{"a bound ±1", func(o *original, m mutant) bool {
		return strings.HasSuffix(m.to, ", -1;") && o.isRemainder(m) && !reduces(m.kernel)
	}, "there is one chunk more where the count is a multiple of 2048, and it has no elements"},
}

const (
	emptyRow = "one more row is computed, which has no elements, and adds +0 to lanes that are not −0"
	// The device may stop these all the same, for a race: it lets threads write one number to one place, unless it was read before.
	everyLane = "other lanes write the sum that every lane has"
)

// Reasons of mutants in the code for beta 0.
const (
	neverTaken = "beta is 0 here, below which no |d| is"
	linearIsD  = "beta is 0 here, so that half of it is 0 and outer 1"
	onlyNaN    = "beta is 0 here, and this is the gradient where d is NaN alone, NaN either way"
)

// oneChunkMore says whether the mutant makes n%2048 != 0 true for every n, in a kernel without a sum.
func oneChunkMore(m mutant) bool {
	return strings.Contains(m.from, "and.b64") && strings.HasSuffix(m.from, ", 2047;") && !reduces(m.kernel)
}

func reduces(kernel string) bool {
	return strings.Contains(kernel, "smoothl1_forward_f") || strings.Contains(kernel, "smoothl1_forward_backward")
}

// isRemainder says whether the mutant's comparison is of n%2048.
func (o *original) isRemainder(m mutant) bool {
	operand := regexp.MustCompile(`%p\d+, (%rd\d+),`).FindStringSubmatch(m.from)
	return operand != nil && o.definedBy(m, operand[1], "and.b64") && strings.HasSuffix(o.lines[o.definition(m, operand[1])], ", 2047;")
}

// body returns the first and the last line, from 0, of the kernel that a mutant is in.
func (o *original) body(m mutant) (first, last int) {
	for first = m.line - 1; first > 0 && !strings.HasPrefix(o.lines[first], ".visible .entry"); first-- {
	}
	for last = m.line - 1; last < len(o.lines)-1 && o.lines[last] != "}"; last++ {
	}
	return first, last
}

// definition returns the line, from 0, that last defines a register above the mutant; 0 if none does.
func (o *original) definition(m mutant, register string) int {
	first, _ := o.body(m)
	for i := m.line - 2; i > first; i-- {
		words := strings.Fields(o.lines[i])
		if len(words) > 1 && words[1] == register+"," {
			return i
		}
	}
	return 0
}

func (o *original) definedBy(m mutant, register, instruction string) bool {
	words := strings.Fields(o.lines[o.definition(m, register)])
	return len(words) > 0 && strings.HasPrefix(words[0], instruction)
}

// valueOf returns the number that a register was last given above the mutant.
func (o *original) valueOf(m mutant, register string) string {
	line := o.lines[o.definition(m, register)]
	if !strings.Contains(line, "mov.u32") {
		return ""
	}
	return strings.TrimSuffix(line[strings.LastIndex(line, " ")+1:], ";")
}

// usedOnlyBy says whether every other line of the kernel that names the register is such an instruction.
func (o *original) usedOnlyBy(m mutant, register, instruction string) bool {
	uses := o.uses(m, m.line-1, register)
	for _, i := range uses {
		if !strings.HasPrefix(strings.TrimSpace(o.lines[i]), instruction) {
			return false
		}
	}
	return len(uses) > 0
}

// guardsOnlyNever says whether the mutant is a comparison with 0 that a null pointer fails and another passes, whose predicate
// guards branches alone that are never taken.
func (o *original) guardsOnlyNever(m mutant) bool {
	p := regexp.MustCompile(`setp\.eq\.s64 \t(%p\d+), %rd\d+, 0;`).FindStringSubmatch(m.from)
	if p == nil {
		return false
	}
	guards := 0
	for _, i := range o.uses(m, m.line-1, p[1]) {
		if strings.Contains(o.lines[i], "setp.eq.s64 \t"+p[1]+",") {
			continue
		}
		if !o.never[i+1] {
			return false
		}
		guards++
	}
	return guards > 0
}

// equivalence returns why a mutant computes the same as the original, or nothing if it need not.
func (o *original) equivalence(m mutant) string {
	for _, r := range rules {
		if r.operator == m.operator && r.matches(o, m) {
			return r.reason
		}
	}
	return ""
}

// step returns what a register is advanced by, 0 if it is not.
func (o *original) step(m mutant, register string) int {
	advance := regexp.MustCompile(`^\tadd\.s32 +\t` + register + `, ` + register + `, (\d+);`)
	for _, i := range o.uses(m, -1, register) {
		if a := advance.FindStringSubmatch(o.lines[i]); a != nil {
			step, _ := strconv.Atoi(a[1])
			return step
		}
	}
	return 0
}

// onlyCounts says whether a register is a count of rows up to 16, by more than one, and nothing else.
func (o *original) onlyCounts(m mutant, register string) bool {
	of := regexp.MustCompile(`^\t(mov\.u32 \t` + register + `, \d+;|add\.s32 +\t` + register + `, ` + register + `, [248];|setp\.lt\.u32 \t%p\d+, ` + register + `, 16;)`)
	for _, i := range o.uses(m, -1, register) {
		if !of.MatchString(o.lines[i]) {
			return false
		}
	}
	return o.step(m, register) > 1
}

func plusOne(number string) string {
	n, _ := strconv.Atoi(number)
	return strconv.Itoa(n + 1)
}

// condition returns the comparison that sets the predicate of the mutant's branch, as if it were the mutant.
func (o *original) condition(m mutant) mutant {
	branch := regexp.MustCompile(`^\t@(%p\d+) bra`).FindStringSubmatch(m.from)
	if branch == nil {
		return mutant{kernel: m.kernel, line: m.line}
	}
	i := o.definition(m, branch[1])
	return mutant{kernel: m.kernel, line: i + 1, from: o.lines[i]}
}

// comparesRow says whether the mutant compares the first element of a row with the count of elements.
func (o *original) comparesRow(m mutant) bool {
	first := regexp.MustCompile(`^\tsetp\.(?:ge|lt)\.u64 \t%p\d+, (%rd\d+), %rd\d+;`).FindStringSubmatch(m.from)
	if first == nil {
		return false
	}
	sum := regexp.MustCompile(`^\tadd\.s64 \t%rd\d+, (%rd\d+), (%rd\d+|512);`).FindStringSubmatch(o.lines[o.definition(m, first[1])])
	if sum == nil {
		return false
	}
	if sum[1] == first[1] && sum[2] == "512" { // four rows of chunk sums further
		return true
	}
	row := regexp.MustCompile(`^\tcvt\.s64\.s32 \t%rd\d+, (%r\d+);`).FindStringSubmatch(o.lines[o.definition(m, sum[2])])
	return row != nil && strings.HasSuffix(o.lines[o.definition(m, row[1])], ", 7;")
}

// comparesLane says whether the mutant compares the number of a thread in its warp with 0, for the sums of chunk sums. (As many
// stores of the chunk sums themselves would be found by their number.)
func (o *original) comparesLane(m mutant) bool {
	first, _ := o.body(m)
	if !slices.ContainsFunc(o.lines[first:m.line], func(line string) bool { return strings.HasPrefix(line, "\tatom.global.inc") }) {
		return false
	}
	lane := regexp.MustCompile(`^\tsetp\.(?:ne|eq)\.s32 \t%p\d+, (%r\d+), 0;`).FindStringSubmatch(m.from)
	if lane == nil {
		return false
	}
	of := regexp.MustCompile(`^\tand\.b32 +\t%r\d+, (%r\d+), 31;`).FindStringSubmatch(o.lines[o.definition(m, lane[1])])
	return of != nil && strings.HasSuffix(o.lines[o.definition(m, of[1])], "%tid.x;")
}
