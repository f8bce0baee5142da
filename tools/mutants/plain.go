package main

import (
	"regexp"
	"slices"
	"strings"
)

var (
	set        = regexp.MustCompile(`^\tmov\.u32 \t(%r\d+), (\d+);$`)
	shuffle    = regexp.MustCompile(`^\tshfl\.sync\.bfly\.b32 \t%r\d+\|%p\d+, %r\d+, (%r\d+), `)
	upper      = regexp.MustCompile(`^\tand\.b64  \t(%rd\d+), %rd\d+, -4294967296;$`)
	difference = regexp.MustCompile(`^\tsub\.rn\.f\d\d \t(%\w+), `)
	magnitude  = regexp.MustCompile(`^\tabs\.f\d\d \t(%\w+), `)
	unsigned   = regexp.MustCompile(`^\t(abs\.f\d\d \t%\w+, %\w+;|setp\.(eq|neu)\.f\d\d \t%p\d+, %\w+, 0[fd]0+;)$`)
	half       = regexp.MustCompile(`^\tmul\.rn\.f\d\d \t(%\w+), (%\w+), (?:0f3F000000|0d3FE0000000000000);$`)
	product    = regexp.MustCompile(`^\tmul\.rn\.f\d\d \t%\w+, (%\w+), (%\w+);$`)
	least      = regexp.MustCompile(`^\tld\.param\.f32 \t(%f\d+), \[\w+_param_0\+48\];$`)
	compared   = regexp.MustCompile(`^\tsetp\.(lt|geu)\.f32 \t(%p\d+), %f\d+, (%f\d+);$`)
	combined   = regexp.MustCompile(`^\t(and|or)\.pred  \t(%p\d+), (%p\d+), (%p\d+);$`)
	truth      = regexp.MustCompile(`^\tmov\.pred \t(%p\d+), -1;$`)
	guarded    = regexp.MustCompile(`^\t@(%p\d+) bra \t(\$L__BB\d+_\d+);$`)
	jump       = regexp.MustCompile(`^\tbra\.uni \t(\$L__BB\d+_\d+);$`)
	register   = regexp.MustCompile(`%(?:f|fd|p)\d+\b`)
)

// plainly returns a function that reports whether an operator makes a line one that does the same:
//   - it shuffles over a distance of 2 if the register had 2, or sets another NaN of bfloat16;
//   - it belongs to the compiler's choice between a division of 64 bits and one of 32, which have the same result below 2^32, and no
//     simulated device has the memory for more;
//   - it is b - a for a - b, of which only the absolute value is used, and whether it is 0;
//   - it rounds half of |d| to zero: half is exact unless it is subnormal, and then its product with |d| is 0 either way;
//   - it belongs to the guard of corrected quotients, and makes more of them divisions, which have the same result.
func plainly(lines []string) func(i int, operator, to string) bool {
	same := map[int]func(operator, to string) bool{}
	start := 0
	for i := range lines {
		if strings.HasPrefix(lines[i], ".visible") || i == len(lines)-1 {
			k := kernelText{lines: lines, from: start, to: i, uses: map[string][]int{}}
			k.same(same)
			start = i
		}
	}
	return func(i int, operator, to string) bool {
		f := same[i]
		return f != nil && f(operator, to)
	}
}

// kernelText is the text of a kernel.
type kernelText struct {
	lines    []string
	from, to int
	uses     map[string][]int // the lines that read a register
}

