package vm

// finish splits the nodes into basic blocks, allocates registers and flattens the code.
func (d *decoder) finish() error {
	d.split()
	if err := d.allocate(); err != nil {
		return err
	}
	p := d.prog
	p.code = make([]op, len(d.nodes))
	for i, n := range d.nodes {
		n.head = i == 0 || n.source != d.nodes[i-1].source || n.copy != d.nodes[i-1].copy
		if n.guard >= 0 {
			n.cover = int32(p.guards)
			p.guards++
		}
		p.code[i] = n.op
	}
	d.postdominators()
	return nil
}

// split splits the nodes into basic blocks and turns branch targets from nodes into blocks.
func (d *decoder) split() {
	leader := make([]bool, len(d.nodes)+1)
	leader[0] = true
	for i, n := range d.nodes {
		switch n.kind {
		case opPlain:
			continue
		case opBra:
			leader[n.target] = true
		case opBrx:
			for _, t := range n.targets {
				leader[t] = true
			}
		case opGlobal:
			leader[i] = true // begin a block too, so that a waiting split has executed everything before it
		}
		leader[i+1] = true
	}
	blockOf := make([]int32, len(d.nodes)+1)
	p := d.prog
	for i := range d.nodes {
		if leader[i] {
			p.blocks = append(p.blocks, basicBlock{first: int32(i), join: -1})
		}
		b := len(p.blocks) - 1
		blockOf[i] = int32(b)
		p.blocks[b].end = int32(i + 1)
	}
	for b := range p.blocks {
		p.blocks[b].next = int32(b + 1)
	}
	p.blocks[len(p.blocks)-1].next = -1
	for _, n := range d.nodes {
		switch n.kind {
		case opBra:
			n.target = blockOf[n.target]
		case opBrx:
			targets := make([]int32, len(n.targets))
			for k, t := range n.targets {
				targets[k] = blockOf[t]
			}
			n.targets = targets
		}
	}
}

// successors calls f for every successor of a block; exits reports whether the kernel may end in it.
func (d *decoder) successors(b int, f func(to int32)) (exits bool) {
	blk := &d.prog.blocks[b]
	last := d.nodes[blk.end-1]
	always := last.guard < 0 && !hasGuard(last)
	switch last.kind {
	case opBra:
		f(last.target)
		if always {
			return false
		}
	case opBrx:
		for _, t := range last.targets {
			f(t)
		}
		return false
	case opExit:
		exits = true
		if always {
			return true
		}
	}
	if blk.next >= 0 {
		f(blk.next)
	}
	return exits
}

func hasGuard(n *node) bool {
	for _, r := range n.refs {
		if r.at == &n.guard {
			return true
		}
	}
	return false
}

// postdominators computes each block's immediate post-dominator, where threads that diverge at its end reconverge (Cooper, Harvey and
// Kennedy's algorithm, on the reversed graph).
func (d *decoder) postdominators() {
	p := d.prog
	n := len(p.blocks)
	exit := n
	preds := make([][]int32, n+1) // predecessors in the reversed graph
	back := make([][]int32, n+1)  // successors in the reversed graph
	for b := range n {
		exits := d.successors(b, func(to int32) {
			preds[b] = append(preds[b], to)
			back[to] = append(back[to], int32(b))
		})
		if exits {
			preds[b] = append(preds[b], int32(exit))
			back[exit] = append(back[exit], int32(b))
		}
	}
	// Postorder of the reversed graph from the exit.
	number := make([]int32, n+1)
	for i := range number {
		number[i] = -1
	}
	var post []int32
	type frame struct{ b, next int32 }
	seen := make([]bool, n+1)
	stack := []frame{{int32(exit), 0}}
	seen[exit] = true
	for len(stack) > 0 {
		f := &stack[len(stack)-1]
		if int(f.next) < len(back[f.b]) {
			to := back[f.b][f.next]
			f.next++
			if !seen[to] {
				seen[to] = true
				stack = append(stack, frame{to, 0})
			}
			continue
		}
		number[f.b] = int32(len(post))
		post = append(post, f.b)
		stack = stack[:len(stack)-1]
	}
	idom := make([]int32, n+1)
	for i := range idom {
		idom[i] = -1
	}
	idom[exit] = int32(exit)
	for changed := true; changed; {
		changed = false
		for i := len(post) - 2; i >= 0; i-- {
			b := post[i]
			best := int32(-1)
			for _, s := range preds[b] {
				if idom[s] < 0 {
					continue
				}
				if best < 0 {
					best = s
					continue
				}
				x, y := s, best
				for x != y {
					for number[x] < number[y] {
						x = idom[x]
					}
					for number[y] < number[x] {
						y = idom[y]
					}
				}
				best = x
			}
			if idom[b] != best {
				idom[b], changed = best, true
			}
		}
	}
	for b := range n {
		if j := idom[b]; j >= 0 && int(j) != exit {
			p.blocks[b].join = j
		}
	}
}
