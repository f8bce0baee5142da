package main

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/smoothl1/smoothl1/kernels"
)

// The compiler makes code of its own for beta 0, where the test d == 0 is needed. There the inverse and outer are 1 and half of
// beta is 0, no |d| is below beta, and what the formula computes for the others is thrown away.

// A role is what an instruction in that code computes.
type role uint8

const (
	otherRole      role = iota
	squareTerm          // a step to the loss term where |d| < beta: never taken
	linearTerm          // a step to the loss term elsewhere, outer·(|d| − beta/2)
	middleGradient      // a step to the gradient where |d| ≤ beta: taken where d is NaN, as d = 0 has been dealt with
)

var (
	arithmetic = regexp.MustCompile(`^\t(?:add|sub|mul|div)\.rn\.f\d\d \t(%fd?\d+), `)
	selection  = regexp.MustCompile(`^\tselp\.f\d\d \t%fd?\d+, (\S+), (\S+), (%p\d+);`)
)

// roleOf follows the result of the mutant's instruction to the selection that takes it. It is otherRole for code that also runs
// with another beta, and where the result goes elsewhere too.
func (o *original) roleOf(m mutant) role {
	if !o.onlyForBetaZero(m) {
		return otherRole
	}
	line := m.line - 1
	for {
		result := arithmetic.FindStringSubmatch(o.lines[line])
		if result == nil {
			return otherRole
		}
		uses := o.uses(m, line, result[1])
		if len(uses) != 1 {
			return otherRole
		}
		line = uses[0]
		s := selection.FindStringSubmatch(o.lines[line])
		if s == nil {
			continue
		}
		condition := o.lines[o.definition(mutant{line: line + 1}, s[3])]
		threshold := o.threshold(m)
		switch {
		case strings.HasPrefix(condition, "\tsetp.lt.f") && strings.HasSuffix(condition, ", "+threshold+";") && s[1] == result[1]:
			return squareTerm
		case strings.HasPrefix(condition, "\tsetp.lt.f") && strings.HasSuffix(condition, ", "+threshold+";") && s[2] == result[1]:
			return linearTerm
		case strings.HasPrefix(condition, "\tsetp.eq.f") && isZero(condition) && isZero(s[1]+";") && s[2] == result[1]:
			return middleGradient
		}
		return otherRole
	}
}

// uses returns the lines, from 0, of the mutant's kernel that name a register, but for the one that defines it.
func (o *original) uses(m mutant, definition int, register string) (lines []int) {
	word := regexp.MustCompile(regexp.QuoteMeta(register) + `\b`)
	first, last := o.body(m)
	for i := first; i < last; i++ {
		if i != definition && word.MatchString(o.lines[i]) {
			lines = append(lines, i)
		}
	}
	return lines
}

// isZero says whether an instruction ends in the constant 0.
func isZero(instruction string) bool {
	return regexp.MustCompile(`0[fd]0+;$`).MatchString(instruction)
}

// threshold returns the register that holds beta.
func (o *original) threshold(m mutant) string {
	first, last := o.body(m)
	for _, e := range kernels.All() {
		if e.Name() != m.kernel {
			continue
		}
		for k, p := range e.Params() {
			if p.Name != "threshold" {
				continue
			}
			for i := first; i < last; i++ {
				if r := o.loaded(i, m.kernel, k); r != "" {
					return r
				}
			}
		}
	}
	return ""
}

// onlyForBetaZero says whether the mutant's line cannot be reached but by a branch that is taken when beta is 0.
func (o *original) onlyForBetaZero(m mutant) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.otherwise[m.kernel] == nil {
		o.otherwise[m.kernel] = o.reachedOtherwise(m)
	}
	return !o.otherwise[m.kernel][m.line-1]
}

// reachedOtherwise returns the lines, from 0, of a kernel that run with another beta than 0, or may.
func (o *original) reachedOtherwise(m mutant) map[int]bool {
	first, last := o.body(m)
	labels := map[string]int{}
	for i := first; i < last; i++ {
		if label, ok := strings.CutSuffix(o.lines[i], ":"); ok {
			labels[label] = i
		}
	}
	branch := regexp.MustCompile(`^\t(?:@(!?)(%p\d+) )?bra(?:\.uni)? \t?(\S+);`)
	seen := map[int]bool{}
	threshold := o.threshold(m)
	for next := []int{first}; len(next) > 0; {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		if i >= last || seen[i] {
			continue
		}
		seen[i] = true
		b := branch.FindStringSubmatch(o.lines[i])
		falls, jumps := true, b != nil
		if b != nil && b[2] == "" {
			falls = false
		} else if b != nil {
			if defined := o.uses(m, -1, b[2]); len(defined) > 0 {
				condition := o.lines[defined[0]]
				compares := strings.HasSuffix(strings.TrimRight(condition, "0fd;"), ", "+threshold+", ") && isZero(condition)
				isZero := compares && strings.HasPrefix(condition, "\tsetp.eq.f") && b[1] == ""
				isNot := compares && strings.HasPrefix(condition, "\tsetp.neu.f") && b[1] == ""
				jumps, falls = !isZero, !isNot
			}
		}
		if strings.HasPrefix(o.lines[i], "\tret;") {
			falls = false
		}
		if falls {
			next = append(next, i+1)
		}
		if jumps {
			next = append(next, labels[b[3]])
		}
	}
	return seen
}

// loaded returns the register that line i, from 0, loads the kernel's k-th parameter into, or nothing.
func (o *original) loaded(i int, kernel string, k int) string {
	load := regexp.MustCompile(`^\tld\.param\.f\d\d \t(%fd?\d+), \[` + kernel + `_param_(\d+)\];`).FindStringSubmatch(o.lines[i])
	if load == nil || load[2] != strconv.Itoa(k) {
		return ""
	}
	return load[1]
}
