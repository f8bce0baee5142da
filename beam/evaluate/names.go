package evaluate

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
)

var (
	ofTotal  = regexp.MustCompile(`^(.*[^0-9]|)(\d+)-of-(\d+)([^/]*)$`)
	numbered = regexp.MustCompile(`^(.*[^0-9]|)(\d+)([^0-9/]*)$`)
)

// order sorts the files that match a pattern in the order of their shards. It returns an error that names a file that is missing, doubled,
// or does not belong to the others.
func order(names []string) ([]string, error) {
	sorted := slices.Sorted(slices.Values(names))
	for i := range sorted[1:] {
		if sorted[i] == sorted[i+1] {
			return nil, fmt.Errorf("%s is listed twice", sorted[i])
		}
	}
	parts, complete := split(sorted, ofTotal)
	if complete == 0 {
		if parts, complete = split(sorted, numbered); complete < len(sorted) || len(sorted) == 1 {
			return sorted, nil
		}
		for _, p := range parts[1:] {
			if p.before != parts[0].before || p.after != parts[0].after {
				return sorted, nil
			}
		}
		return sequence(parts, nil)
	}
	first := parts[0]
	for i, p := range parts {
		switch {
		case p.name == "":
			return nil, fmt.Errorf("%s is not a shard of %s, or the pattern matches two arrays", sorted[i], parts[slices.IndexFunc(parts, func(p part) bool { return p.name != "" })].name)
		case p.before != first.before || p.after != first.after || p.total.Cmp(first.total) != 0:
			return nil, fmt.Errorf("%s and %s are not shards of the same array", first.name, p.name)
		}
	}
	return sequence(parts, first.total)
}

// part is the name of a shard with a number.
type part struct {
	name, before, digits, after string
	number, total               *big.Int // any number of digits
}

// split returns the parts of the names that have the form, with a zero part for those that do not, and the number of those that do.
func split(names []string, form *regexp.Regexp) (parts []part, n int) {
	parts = make([]part, len(names))
	for i, name := range names {
		m := form.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		n++
		p := part{name: name, before: m[1], digits: m[2], after: m[len(m)-1]}
		p.number, _ = new(big.Int).SetString(m[2], 10)
		if form == ofTotal {
			p.total, _ = new(big.Int).SetString(m[3], 10)
			p.after = "-of-" + m[3] + p.after
		}
		parts[i] = p
	}
	return parts, n
}

// sequence returns the names by number. The numbers must be 0 to total−1, or else consecutive.
func sequence(parts []part, total *big.Int) (names []string, err error) {
	slices.SortStableFunc(parts, func(a, b part) int { return a.number.Cmp(b.number) })
	next := new(big.Int)
	if total == nil {
		next.Set(parts[0].number)
	}
	for i, p := range parts {
		switch p.number.Cmp(next) {
		case -1:
			return nil, fmt.Errorf("%s and %s are the same shard", parts[i-1].name, p.name)
		case 1:
			return nil, missing(p, next)
		}
		next.Add(next, big.NewInt(1))
		names = append(names, p.name)
	}
	switch last := parts[len(parts)-1]; {
	case total == nil:
	case next.Cmp(total) < 0:
		return nil, missing(last, next)
	case next.Cmp(total) > 0:
		return nil, fmt.Errorf("%s has a number that is not below %v", last.name, total)
	}
	return names, nil
}

// missing returns the error for a missing shard, whose name is like that of another.
func missing(like part, number *big.Int) error {
	return fmt.Errorf("shard %s%0*d%s is missing", like.before, len(like.digits), number, like.after)
}
