package vm

// Cover counts what launches of a program executed.
type Cover struct {
	Launches uint64
	Steps    uint64   // operations of all warps
	runs     []uint64 // by block: times entered by a warp
	lanes    []uint64 // by block: lanes that entered
	guards   []Guard  // by guarded operation: lanes
	traffic  [trafficSpaces][trafficKinds]Traffic
	stale    []StaleLoads
}

// StaleLoads counts the lanes of a strong load that saw an older value than the last.
type StaleLoads struct {
	Source int32 // Program.Source
	Loads  uint64
}

// Stale returns the counts of stale loads, in the order in which the instructions first had one.
func (c *Cover) Stale() []StaleLoads { return c.stale }

func (c *Cover) addStale(source int32, n uint64) {
	for i := range c.stale {
		if c.stale[i].Source == source {
			c.stale[i].Loads += n
			return
		}
	}
	c.stale = append(c.stale, StaleLoads{source, n})
}

// Traffic returns the counts of a space's loads, stores or atomic operations.
func (c *Cover) Traffic(space, kind int) Traffic { return c.traffic[space][kind] }

// Guard counts the lanes whose guard predicate was true (Yes) and false (No).
type Guard struct{ Yes, No uint64 }

// NewCover returns the counts, all zero, of a program.
func (p *Program) NewCover() *Cover {
	return &Cover{runs: make([]uint64, len(p.blocks)), lanes: make([]uint64, len(p.blocks)), guards: make([]Guard, p.guards)}
}

// Add adds the counts of other launches of the same program.
func (c *Cover) Add(o *Cover) {
	for i := range o.runs {
		c.runs[i] += o.runs[i]
		c.lanes[i] += o.lanes[i]
	}
	for i := range o.guards {
		c.guards[i].Yes += o.guards[i].Yes
		c.guards[i].No += o.guards[i].No
	}
	for s := range o.traffic {
		for k := range o.traffic[s] {
			c.traffic[s][k].Add(o.traffic[s][k])
		}
	}
	for _, s := range o.stale {
		c.addStale(s.Source, s.Loads)
	}
	c.Steps += o.Steps
	c.Launches += o.Launches
}

// Executed returns, for every instruction in p.Source, how many threads executed it and how many did not because of its guard.
func (p *Program) Executed(c *Cover) []Guard {
	counts := make([]Guard, len(p.Source))
	for b, blk := range p.blocks {
		for i := blk.first; i < blk.end; i++ {
			o := &p.code[i]
			if !o.head || o.source < 0 {
				continue
			}
			g := Guard{Yes: c.lanes[b]}
			if o.guard >= 0 {
				g = c.guards[o.cover]
			}
			if o.implicit { // taken by the lanes that skip the instruction
				g.Yes, g.No = g.No, g.Yes
			}
			counts[o.source].Yes += g.Yes
			counts[o.source].No += g.No
		}
	}
	return counts
}
