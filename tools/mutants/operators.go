package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A mutant is one change to one line of the PTX.
type mutant struct {
	operator string
	kernel   string
	line     int // of the file, from 1
	from, to string
	original string // the complete text
	id       id
	same     bool // plainly equivalent to the original: see plainly
}

// text returns the complete PTX with the change.
func (m mutant) text() string {
	lines := strings.Split(m.original, "\n")
	lines[m.line-1] = m.to
	return strings.Join(lines, "\n")
}

func (m mutant) String() string {
	return fmt.Sprintf("%s: %s, line %d: %q became %q", m.operator, m.kernel, m.line, strings.TrimSpace(m.from), strings.TrimSpace(m.to))
}

// An operator makes mutants of a line: each text that it returns is one.
type operator struct {
	name string
	make func(line string) []string
}

// operators are applied to every line that they match.
var operators = []operator{
	{"drop a barrier", replace(`^\tbar\.sync.*$`, "")},
	{"drop a fence", replace(`^\tmembar\..*$`, "")},
	{"skip a shuffle", replace(`^\tshfl\.sync\.bfly\.b32 \t(%r\d+)\|%p\d+, (%r\d+), .*$`, "\tmov.u32 \t$1, $2;")},
	{"change a shuffle's distance", replace(`^(\tshfl\.sync\.bfly\.b32 \t%r\d+\|%p\d+, %r\d+), %?\w+, (.*)$`, "$1, 2, $2")},
	{"lose the ticket's wrap", replace(`^(\tatom\.global)\.inc(\.u32 .*)$`, "$1.add$2")},
	{"lt for le", exchange(`^(\tsetp\.)(lt|le)(\..*)$`, "lt", "le")},
	{"gt for ge", exchange(`^(\tsetp\.)(gt|ge)(\..*)$`, "gt", "ge")},
	{"eq for ne", exchange(`^(\tsetp\.)(eq|ne)(\..*)$`, "eq", "ne")},
	{"less for greater", exchange(`^(\tsetp\.)(lt|gt)(\.f.*)$`, "lt", "gt")},
	{"add for sub", exchange(`^(\t)(add|sub)(\.rn\..*)$`, "add", "sub")},
	{"mul for add", replace(`^\tmul(\.rn\..*)$`, "\tadd$1")},
	{"mul for div", exchange(`^(\t)(mul|div)(\.rn\..*)$`, "mul", "div")},
	{"round to zero", replace(`^(\t(?:add|sub|mul|div|cvt))\.rn(\..*)$`, "$1.rz$2")},
	{"a constant ±1", constants(`^\t(?:add|sub|and|or|shl|shr|mul|mov)\S* .*[, ](-?\d+);$`, 1)},
	{"a bound ±1", constants(`^\tsetp\.\S+ .*, (-?\d+);$`, 1)},
	{"shift a load", addresses(`^\tld\.global\S* .*\[(%\w+)([+-]+\d+)?\];$`)},
	{"shift a store", addresses(`^\tst\.global\S* \t?\[(%\w+)([+-]+\d+)?\], .*$`)},
	{"swap a selection", replace(`^(\tselp\.\S+ \t%\w+), ([^,]+), ([^,]+), (%p\d+;)$`, "$1, $3, $2, $4")},
	{"negate a guard", replace(`^\t@(%p\d+ .*)$`, "\t@!$1")},
	{"always branch", replace(`^\t@!?%p\d+ (bra .*)$`, "\t$1")},
	{"never branch", replace(`^\t@!?%p\d+ bra .*$`, "")},
	{"drop a negation", replace(`^\tneg(\.f\d\d) (.*)$`, "\tmov$1 $2")},
	{"drop an absolute value", replace(`^\tabs(\.f\d\d) (.*)$`, "\tmov$1 $2")},
	{"swap operands", replace(`^(\t(?:sub|div)\.rn\.\S+ \t%\w+), (%\w+), (%\w+);$`, "$1, $3, $2;")},
	{"and for or", exchange(`^(\t)(and|or)(\.(?:pred|b16|b64) .*)$`, "and", "or")},
}

// replace returns an operator that rewrites what matches a pattern.
func replace(pattern, with string) func(string) []string {
	re := regexp.MustCompile(pattern)
	return func(line string) []string {
		if !re.MatchString(line) {
			return nil
		}
		return []string{re.ReplaceAllString(line, with)}
	}
}

// exchange returns an operator that exchanges two words; the word is the second of the pattern's three groups.
func exchange(pattern, a, b string) func(string) []string {
	re := regexp.MustCompile(pattern)
	return func(line string) []string {
		m := re.FindStringSubmatch(line)
		if m == nil {
			return nil
		}
		other := a
		if m[2] == a {
			other = b
		}
		return []string{m[1] + other + m[3]}
	}
}

// constants returns an operator that adds to and subtracts from the number in the pattern's group.
func constants(pattern string, by int64) func(string) []string {
	re := regexp.MustCompile(pattern)
	return func(line string) []string {
		at := re.FindStringSubmatchIndex(line)
		if at == nil {
			return nil
		}
		n, err := strconv.ParseInt(line[at[2]:at[3]], 10, 64)
		if err != nil {
			return nil
		}
		var out []string
		for _, d := range []int64{by, -by} {
			out = append(out, line[:at[2]]+strconv.FormatInt(n+d, 10)+line[at[3]:])
		}
		return out
	}
}

// addresses returns an operator that moves an access by one element in either direction.
func addresses(pattern string) func(string) []string {
	re := regexp.MustCompile(pattern)
	return func(line string) []string {
		at := re.FindStringSubmatchIndex(line)
		if at == nil {
			return nil
		}
		offset := int64(0)
		end := at[3]
		if at[4] >= 0 {
			n, err := strconv.ParseInt(strings.TrimPrefix(line[at[4]:at[5]], "+"), 10, 64)
			if err != nil {
				return nil
			}
			offset, end = n, at[5]
		}
		size := int64(4)
		switch { // a vector is moved by its full length, to keep it aligned
		case strings.Contains(line, ".v4") || strings.Contains(line, ".v2.f64"):
			size = 16
		case strings.Contains(line, ".v2") || strings.Contains(line, "64"):
			size = 8
		case strings.Contains(line, ".u16"):
			size = 2
		case strings.Contains(line, ".u8"):
			size = 1
		}
		var out []string
		for _, d := range []int64{size, -size} {
			out = append(out, fmt.Sprintf("%s+%d%s", line[:at[3]], offset+d, line[end:]))
		}
		return out
	}
}

// all returns every mutant of a PTX text.
func all(ptx string) []mutant {
	var list []mutant
	kernel := ""
	entry := regexp.MustCompile(`^\.visible \.entry (\w+)\(`)
	lines := strings.Split(ptx, "\n")
	same := plainly(lines)
	for i, line := range lines {
		if m := entry.FindStringSubmatch(line); m != nil {
			kernel = m[1]
			continue
		}
		for _, o := range operators {
			for _, to := range o.make(line) {
				list = append(list, mutant{operator: o.name, kernel: kernel, line: i + 1, from: line, to: to, original: ptx, same: same(i, o.name, to)})
			}
		}
	}
	return list
}