// same sets the functions for the lines of the kernel that have equivalent mutants.
func (k *kernelText) same(same map[int]func(operator, to string) bool) {
	always := func(string, string) bool { return true }
	value, positive := map[string]string{}, map[string]bool{}
	for i := k.from; i < k.to; i++ {
		line := k.lines[i]
		registers := register.FindAllString(line, -1)
		if !strings.HasPrefix(line, "\tst.") && !strings.HasPrefix(line, "\t@") && len(registers) > 0 {
			registers = registers[1:]
		}
		for _, r := range registers {
			k.uses[r] = append(k.uses[r], i)
		}
		if m := magnitude.FindStringSubmatch(line); m != nil {
			positive[m[1]] = true
		}
	}
	for i := k.from; i < k.to; i++ {
		line := k.lines[i]
		if m := set.FindStringSubmatch(line); m != nil {
			value[m[1]] = m[2]
		}
		if m := shuffle.FindStringSubmatch(line); m != nil && value[m[1]] == "2" {
			same[i] = func(_, to string) bool { return strings.Contains(to, ", 2, ") }
		}
		if strings.HasPrefix(line, "\tmov.u16 ") && strings.HasSuffix(line, ", 32767;") {
			same[i] = func(_, to string) bool { return strings.HasSuffix(to, ", 32766;") }
		}
		if i > k.from && i+2 < len(k.lines) && upper.MatchString(line) && strings.HasPrefix(k.lines[i-1], "\tor.b64") && strings.HasPrefix(k.lines[i+1], "\tsetp.eq.s64") && strings.Contains(k.lines[i+2], "bra") {
			for j := i - 1; j <= i+2; j++ {
				same[j] = always
			}
		}
		if m := difference.FindStringSubmatch(line); m != nil && k.all(m[1], unsigned.MatchString) {
			same[i] = is("swap operands")
		}
		if m := half.FindStringSubmatch(line); m != nil && positive[m[2]] && k.all(m[1], func(line string) bool {
			p := product.FindStringSubmatch(line)
			return p != nil && slices.Contains(p[1:], m[1]) && slices.Contains(p[1:], m[2])
		}) {
			same[i] = is("round to zero")
		}
	}
	k.guards(same)
}

// guards sets the functions for the guard of corrected quotients, the only ones with fused operations.
func (k *kernelText) guards(same map[int]func(operator, to string) bool) {
	bound := ""
	small, large, apart := map[string]bool{}, map[string]bool{}, map[string]bool{} // predicates of differences: apart is small and not 0
	for i := k.from; i < k.to; i++ {
		line := k.lines[i]
		if m := least.FindStringSubmatch(line); m != nil {
			bound = m[1]
		}
		if m := compared.FindStringSubmatch(line); m != nil && m[3] == bound {
			small[m[2]], large[m[2]] = m[1] == "lt", m[1] == "geu"
			same[i] = is("lt for le")
		}
		if m := combined.FindStringSubmatch(line); m != nil {
			apart[m[2]] = m[1] == "and" && (small[m[3]] || small[m[4]])
			if apart[m[2]] || m[1] == "or" && (large[m[3]] || large[m[4]]) {
				same[i] = is("and for or")
			}
		}
		m := guarded.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		switch j := jump.FindStringSubmatch(k.lines[i+1]); {
		case j != nil && k.block(m[2], "fma.rn.f32") && k.block(j[1], "div.rn.f32"):
			same[i] = is("never branch")
			for set := k.from; set < i; set++ {
				if t := truth.FindStringSubmatch(k.lines[set]); t != nil && t[1] == m[1] {
					same[set] = is("a constant ±1")
				}
			}
		case large[m[1]]: // all differences are, and need not be looked at one by one
			same[i] = is("never branch")
		case apart[m[1]]: // one cannot be corrected
			same[i] = is("always branch")
		}
	}
}

func is(operator string) func(operator, to string) bool {
	return func(o, _ string) bool { return o == operator }
}

// all reports whether all lines that read a register have a property.
func (k *kernelText) all(register string, has func(line string) bool) bool {
	return !slices.ContainsFunc(k.uses[register], func(i int) bool { return !has(k.lines[i]) })
}

// block reports whether the instructions from a label to the next branch have one of a kind.
func (k *kernelText) block(label, kind string) bool {
	at := slices.Index(k.lines[k.from:k.to], label+":")
	if at < 0 {
		return false
	}
	for _, line := range k.lines[k.from+at+1 : k.to] {
		switch {
		case strings.HasPrefix(line, "\t"+kind):
			return true
		case strings.HasPrefix(line, "$L"), strings.Contains(line, "bra"):
			return false
		}
	}
	return false
}
