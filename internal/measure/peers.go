package measure

import (
	"context"
	"embed"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/smoothl1/smoothl1"
)

//go:embed protocol.py
var protocol string

//go:embed peers/*.py
var peerFiles embed.FS

// scriptOf returns the program of a contender. Its name is that of its file, perhaps followed by a comma and a variant.
func scriptOf(contender string) (script, variant string, err error) {
	file, variant, _ := strings.Cut(contender, ", ")
	text, err := peerFiles.ReadFile("peers/" + file + ".py")
	if err != nil {
		return "", "", fmt.Errorf("there is no contender %q", contender)
	}
	return protocol + "\n" + string(text) + "\nserve(Contender)\n", variant, nil
}

// PeersOn returns the names of all contenders in Python on a device, "cpu" or "cuda". The files in peers list them after
// "# on DEVICE: ", separated by semicolons.
func PeersOn(device string) (all []string) {
	files, err := peerFiles.ReadDir("peers")
	if err != nil {
		return nil // cannot happen: the folder is embedded
	}
	for _, f := range files {
		text, _ := peerFiles.ReadFile("peers/" + f.Name()) // nor can this
		for line := range strings.Lines(string(text)) {
			if names, ok := strings.CutPrefix(line, "# on "+device+": "); ok {
				all = append(all, strings.Split(strings.TrimSpace(names), "; ")...)
			}
		}
	}
	return all
}

// starting is a peer that is being started in the background.
type starting struct {
	contender string
	peer      *peer
	err       error
	done      chan struct{}
}

// startPeers starts all contenders in Python that have something to do concurrently, if c asks for them.
func (r *Result) startPeers(ctx context.Context, c *Config) (all []*starting) {
	backend := c.Device.Backend()
	switch {
	case c.Python == "":
		r.NoPeers = "not asked for"
		return nil
	case backend == "sim":
		r.NoPeers = "not available on a simulated device"
		return nil
	}
	patience := c.Patience
	if patience == 0 {
		patience = 2 * time.Minute
	}
	for _, name := range PeersOn(backend) {
		if len(c.Workloads) == 0 && (name == Whole || name == Graphed) {
			continue // their bits are those of the others
		}
		s := &starting{contender: name, done: make(chan struct{})}
		all = append(all, s)
		go func() {
			defer close(s.done)
			s.peer, s.err = startPeer(ctx, c.Python, backend, name, patience)
		}()
	}
	return all
}

// met waits until a peer has started, and records whether it takes part. It returns nil if it does not. Variants of a missing library
// are not recorded.
func (r *Result) met(c *Config, s *starting) *peer {
	<-s.done
	library, _, _ := strings.Cut(s.contender, ", ")
	switch {
	case s.err == nil:
		r.Peers = append(r.Peers, s.peer.Peer)
		return s.peer
	case slices.ContainsFunc(r.Peers, func(p Peer) bool { return p.Contender == library && p.Absent != "" }):
		return nil
	}
	p := Peer{Contender: s.contender, Absent: oneLine(s.err)}
	r.Peers = append(r.Peers, p)
	c.report("without " + p.Contender + ": " + p.Absent)
	return nil
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// invite has a peer prepare a workload, checks its results if the memory is shared, and returns its contenders. Operations that it
// cannot do, or does wrong, are reported to lost.
func invite[T smoothl1.Float](ctx context.Context, c *Config, p *peer, arrays *rotation[T], w Workload, expected expectations[T],
	lost func(*operation, error)) (guests []*contender, err error) {
	memory, most := "", 50
	if arrays.shared != nil {
		memory = arrays.shared.path()
	}
	if arrays.sets == 1 && memory != "" {
		most = 1 << 15
	}
	ops := slices.DeleteFunc(w.operations(), func(o operation) bool { return !p.has(o.name) })
	if len(ops) == 0 {
		return nil, nil
	}
	if err := p.prepare(w, arrays.sets, arrays.stride, memory, arrays.places); err != nil {
		return nil, err
	}
	for _, o := range ops {
		if memory != "" {
			err := checkPeer(ctx, p, arrays, &o, expected[o.form])
			if p.gone || ctx.Err() != nil {
				return nil, err
			}
			if err != nil {
				lost(&o, err)
				continue
			}
		}
		g := p.contender(&o, w, most)
		g.every = c.GuestsEvery
		if c.Device.Backend() == "cpu" && runtime.GOMAXPROCS(0) > 1 {
			g.rest = 5 * time.Millisecond
		}
		guests = append(guests, g)
	}
	return guests, nil
}
