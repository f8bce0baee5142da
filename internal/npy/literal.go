package npy

import (
	"bytes"
	"fmt"
	"strconv"
)

// fields holds the values of a header's dictionary.
type fields struct {
	descr   string
	fortran bool
	shape   []int
}

// parseDict parses the Python dictionary of a header: the keys descr, fortran_order and shape, each once, in any order. Quotes,
// blanks and trailing commas may vary as in Python; other ways of writing the same values are errors. Python 2 wrote
// integers like 3L in files of versions 1 and 2, which NumPy still reads.
func parseDict(text []byte, python2 bool) (fields, error) {
	var f fields
	s := &scanner{text: text, python2: python2}
	if !s.skip('{') {
		return f, s.expected("a dictionary")
	}
	seen := map[string]bool{}
	for !s.skip('}') {
		if len(seen) > 0 && !s.skip(',') {
			return f, s.expected("',' or '}'")
		}
		if len(seen) > 0 && s.skip('}') {
			break
		}
		key, err := s.quoted("a key")
		if err != nil {
			return f, err
		}
		if seen[key] {
			return f, fmt.Errorf("the key %q twice", key)
		}
		seen[key] = true
		if !s.skip(':') {
			return f, s.expected("':'")
		}
		switch key {
		case "descr":
			f.descr, err = s.descr()
		case "fortran_order":
			f.fortran, err = s.boolean()
		case "shape":
			f.shape, err = s.tuple()
		default:
			err = fmt.Errorf("the unknown key %q", key)
		}
		if err != nil {
			return f, err
		}
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return f, fmt.Errorf("no key %q", key)
		}
	}
	if s.peek() != 0 || s.pos < len(text) {
		return f, s.expected("blanks to the end")
	}
	return f, nil
}

type scanner struct {
	text    []byte
	pos     int
	python2 bool
}

// peek returns the next byte that isn't a blank, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) skip(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) expected(what string) error {
	if s.peek(); s.pos == len(s.text) {
		return fmt.Errorf("at its end: want %s", what)
	}
	rest := s.text[s.pos:]
	return fmt.Errorf("at character %d: want %s, have %q", s.pos, what, rest[:min(len(rest), 16)])
}

// quoted reads a string in single or double quotes. It does not unescape, since no valid key or dtype contains a backslash.
func (s *scanner) quoted(what string) (string, error) {
	quote := s.peek()
	if quote != '\'' && quote != '"' {
		return "", s.expected(what + " in quotes")
	}
	body, _, closed := bytes.Cut(s.text[s.pos+1:], []byte{quote})
	if !closed || bytes.ContainsAny(body, "\\\n") {
		return "", s.expected(what + " in quotes")
	}
	s.pos += len(body) + 2
	return string(body), nil
}

func (s *scanner) descr() (string, error) {
	switch s.peek() {
	case '[':
		return "", fmt.Errorf("a structured dtype, which isn't supported")
	case '(':
		return "", fmt.Errorf("a dtype of subarrays, which isn't supported")
	}
	return s.quoted("a dtype")
}

func (s *scanner) boolean() (bool, error) {
	s.peek()
	for _, word := range []string{"True", "False"} {
		if bytes.HasPrefix(s.text[s.pos:], []byte(word)) {
			s.pos += len(word)
			return word == "True", nil
		}
	}
	return false, s.expected("True or False")
}

func (s *scanner) tuple() ([]int, error) {
	if !s.skip('(') {
		return nil, s.expected("a tuple for the shape")
	}
	shape, comma := []int{}, false
	for !s.skip(')') {
		if len(shape) > 0 && !comma {
			return nil, s.expected("',' or ')'")
		}
		if len(shape) == maxDims {
			return nil, fmt.Errorf("more than NumPy's %d dimensions", maxDims)
		}
		d, err := s.dimension()
		if err != nil {
			return nil, err
		}
		shape, comma = append(shape, d), s.skip(',')
	}
	if len(shape) == 1 && !comma {
		return nil, fmt.Errorf("the number %d for a shape, not the tuple (%d,)", shape[0], shape[0])
	}
	return shape, nil
}

func (s *scanner) dimension() (int, error) {
	s.peek()
	start := s.pos
	if s.pos < len(s.text) && s.text[s.pos] == '-' {
		s.pos++
	}
	digits := s.pos
	for s.pos < len(s.text) && s.text[s.pos] >= '0' && s.text[s.pos] <= '9' {
		s.pos++
	}
	word := string(s.text[start:s.pos])
	switch {
	case s.pos == digits, s.text[digits] == '0' && s.pos > digits+1: // Python has no 007 either
		s.pos = start
		return 0, s.expected("a dimension")
	case digits > start:
		return 0, fmt.Errorf("the negative dimension %s", word)
	}
	d, err := strconv.Atoi(word)
	if err != nil {
		return 0, fmt.Errorf("the dimension %s, which overflows", word)
	}
	if s.python2 && s.pos < len(s.text) && s.text[s.pos] == 'L' {
		s.pos++
	}
	return d, nil
}
