package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/smoothl1/smoothl1/beam/evaluate"
)

// progress is a line on a terminal that follows the elements that workers in this process have evaluated.
type progress struct{ stop, stopped chan struct{} }

// newProgress begins the line, unless w is not a terminal.
func newProgress(w io.Writer) *progress {
	p := &progress{make(chan struct{}), make(chan struct{})}
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		close(p.stopped)
		return p
	}
	go p.follow(w)
	return p
}

// follow draws the line until stop is closed.
func (p *progress) follow(w io.Writer) {
	defer close(p.stopped)
	// No rate: it would be 0 until the first blocks are done, and a row of 60 columns has no room for it.
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(w), progressbar.OptionClearOnFinish(), progressbar.OptionShowCount(),
		progressbar.OptionFullWidth(), progressbar.OptionThrottle(100*time.Millisecond))
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			_ = bar.Finish() // failing to draw is not an error of the work
			return
		case <-tick.C:
		}
		done, total := evaluate.Progress()
		if total > 0 {
			if total != bar.GetMax64() {
				bar.ChangeMax64(total)
			}
			_ = bar.Set64(done)
		}
	}
}

// end clears the line.
func (p *progress) end() {
	close(p.stop)
	<-p.stopped
}
