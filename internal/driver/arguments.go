package driver

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	parameter = regexp.MustCompile(`^\s*\.param\s+(?:\.align\s+\d+\s+)?\.[a-z]+(\d+)\s[^\[\]/]*(?:\[\s*(\d+)\s*\])?\s*$`)
	nothing   = regexp.MustCompile(`^\s*$`)
)

// Arguments returns how many arguments Launch takes for a kernel of a PTX text: one for each parameter, and for a struct passed
// by value as many as it has words of 8 bytes. It returns −1 where the text has no such kernel, or is not as compilers write it. A
// struct must be the last parameter: a driver that is given an address for each argument reads the others at addresses of their own.
func Arguments(ptx, kernel string) (int, error) {
	for rest := ptx; ; {
		_, after, ok := strings.Cut(rest, ".entry")
		if !ok {
			return -1, nil
		}
		rest = after
		head, body, ok := strings.Cut(rest, "(")
		if !ok {
			return -1, nil
		}
		if strings.TrimSpace(head) != kernel {
			continue
		}
		list, _, ok := strings.Cut(body, ")")
		if !ok {
			return -1, nil
		}
		return arguments(kernel, list)
	}
}

func arguments(kernel, list string) (int, error) {
	if nothing.MatchString(list) {
		return 0, nil
	}
	n := 0
	parameters := strings.Split(list, ",")
	for i, p := range parameters {
		m := parameter.FindStringSubmatch(p)
		if m == nil {
			return -1, nil
		}
		bits, _ := strconv.Atoi(m[1]) // digits
		count := 1
		if m[2] != "" {
			var err error
			if count, err = strconv.Atoi(m[2]); err != nil || count > 1<<20 {
				return -1, nil
			}
		}
		bytes := bits / 8 * count
		if bytes > 8 && i < len(parameters)-1 {
			return -1, fmt.Errorf("kernel %s: parameter %d of %d bytes: only the last parameter may have more than 8", kernel, i, bytes)
		}
		n += max(1, (bytes+7)/8)
	}
	return n, nil
}
