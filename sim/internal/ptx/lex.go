package ptx

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Kinds of token.
type kind uint8

const (
	tEOF    kind = iota
	tIdent       // add, %rd1, $L__BB0_1, _ZN3foo
	tDot         // .global, .v4, .L2::128B: the text is without the dot
	tNumber      // 12, 0x1F, 0f3F800000, 1.5e3
	tString
	tPunct // one of , ; : [ ] { } ( ) @ ! + - * / % & | ^ ~ < > = ? and the doubled ones
)

type token struct {
	kind kind
	text string
	line int
}

func (t token) String() string {
	switch t.kind {
	case tEOF:
		return "the end of the text"
	case tDot:
		return fmt.Sprintf("%q", "."+t.text)
	}
	return fmt.Sprintf("%q", t.text)
}

// An Error describes an error in a text and its location.
type Error struct {
	Line        int    // from 1
	Instruction string // the faulty instruction, or "" for other errors
	Msg         string
	NewerISA    bool // the text is for a newer PTX than this package knows
}

func (e *Error) Error() string {
	const most = 300 // truncate: a name may be as long as the text
	if len(e.Msg) > most {
		e = &Error{Line: e.Line, Instruction: e.Instruction, Msg: strings.ToValidUTF8(e.Msg[:most], "") + " …"}
	}
	if e.Instruction != "" {
		return fmt.Sprintf("ptx line %d: %s: in %q", e.Line, e.Msg, e.Instruction)
	}
	return fmt.Sprintf("ptx line %d: %s", e.Line, e.Msg)
}

type lexer struct {
	src  string
	pos  int
	line int
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }
func follow(c byte) bool { return letter(c) || digit(c) || c == '_' || c == '$' }

// skip skips white space and comments.
func (l *lexer) skip() error {
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		switch {
		case c == '\n':
			l.line++
			l.pos++
		case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
			l.pos++
		case strings.HasPrefix(l.src[l.pos:], "//"):
			end := strings.IndexByte(l.src[l.pos:], '\n')
			if end < 0 {
				end = len(l.src) - l.pos
			}
			l.pos += end
		case strings.HasPrefix(l.src[l.pos:], "/*"):
			end := strings.Index(l.src[l.pos+2:], "*/")
			if end < 0 {
				return &Error{Line: l.line, Msg: "a comment without an end"}
			}
			end += l.pos + 4
			l.line += strings.Count(l.src[l.pos:end], "\n")
			l.pos = end
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	if l.pos >= len(l.src) {
		return token{kind: tEOF, line: l.line}, nil
	}
	start, c := l.pos, l.src[l.pos]
	tok := func(k kind) (token, error) { return token{k, l.src[start:l.pos], l.line}, nil }
	switch {
	case letter(c) || c == '_' || c == '$' || c == '%' && l.pos+1 < len(l.src) && (letter(l.src[l.pos+1]) || l.src[l.pos+1] == '_' || l.src[l.pos+1] == '$'):
		l.pos++
		for l.pos < len(l.src) && follow(l.src[l.pos]) {
			l.pos++
		}
		return tok(tIdent)
	case digit(c):
		l.number()
		return tok(tNumber)
	case c == '.' && l.pos+1 < len(l.src) && follow(l.src[l.pos+1]):
		l.pos++
		for l.pos < len(l.src) {
			switch {
			case follow(l.src[l.pos]):
				l.pos++
			case strings.HasPrefix(l.src[l.pos:], "::") && l.pos+2 < len(l.src) && follow(l.src[l.pos+2]):
				l.pos += 3
			default:
				return token{tDot, l.src[start+1 : l.pos], l.line}, nil
			}
		}
		return token{tDot, l.src[start+1 : l.pos], l.line}, nil
	case c == '"':
		l.pos++
		for l.pos < len(l.src) && l.src[l.pos] != '"' {
			switch {
			case l.src[l.pos] == '\n':
				return token{}, &Error{Line: l.line, Msg: "a string without an end"}
			case l.src[l.pos] == '\\' && l.pos+1 < len(l.src):
				l.pos++
			}
			l.pos++
		}
		if l.pos >= len(l.src) {
			return token{}, &Error{Line: l.line, Msg: "a string without an end"}
		}
		l.pos++
		return token{tString, l.src[start+1 : l.pos-1], l.line}, nil
	}
	for _, two := range [...]string{"<<", ">>", "<=", ">=", "==", "!=", "&&", "||"} {
		if strings.HasPrefix(l.src[l.pos:], two) {
			l.pos += 2
			return tok(tPunct)
		}
	}
	if strings.IndexByte(",;:[]{}()@!+-*/%&|^~<>=?", c) >= 0 {
		l.pos++
		return tok(tPunct)
	}
	_, n := utf8.DecodeRuneInString(l.src[l.pos:])
	return token{}, &Error{Line: l.line, Msg: fmt.Sprintf("the character %q has no meaning here", l.src[l.pos:l.pos+n])}
}

// number skips a number: digits, letters of hexadecimal digits and suffixes, a fraction and an exponent.
func (l *lexer) number() {
	hex := strings.HasPrefix(l.src[l.pos:], "0x") || strings.HasPrefix(l.src[l.pos:], "0X")
	for l.pos++; l.pos < len(l.src); l.pos++ {
		c := l.src[l.pos]
		switch {
		case letter(c) || digit(c) || c == '.':
		case (c == '+' || c == '-') && !hex && (l.src[l.pos-1] == 'e' || l.src[l.pos-1] == 'E') && decimal(l.src, l.pos-1):
		default:
			return
		}
	}
}

// decimal reports whether the number that ends before the exponent sign at end is written in decimal digits, so that the sign
// belongs to an exponent: 1.5e-3, but not 0f3F80000E-3.
func decimal(src string, end int) bool {
	for i := end - 1; i >= 0 && (digit(src[i]) || src[i] == '.' || letter(src[i])); i-- {
		if letter(src[i]) {
			return false
		}
	}
	return true
}
