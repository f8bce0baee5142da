package measure

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// peer is a Python process that measures one contender on command. Each contender has a process of its own, so that a compiler that
// fails or hangs affects nothing else.
type peer struct {
	hello
	patience time.Duration
	command  *exec.Cmd
	in       io.WriteCloser
	pipe     io.Closer
	out      *bufio.Reader
	noise    tail
	scratch  string       // folder for its compiler
	wait     func() error // waits for the process to end, and kills it after a while
	gone     bool         // the process has ended
}

// hello is a peer's first message.
type hello struct {
	Peer
	Bits       bool     // its bits are to be compared
	Operations []string // that it has; nil: all
}

// startPeer starts a contender on the device "cuda" or "cpu". The error says why it cannot take part. A peer that takes longer than
// patience to answer is killed.
func startPeer(ctx context.Context, python, device, contender string, patience time.Duration) (*peer, error) {
	script, variant, err := scriptOf(contender)
	if err != nil {
		return nil, err
	}
	p := &peer{patience: patience, command: exec.CommandContext(ctx, python, "-u", "-c", script, device, variant)}
	p.command.Stderr = &p.noise
	p.command.WaitDelay = time.Second // for processes that it leaves behind
	if p.scratch, err = os.MkdirTemp("", "smoothl1-peer-"); err != nil {
		return nil, err
	}
	// Compile in the process itself, so that no worker processes are left behind, and in a writable folder.
	p.command.Env = append(os.Environ(), "TORCHINDUCTOR_COMPILE_THREADS=1",
		"TORCHINDUCTOR_CACHE_DIR="+filepath.Join(p.scratch, "inductor"), "TRITON_CACHE_DIR="+filepath.Join(p.scratch, "triton"))
	out, err := p.start()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.scratch))
	}
	p.pipe, p.out = out, bufio.NewReader(out)
	p.wait = sync.OnceValue(func() error {
		kill := time.AfterFunc(5*time.Second, func() { _ = p.command.Process.Kill() }) // it should end by itself
		defer kill.Stop()
		return p.command.Wait()
	})
	if err := p.read(&p.hello); err != nil {
		_ = p.close() // err is the cause
		return nil, err
	}
	p.Contender = contender
	return p, nil
}

func (p *peer) start() (out io.ReadCloser, err error) {
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	if out, err = p.command.StdoutPipe(); err != nil {
		return nil, err
	}
	return out, p.command.Start()
}

// refusal is a peer's error for one command, after which it continues to serve.
type refusal string

func (r refusal) Error() string { return string(r) }

// ask sends a command and reads its answer into to, which may be nil.
func (p *peer) ask(to any, command map[string]any) error {
	line, err := json.Marshal(command)
	if err != nil {
		return err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return p.ended(err)
	}
	return p.read(to)
}

// afterFunc calls f after d unless stopped before. Tests replace it to control time.
var afterFunc = func(_ *exec.Cmd, d time.Duration, f func()) (stop func() bool) { return time.AfterFunc(d, f).Stop }

func (p *peer) read(to any) error {
	var late atomic.Bool
	end := afterFunc(p.command, p.patience, func() {
		late.Store(true)
		_ = p.command.Process.Kill()
		_ = p.pipe.Close()
	})
	line, err := p.out.ReadBytes('\n')
	end()
	if late.Load() {
		p.gone = true
		_ = p.close()
		return fmt.Errorf("no answer within %v", p.patience)
	}
	if err != nil {
		return p.ended(err)
	}
	var refused struct{ Error string }
	if err := json.Unmarshal(line, &refused); err != nil {
		return fmt.Errorf("answer %q: %w", line, err)
	}
	if refused.Error != "" {
		return refusal(refused.Error)
	}
	if to == nil {
		return nil
	}
	return json.Unmarshal(line, to)
}

// ended returns the error of a process that has ended, with the last line of its standard error.
func (p *peer) ended(err error) error {
	p.gone = true
	_ = p.close()
	return fmt.Errorf("no answer: %w%s", err, p.noise.last())
}

// close ends the process.
func (p *peer) close() error {
	err := p.in.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	if waited := p.wait(); waited != nil {
		err = errors.Join(err, fmt.Errorf("%w%s", waited, p.noise.last()))
	}
	return errors.Join(err, os.RemoveAll(p.scratch))
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	const most = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = bytes.Clone(t.text[max(0, len(t.text)-most):])
	return len(p), nil
}

// last returns the last line, for an error.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	if lines[0] == "" {
		return ""
	}
	return ": " + lines[len(lines)-1]
}

// prepare has the peer make the arrays of a workload, or map those that are shared with it, which begin at the given places.
func (p *peer) prepare(w Workload, sets, stride int, memory string, places map[string]int) error {
	l := w.layout()
	return p.ask(nil, map[string]any{"do": "prepare", "rows": w.rows(), "columns": w.N() / w.rows(), "dtype": w.DType.String(), "kind": w.Loss.Kind.String(),
		"beta": w.Loss.Beta, "reduction": w.Loss.Reduction.String(), "sets": sets, "stride": stride, "memory": memory, "places": places,
		"weight": l.weight, "mask": l.mask, "index": l.columns > 0, "threads": w.Threads})
}

// has reports whether the peer has an operation.
func (p *peer) has(op string) bool { return p.Operations == nil || slices.Contains(p.Operations, op) }

// contender returns the peer's operation on the workload that has been prepared.
func (p *peer) contender(o *operation, w Workload, most int) *contender {
	return &contender{
		entry: Entry{Op: o.name, Contender: p.Contender, Bytes: o.bytes(w)}, most: most, guest: true,
		sample: func(_ context.Context, calls int) (float64, float64, error) { // cancelling the context kills the process
			var took struct{ Device, Wall float64 }
			err := p.ask(&took, map[string]any{"do": "sample", "op": o.name, "calls": calls})
			return took.Device, took.Wall, err
		},
		cold: func(_ context.Context, calls int, other *otherMemory) (float64, error) {
			var took struct{ Wall float64 }
			err := p.ask(&took, map[string]any{"do": "cold", "op": o.name, "calls": calls, "walk": other.bytes})
			return took.Wall, err
		},
	}
}
