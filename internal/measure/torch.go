package measure

import (
	"context"
	"strings"
	"sync"
	"time"
)

// startTorch starts PyTorch, where it is asked for and there, eager and compiled at the same time. The function returns the
// compiled one, nil if there is none, when it has started.
func (r *Result) startTorch(ctx context.Context, c Config) (peers []*peer, compiled func() *peer, err error) {
	none := func() *peer { return nil }
	backend := c.Device.Backend()
	switch {
	case c.Python == "":
		r.NoTorch = "not asked for"
		return nil, none, nil
	case backend == "sim":
		r.NoTorch = "there is none on a simulated device"
		return nil, none, nil
	}
	patience := c.Patience
	if patience == 0 {
		patience = 2 * time.Minute
	}
	type started struct {
		*peer
		error
	}
	starting := make(chan started, 1)
	go func() {
		p, err := startPeer(ctx, c.Python, backend, Compiled, patience)
		starting <- started{p, err}
	}()
	eager, err := startPeer(ctx, c.Python, backend, Eager, patience)
	compiled = sync.OnceValue(func() *peer {
		s := <-starting
		if s.error != nil && eager != nil {
			r.PyTorch.Compiles = oneLine(s.error)
			c.report("without torch.compile: " + r.PyTorch.Compiles)
		}
		return s.peer
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, compiled, ctx.Err()
		}
		r.NoTorch = oneLine(err)
		c.report("without PyTorch: " + r.NoTorch)
		return nil, compiled, nil
	}
	r.PyTorch = &eager.PyTorch
	return []*peer{eager}, compiled, nil
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
