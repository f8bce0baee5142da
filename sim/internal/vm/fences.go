package vm

// fence executes a fence of some lanes of a warp.
func (b *observer) fence(first int, mask uint32, order memOrder, sc scope) {
	device := sc != scopeCTA
	version := b.grid.version + 1
	for i := range uint32(lanes) {
		if mask>>i&1 == 0 {
			continue
		}
		u := uint32(first) + i
		t := &b.threads[u]
		if order != release {
			b.learn(u, t.pendingBlock)
			t.pendingBlock = nil
			if device {
				b.learn(u, t.pendingDevice)
				t.pendingDevice = nil
			}
		}
		if order == seqCst {
			t.sc = max(t.sc, b.grid.version)
			b.overtake(u, device)
		}
		if order != acquire {
			s := b.snap(u)
			t.block = s
			if device {
				t.device = s
			}
			if order == seqCst {
				b.publish(u, s, device, version)
			}
		}
	}
	if order == seqCst {
		b.grid.version = version
	}
	b.tick()
}

// publish records a .sc fence in the grid's order of them.
func (b *observer) publish(thread uint32, s snapshot, device bool, version uint64) {
	g := b.grid
	f := g.fences[b.order]
	if f == nil {
		f = &blockFences{threads: map[uint32][]fenced{}}
		g.fences[b.order] = f
	}
	f.all.add(thread, len(b.threads), s)
	if device {
		f.device.add(thread, len(b.threads), s)
	}
	f.threads[thread] = append(capped(f.threads[thread], oldestFence), fenced{version, s.clock})
	if n := len(f.base); s.base > 0 && (n == 0 || f.base[n-1].clock < s.base) {
		f.base = append(capped(f.base, oldestFence), fenced{version, s.base})
	}
	if len(s.own) > 0 {
		s.view = merge(s.view, &view{sc: s.sc, blocks: blocksKnown{{b.order, known{threads: s.own}}}})
	}
	if s.view != nil {
		for l, n := range s.view.seen {
			l.fenced = append(capped(l.fenced, func(a, b fencedSight) fencedSight { return fencedSight{min(a.version, b.version), max(a.n, b.n)} }), fencedSight{version, n})
		}
		if n := len(g.views); n == 0 || g.views[n-1].view != s.view {
			g.views = append(capped(g.views, func(a, b versioned) versioned { return versioned{min(a.version, b.version), merge(a.view, b.view)} }), versioned{version, s.view})
		}
	}
}

// oldestFence merges two entries into one: the earlier version with the later clock.
func oldestFence(a, b fenced) fenced {
	return fenced{min(a.version, b.version), max(a.clock, b.clock)}
}

// syncWarp executes a bar.warp.sync of some lanes.
func (b *observer) syncWarp(first int, mask, live uint32) {
	var v *view
	var sc uint64
	var own clocks
	each := func(f func(u uint32)) {
		for i := range uint32(lanes) {
			if mask>>i&1 == 1 {
				f(uint32(first) + i)
			}
		}
	}
	whole := mask == live
	each(func(u uint32) {
		t := &b.threads[u]
		v, sc = merge(v, t.all()), max(sc, t.sc)
		if len(t.own) > 0 || !whole {
			if own == nil {
				own = make(clocks, len(b.threads))
			}
			own.raiseAll(t.own)
			if !whole {
				own[u] = b.clock
			}
		}
	})
	each(func(u uint32) {
		t := &b.threads[u]
		t.view, t.sc = v, sc
		if own != nil {
			t.own = own
		}
		if whole {
			t.warpBase = b.clock
		}
	})
	b.tick()
}

// arrive records the arrival of some lanes at a barrier.
func (b *observer) arrive(bar int, first int, mask uint32) {
	a := &b.bars[bar]
	if a.own == nil {
		a.own = make(clocks, len(b.threads))
	}
	for i := range uint32(lanes) {
		if mask>>i&1 == 0 {
			continue
		}
		u := uint32(first) + i
		t := &b.threads[u]
		a.view, a.sc = merge(a.view, t.all()), max(a.sc, t.sc)
		a.own.raiseAll(t.own)
		if t.warpBase > b.base {
			for w := u / lanes * lanes; w < (u/lanes+1)*lanes; w++ {
				a.own.raise(w, t.warpBase)
			}
		}
		a.own[u] = b.clock
	}
	b.tick()
}

// open gives the threads that waited at a barrier what those that arrived knew. If all, every thread of the block waited.
func (b *observer) open(bar int, all bool, each func(f func(first int, mask uint32))) {
	a := b.bars[bar]
	b.bars[bar] = arrivals{}
	if all {
		b.view, b.sc, b.base = merge(b.view, a.view), max(b.sc, a.sc), b.clock
		for u := range b.threads {
			t := &b.threads[u]
			t.view, t.sc, t.own, t.warpBase, t.saw = nil, 0, nil, 0, nil
		}
		b.tick()
		return
	}
	each(func(first int, mask uint32) {
		for i := range uint32(lanes) {
			if mask>>i&1 == 0 {
				continue
			}
			t := &b.threads[uint32(first)+i]
			t.view, t.sc = merge(t.view, a.view), max(t.sc, a.sc)
			t.own = mergeClocks(t.own, a.own)
		}
	})
	b.tick()
}
