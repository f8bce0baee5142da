package measure

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"
)

//go:embed protocol.py
var protocol string

//go:embed peers/*.py
var peerFiles embed.FS

// scriptOf returns the program of a contender, whose name is its file's, or that, a comma and a variant.
func scriptOf(contender string) (script, variant string, err error) {
	file, variant, _ := strings.Cut(contender, ", ")
	text, err := peerFiles.ReadFile("peers/" + file + ".py")
	if err != nil {
		return "", "", fmt.Errorf("there is no contender %q", contender)
	}
	return protocol + "\n" + string(text) + "\nserve(Contender)\n", variant, nil
}

// PeersOn returns the names of all contenders in Python on a device, "cpu" or "cuda": what the files in peers say after
// "# on DEVICE: ", with semicolons between them.
func PeersOn(device string) (all []string) {
	files, err := peerFiles.ReadDir("peers")
	if err != nil {
		return nil // it is part of the program
	}
	for _, f := range files {
		text, _ := peerFiles.ReadFile("peers/" + f.Name()) // as is this
		for line := range strings.Lines(string(text)) {
			if names, ok := strings.CutPrefix(line, "# on "+device+": "); ok {
				all = append(all, strings.Split(strings.TrimSpace(names), "; ")...)
			}
		}
	}
	return all
}

// starting is a peer that starts while others do something.
type starting struct {
	contender string
	peer      *peer
	err       error
	done      chan struct{}
}

// startPeers starts the contenders in Python, where they are asked for, all at the same time.
func (r *Result) startPeers(ctx context.Context, c *Config) (all []*starting) {
	backend := c.Device.Backend()
	switch {
	case c.Python == "":
		r.NoPeers = "not asked for"
		return nil
	case backend == "sim":
		r.NoPeers = "there is none on a simulated device"
		return nil
	}
	patience := c.Patience
	if patience == 0 {
		patience = 2 * time.Minute
	}
	for _, name := range PeersOn(backend) {
		s := &starting{contender: name, done: make(chan struct{})}
		all = append(all, s)
		go func() {
			defer close(s.done)
			s.peer, s.err = startPeer(ctx, c.Python, backend, name, patience)
		}()
	}
	return all
}

// met waits for a peer that starts, takes down whether it takes part, and returns it if so. A variant of what is missing altogether
// is not mentioned.
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
