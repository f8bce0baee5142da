package main

import (
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is a bar on a terminal, for work that takes a while; nothing elsewhere.
type progress struct {
	w    *os.File // nil: no terminal
	bar  *progressbar.ProgressBar
	what string
}

// newProgress returns a progress on w, if that is a terminal.
func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progress{w: f, what: "elements"}
	}
	return &progress{}
}

// start begins the bar, of total steps.
func (p *progress) start(total int) {
	if p.w == nil {
		return
	}
	p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.w), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(p.what),
		progressbar.OptionFullWidth(), progressbar.OptionThrottle(100e6))
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
