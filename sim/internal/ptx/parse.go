package ptx

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits that bound the resources a text can take.
const (
	maxDepth = 100       // nested braces and parentheses
	maxBytes = 1 << 40   // of a variable
	maxText  = 256 << 20 // of a text
)

type parser struct {
	lex     lexer
	tok     token
	module  *Module
	global  *scope
	scope   *scope
	fn      *Func
	forward map[*Label]*Label
	funcs   map[string]*Func
	depth   int
	instPos int // where the current instruction's text begins
	inst    bool
}

// Parse reads a module. Its error is of type *Error.
func Parse(text string) (*Module, error) {
	if len(text) > maxText {
		return nil, &Error{Line: 1, Msg: fmt.Sprintf("a text of %d bytes; at most %d are read", len(text), maxText)}
	}
	// Some tools pass C strings with their terminating zero.
	text = strings.TrimRight(text, "\x00")
	p := &parser{lex: lexer{src: text, line: 1}, module: &Module{}, global: newScope(nil), funcs: map[string]*Func{}}
	p.scope = p.global
	if err := p.parse(); err != nil {
		return nil, err
	}
	return p.module, nil
}

func (p *parser) parse() error {
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.header(); err != nil {
		return err
	}
	for p.tok.kind != tEOF {
		if err := p.toplevel(); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	var bad *Error
	if p.inst && errors.As(err, &bad) {
		return p.failAt(bad.Line, "%s", bad.Msg)
	}
	return err
}

// fail returns an error at the current token's line.
func (p *parser) fail(format string, args ...any) error {
	return p.failAt(p.tok.line, format, args...)
}

func (p *parser) failAt(line int, format string, args ...any) error {
	e := &Error{Line: line, Msg: fmt.Sprintf(format, args...)}
	if p.inst {
		end := p.instPos
		for end < len(p.lex.src) && p.lex.src[end] != ';' && p.lex.src[end] != '\n' {
			end++
		}
		e.Instruction = squeeze(p.lex.src[p.instPos:end])
	}
	return e
}

func (p *parser) is(text string) bool {
	return p.tok.text == text && (p.tok.kind == tPunct)
}

func (p *parser) isDot(text string) bool { return p.tok.kind == tDot && p.tok.text == text }

// accept consumes a punctuation mark if it is there.
func (p *parser) accept(text string) (bool, error) {
	if !p.is(text) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) expect(text string) error {
	if !p.is(text) {
		return p.fail("%q expected, found %v", text, p.tok)
	}
	return p.advance()
}

func (p *parser) ident(what string) (string, error) {
	if p.tok.kind != tIdent {
		return "", p.fail("%s expected, found %v", what, p.tok)
	}
	name := p.tok.text
	return name, p.advance()
}

// header reads .version, .target and .address_size.
func (p *parser) header() error {
	if !p.isDot("version") {
		return p.fail(".version expected at the beginning, found %v", p.tok)
	}
	if err := p.advance(); err != nil {
		return err
	}
	major, minor, ok := strings.Cut(p.tok.text, ".")
	ma, err1 := strconv.Atoi(major)
	mi, err2 := strconv.Atoi(minor)
	if p.tok.kind != tNumber || !ok || err1 != nil || err2 != nil || mi > 99 {
		return p.fail("a version like 7.8 expected, found %v", p.tok)
	}
	if ma > NewestMajor {
		return &Error{Line: p.tok.line, NewerISA: true,
			Msg: fmt.Sprintf("PTX %d.%d is newer than %d.x, the newest supported version", ma, mi, NewestMajor)}
	}
	p.module.Major, p.module.Minor = ma, mi
	if err := p.advance(); err != nil {
		return err
	}
	if !p.isDot("target") {
		return p.fail(".target expected after .version, found %v", p.tok)
	}
	if err := p.advance(); err != nil {
		return err
	}
	for {
		name, err := p.ident("a target")
		if err != nil {
			return err
		}
		if sm, ok := strings.CutPrefix(name, "sm_"); ok {
			var suffix byte
			if last := len(sm) - 1; last >= 0 && (sm[last] == 'a' || sm[last] == 'f') {
				sm, suffix = sm[:last], sm[last]
			}
			n, err := strconv.Atoi(sm)
			if err != nil || n < 10 || n > 999 || p.module.SM != 0 || suffix == 'a' && n < 90 || suffix == 'f' && n < 100 {
				return p.fail("%q is not a target", name)
			}
			p.module.Target, p.module.SM, p.module.Suffix = name, n, suffix
		} else if name != "debug" && name != "texmode_unified" && name != "texmode_independent" && name != "map_f64_to_f32" {
			return p.fail("%q is not a target", name)
		} else if name == "map_f64_to_f32" {
			return p.fail("the target map_f64_to_f32 is not supported")
		}
		if more, err := p.accept(","); err != nil {
			return err
		} else if !more {
			break
		}
	}
	if p.module.SM == 0 {
		return p.fail(".target names no sm_NN")
	}
	if !p.isDot("address_size") {
		return p.fail(".address_size 64 expected after .target, found %v", p.tok)
	}
	if err := p.advance(); err != nil {
		return err
	}
	if p.tok.kind != tNumber || p.tok.text != "64" {
		return p.fail(".address_size %s is not supported, only 64", p.tok.text)
	}
	return p.advance()
}

// toplevel reads one function, variable or directive.
func (p *parser) toplevel() error {
	if p.tok.kind != tDot {
		if ok, err := p.accept(";"); ok {
			return err
		}
		return p.fail("a directive expected, found %v", p.tok)
	}
	switch p.tok.text {
	case "file":
		return p.fileDirective()
	case "section":
		return p.section()
	case "pragma":
		return p.pragma()
	}
	linkage := ""
	switch p.tok.text {
	case "extern", "visible", "weak", "common":
		linkage = p.tok.text
		if err := p.advance(); err != nil {
			return err
		}
	}
	if p.tok.kind != tDot {
		return p.fail("a declaration expected, found %v", p.tok)
	}
	switch p.tok.text {
	case "entry", "func":
		return p.function(linkage)
	case "global", "const", "shared":
		return p.variables(linkage == "extern")
	}
	return p.fail("the directive .%s is not supported", p.tok.text)
}

// fileDirective reads .file 1 "name" [, timestamp, size].
func (p *parser) fileDirective() error {
	if err := p.advance(); err != nil {
		return err
	}
	for _, k := range [...]kind{tNumber, tString} {
		if p.tok.kind != k {
			return p.fail(".file needs a number and a name, found %v", p.tok)
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	for {
		if more, err := p.accept(","); err != nil || !more {
			return err
		}
		if p.tok.kind != tNumber {
			return p.fail("a number expected, found %v", p.tok)
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
}

// section skips .section .debug_info { … }.
func (p *parser) section() error {
	line := p.tok.line
	if err := p.advance(); err != nil {
		return err
	}
	if p.tok.kind != tDot {
		return p.fail("the name of a section expected, found %v", p.tok)
	}
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.expect("{"); err != nil {
		return err
	}
	for !p.is("}") {
		if p.tok.kind == tEOF {
			return p.fail("the text ends inside the section of line %d", line)
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	return p.advance()
}

// pragma skips .pragma "…", "…"; pragmas are hints to the compiler and do not change the result.
func (p *parser) pragma() error {
	if err := p.advance(); err != nil {
		return err
	}
	for {
		if p.tok.kind != tString {
			return p.fail("a string expected after .pragma, found %v", p.tok)
		}
		if err := p.advance(); err != nil {
			return err
		}
		if more, err := p.accept(","); err != nil {
			return err
		} else if !more {
			return p.expect(";")
		}
	}
}

// squeeze replaces runs of white space and comments by single blanks.
func squeeze(s string) string {
	const most = 200
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = s[:most] + " …"
	}
	return s
}
