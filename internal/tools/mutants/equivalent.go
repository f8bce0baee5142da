package main

import (
	"regexp"
	"strings"

	"github.com/smoothl1/smoothl1/sim"
)

// original is the PTX that is changed, and what is known of it.
type original struct {
	lines []string
	// never holds the lines of branches that no case takes. The test of the PTX's coverage says why none can.
	never map[int]bool
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
	{"a bound ±1", func(_ *original, m mutant) bool {
		return strings.Contains(m.from, "setp.lt.u32") && strings.HasSuffix(m.from, ", 16;")
	}, "rows advance by 1, 2, 4 or 8 from 0 and are taken 4 or 8 at a time: the last step is below 15 and the next is 16 or more, or 17 admits 16 where the row is past the chunk"},
	{"a bound ±1", func(_ *original, m mutant) bool {
		return strings.Contains(m.from, "setp.ne.s32") && strings.HasSuffix(m.to, ", 1;")
	}, "thread 1 draws the ticket in place of thread 0, or lane 1 writes the sum that every lane has"},
	{"a bound ±1", func(o *original, m mutant) bool { return o.guardsOnlyNever(m) },
		"the branches it guards are never taken, before and after"},
	{"a bound ±1", func(_ *original, m mutant) bool {
		return strings.Contains(m.from, "setp.lt.u64") && strings.HasSuffix(m.from, ", 2;") && strings.HasSuffix(m.to, ", 1;") ||
			strings.Contains(m.from, "setp.gt.u64") && strings.HasSuffix(m.from, ", 1;") && strings.HasSuffix(m.to, ", 0;")
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
	{"and for or", func(o *original, m mutant) bool { return oneChunkMore(m) },
		"there is one chunk more where the count is a multiple of 2048, and it has no elements"},
	{"a bound ±1", func(o *original, m mutant) bool {
		return strings.HasSuffix(m.to, ", -1;") && o.isRemainder(m) && !reduces(m.kernel)
	}, "there is one chunk more where the count is a multiple of 2048, and it has no elements"},
}

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
	word := regexp.MustCompile(regexp.QuoteMeta(register) + `\b`)
	first, last := o.body(m)
	uses := 0
	for i := first; i < last; i++ {
		if i == m.line-1 || !word.MatchString(o.lines[i]) {
			continue
		}
		if !strings.HasPrefix(strings.TrimSpace(o.lines[i]), instruction) {
			return false
		}
		uses++
	}
	return uses > 0
}

// guardsOnlyNever says whether the mutant is a comparison with 0 that a null pointer fails and another passes, whose predicate
// guards branches alone that are never taken.
func (o *original) guardsOnlyNever(m mutant) bool {
	p := regexp.MustCompile(`setp\.eq\.s64 \t(%p\d+), %rd\d+, 0;`).FindStringSubmatch(m.from)
	if p == nil {
		return false
	}
	word := regexp.MustCompile(regexp.QuoteMeta(p[1]) + `\b`)
	first, last := o.body(m)
	guards := 0
	for i := first; i < last; i++ {
		if i == m.line-1 || !word.MatchString(o.lines[i]) || strings.Contains(o.lines[i], "setp.eq.s64 \t"+p[1]+",") {
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
