package vm

import "strings"

// specialBits returns the width of a special register.
func specialBits(name string) int {
	switch name {
	case "%clock64", "%globaltimer", "%gridid":
		return 64
	}
	return 32
}

// varying reports whether a special register changes while a warp runs.
func varying(name string) bool {
	return strings.HasPrefix(name, "%clock") || strings.HasPrefix(name, "%globaltimer")
}

// special returns one lane's value of a special register that does not change.
func (w *warp) special(name string, lane int) uint64 {
	g, b := w.block.grid, w.block
	thread := w.index*lanes + lane
	switch name {
	case "%tid.x":
		return uint64(thread) % uint64(g.geo.Block[0])
	case "%tid.y":
		return uint64(thread) / uint64(g.geo.Block[0]) % uint64(g.geo.Block[1])
	case "%tid.z":
		return uint64(thread) / (uint64(g.geo.Block[0]) * uint64(g.geo.Block[1]))
	case "%ntid.x", "%ntid.y", "%ntid.z":
		return uint64(g.geo.Block[name[6]-'x'])
	case "%ctaid.x", "%ctaid.y", "%ctaid.z":
		return uint64(b.id[name[7]-'x'])
	case "%nctaid.x", "%nctaid.y", "%nctaid.z":
		return uint64(g.geo.Grid[name[8]-'x'])
	case "%ntid.w", "%nctaid.w":
		return 1
	case "%laneid":
		return uint64(lane)
	case "%warpid":
		return uint64(w.index)
	case "%nwarpid":
		return uint64(len(b.warps))
	case "%smid":
		return uint64(b.number % uint64(g.opts.Multiprocessors))
	case "%nsmid":
		return uint64(g.opts.Multiprocessors)
	case "%gridid", "%gridid_lo":
		return g.opts.Launch
	case "%lanemask_eq":
		return 1 << lane
	case "%lanemask_le":
		return 2<<lane - 1
	case "%lanemask_lt":
		return 1<<lane - 1
	case "%lanemask_ge":
		return uint64(full << lane)
	case "%lanemask_gt":
		return uint64(full << lane << 1)
	case "%dynamic_smem_size":
		return uint64(g.geo.SharedBytes)
	case "%total_smem_size":
		return g.sharedBytes
	}
	return 0 // %tid.w, %ctaid.w
}

// clock returns the value of a special register that changes: all of them count the operations that the warp has executed.
func (w *warp) clock(name string) uint64 {
	switch name {
	case "%clock_hi", "%globaltimer_hi":
		return w.steps >> 32
	case "%clock", "%globaltimer_lo":
		return w.steps & (1<<32 - 1)
	}
	return w.steps
}
