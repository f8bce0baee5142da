package main

import (
	"io"
	"os"
	"strconv"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is a bar on a terminal, for work that takes a while; nothing elsewhere.
type progress struct {
	w    *os.File // nil: no terminal
	bar  steps    // nil: there is none now
	what string   // the unit of the steps; "": they are not counted
}

// steps are what a bar counts.
type steps interface {
	Add(n int) error
	Finish() error
}

// newBar begins a bar. Tests count what it is told.
var newBar = func(p *progress, total int) steps {
	if p.w == nil {
		return nil
	}
	return p.draw(total)
}

// newProgress returns a progress on w, if that is a terminal.
func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progress{w: f, what: "elements"}
	}
	return &progress{}
}

// start begins the bar, of total steps.
func (p *progress) start(total int) { p.bar = newBar(p, total) }

// draw draws a bar on the terminal.
func (p *progress) draw(total int) *progressbar.ProgressBar {
	options := []progressbar.Option{progressbar.OptionSetWriter(&oneRow{w: p.w, width: func() int { return terminalWidth(p.w) }}),
		progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100e6), progressbar.OptionSetItsString(p.what)}
	return progressbar.NewOptions(total, append(options, parts(terminalWidth(p.w), total, p.what)...)...)
}

// parts are what a row has room for beside a bar: the time first, then the count, then the rate, if there is something to be counted.
func parts(width, total int, what string) (options []progressbar.Option) {
	const shortest = 8 // of bars that have something beside them
	digits := len(strconv.Itoa(total))
	bar := width - 1 - len(" 100% || ")
	for i, part := range []struct {
		length int // the longest that is likely
		option progressbar.Option
	}{
		{len(" [10m10s:10m10s]"), progressbar.OptionSetPredictTime(true)},
		{len("(/)") + 2*digits, progressbar.OptionShowCount()},
		{len(", /min") + digits + len(what), progressbar.OptionShowIts()},
	} {
		if bar-part.length < shortest || i > 0 && what == "" {
			break
		}
		bar -= part.length
		options = append(options, part.option)
	}
	if len(options) == 0 {
		options = append(options, progressbar.OptionSetPredictTime(false)) // it is on otherwise
	}
	return append(options, progressbar.OptionSetWidth(max(1, bar)))
}

// add does n steps. What the bar cannot write is no error of the work.
func (p *progress) add(n int) {
	if p.bar != nil {
		_ = p.bar.Add(n)
	}
}

// end clears the bar.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
}

// terminalWidth is the number of columns, 80 where the terminal does not know.
func terminalWidth(f *os.File) int {
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

// oneRow is a terminal on which a text between two carriage returns stays in its row, also where the row is shorter than when the
// text was chosen: the rest is left out. The last column stays free, since some terminals wrap when it is written.
type oneRow struct {
	w      io.Writer
	width  func() int
	column int
}

func (o *oneRow) Write(text []byte) (int, error) {
	width := o.width()
	var kept []byte
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == '\r':
			o.column = 0
			kept = append(kept, rest[:size]...)
		case o.column < width-1:
			o.column++
			kept = append(kept, rest[:size]...)
		}
		rest = rest[size:]
	}
	if _, err := o.w.Write(kept); err != nil {
		return 0, err
	}
	return len(text), nil
}
