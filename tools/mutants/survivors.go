package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// survivors is the list of mutants that are equivalent to the original: named reasons, and for each mutant the name of one.
type survivors struct {
	head    []string // the comment at the top
	reasons []reason
	why     map[id]string // the name of a mutant's reason, or unknown
}

// A reason says why mutants are equivalent.
type reason struct {
	name, text string
	// mayStop: the simulated device may nevertheless stop such a mutant for a race: it lets threads write the same number to the same
	// address only if that has not been read before.
	mayStop bool
}

// id identifies a mutant independently of the numbers of lines, registers and labels.
type id struct {
	kernel, operator, change string
	ordinal                  int // among those of the kernel that are equal so far, from 1
}

const (
	unknown = "?"
	stops   = " (may be stopped)"
)

var (
	numbered = regexp.MustCompile(`%(r|rs|rd|f|fd|p)\d+\b`)
	label    = regexp.MustCompile(`\$L__BB\d+_\d+`)
)

// plain returns an instruction without the numbers of its registers and labels.
func plain(line string) string {
	line = label.ReplaceAllString(numbered.ReplaceAllString(line, "%$1"), "$$L")
	if line = strings.Join(strings.Fields(line), " "); line == "" {
		return "nothing"
	}
	return line
}

// name gives every mutant of a text its id.
func name(all []mutant) {
	seen := map[id]int{}
	for i := range all {
		m := &all[i]
		k := id{kernel: m.kernel, operator: m.operator, change: plain(m.from) + " => " + plain(m.to)}
		seen[k]++
		m.id = k
		m.id.ordinal = seen[k]
	}
}

// readSurvivors reads what write writes.
func readSurvivors(file string) (*survivors, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &survivors{why: map[id]string{}}
	var group id
	why := ""
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		bad := func(what string) error { return fmt.Errorf("%s, line %d: %s: %q", file, n, what, line) }
		rest, isReason := strings.CutPrefix(line, "reason ")
		fields := strings.Split(line, "\t")
		switch {
		case line == "":
		case strings.HasPrefix(line, "#"):
			s.head = append(s.head, line)
		case isReason:
			name, text, ok := strings.Cut(rest, ": ")
			if !ok {
				return nil, bad("want reason NAME: TEXT")
			}
			name, mayStop := strings.CutSuffix(name, stops)
			s.reasons = append(s.reasons, reason{name, text, mayStop})
		case fields[0] == "" && len(fields) == 3:
			for _, word := range strings.Fields(fields[2]) {
				k := group
				k.kernel = fields[1]
				if k.ordinal, err = strconv.Atoi(word); err != nil {
					return nil, bad("not a number")
				}
				if _, twice := s.why[k]; twice {
					return nil, bad("a mutant is listed twice")
				}
				s.why[k] = why
			}
		case len(fields) == 3:
			why, group = fields[0], id{operator: fields[1], change: fields[2]}
			if _, ok := s.reason(why); !ok && why != unknown {
				return nil, bad("no such reason")
			}
		default:
			return nil, bad("want REASON, OPERATOR and CHANGE, or a kernel and numbers")
		}
	}
	return s, lines.Err()
}

// write writes the list: under each reason and change, the kernels, with the ordinals of their mutants.
func (s *survivors) write(file string) error {
	groups := map[string]map[string][]int{}
	for k, why := range s.why {
		group := strings.Join([]string{why, k.operator, k.change}, "\t")
		if groups[group] == nil {
			groups[group] = map[string][]int{}
		}
		groups[group][k.kernel] = append(groups[group][k.kernel], k.ordinal)
	}
	var b strings.Builder
	for _, line := range s.head {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintln(&b)
	for _, r := range s.reasons {
		mark := ""
		if r.mayStop {
			mark = stops
		}
		fmt.Fprintf(&b, "reason %s%s: %s\n", r.name, mark, r.text)
	}
	for _, group := range sorted(groups) {
		fmt.Fprintf(&b, "\n%s\n", group)
		for _, kernel := range sorted(groups[group]) {
			ordinals := groups[group][kernel]
			slices.Sort(ordinals)
			fmt.Fprintf(&b, "\t%s\t%s\n", kernel, strings.Trim(fmt.Sprint(ordinals), "[]"))
		}
	}
	return os.WriteFile(file, []byte(b.String()), 0o666)
}

func sorted[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (s *survivors) reason(name string) (reason, bool) {
	i := slices.IndexFunc(s.reasons, func(r reason) bool { return r.name == name })
	if i < 0 {
		return reason{}, false
	}
	return s.reasons[i], true
}

// judged returns a mutant's verdict, given the list.
func (s *survivors) judged(v verdict) verdict {
	why, listed := s.why[v.id]
	r, _ := s.reason(why)
	switch {
	case v.how == broken:
	case listed && v.how == survived:
		v.how, v.detail = equivalent, r.text
	case listed && !(v.how == stopped && r.mayStop):
		v.how, v.detail = misjudged, fmt.Sprintf("%s, and is listed as equivalent: %s: %s", v.how, r.text, v.detail)
	}
	return v
}

// check returns an error if a listed mutant has no reason, or is not a mutant of the texts.
func (s *survivors) check(all []mutant) error {
	are := map[id]bool{}
	for _, m := range all {
		are[m.id] = true
	}
	nameless, gone := 0, 0
	var errs []error
	for k, why := range s.why {
		if why == unknown {
			nameless++
		}
		if !are[k] {
			gone++
		}
	}
	if nameless > 0 {
		errs = append(errs, fmt.Errorf("%d survivors are listed without a reason", nameless))
	}
	if gone > 0 {
		errs = append(errs, fmt.Errorf("%d listed survivors are not in the PTX; -update removes them", gone))
	}
	return errors.Join(errs...)
}

// update adds the judged mutants that survive, new ones without a reason, and removes those that are caught or are not mutants of the
// texts. Mutants that were not judged stay, with their reasons.
func (s *survivors) update(all []mutant, verdicts []verdict) {
	are := map[id]bool{}
	for _, m := range all {
		are[m.id] = true
	}
	for k := range s.why {
		if !are[k] {
			delete(s.why, k)
		}
	}
	for _, v := range verdicts {
		switch v.how {
		case survived:
			s.why[v.id] = unknown
		case misjudged:
			delete(s.why, v.id)
		}
	}
}
