package main

import (
	"io"
	"os"
	"strconv"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is a progress bar, shown only on a terminal.
type progress struct {
	w    *os.File // nil: no terminal
	bar  steps    // nil: none is shown
	what string   // the unit of the steps; "": no count is shown
}

// steps is the part of a progress bar that counts.
type steps interface {
	Add(n int) error
	Finish() error
}

// newBar begins a bar. Tests replace it to record the calls.
var newBar = func(p *progress, total int) steps {
	if p.w == nil {
		return nil
	}
	return p.draw(total)
}

// newProgress returns a progress on w, which shows nothing unless w is a terminal.
func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progress{w: f, what: "elements"}
	}
	return &progress{}
}

// start begins a bar of total steps.
func (p *progress) start(total int) { p.bar = newBar(p, total) }

// draw draws a bar on the terminal.
func (p *progress) draw(total int) *progressbar.ProgressBar {
	options := []progressbar.Option{progressbar.OptionSetWriter(&oneRow{w: p.w, width: func() int { return terminalWidth(p.w) }}),
		progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100e6), progressbar.OptionSetItsString(p.what)}
	return progressbar.NewOptions(total, append(options, parts(terminalWidth(p.w), total, p.what)...)...)
}

// parts returns options for what fits in a row beside a bar: the time first, then the count and the rate, if steps are counted.
func parts(width, total int, what string) (options []progressbar.Option) {
	const shortest = 8 // bar with anything beside it
	digits := len(strconv.Itoa(total))
	bar := width - 1 - len(" 100% || ")
	for i, part := range []struct {
		length int // the greatest likely
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
		options = append(options, progressbar.OptionSetPredictTime(false)) // the default is true
	}
	return append(options, progressbar.OptionSetWidth(max(1, bar)))
}

// add advances the bar by n steps. Failing to draw it is not an error of the work.
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

// terminalWidth returns the number of columns, or 80 if it is unknown.
func terminalWidth(f *os.File) int {
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

// oneRow writes to a terminal and cuts the text between two carriage returns off at the end of the row, even if the terminal has become
// narrower since the text was laid out. The last column stays free, since some terminals wrap when it is written.
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
