package sass

import (
	"slices"
	"strings"
)

// Path returns a path once through a loop, from its head up to a jump back to it: among those with the most loads, and with as many
// stores as asked for, if there are any, the shortest one. So it passes the instructions that every iteration executes, and none that only special
// values need, such as the call that ends a division by a subnormal number; and it passes an inner loop once. For a loop whose iterations
// write one of several optional outputs, stores is the number for one of them.
func Path(code []Instruction, l Loop, isLoad, isStore func(Instruction) bool, stores int) []int {
	type state struct {
		loads, length int
		next          *state // towards the end
		at            int
	}
	dominators := dominatorsOf(code)
	order, _ := postorder(code)
	best := map[int][]*state{} // by instruction, and by the stores from there on, up to the number asked for
	for _, i := range order {  // successors first
		if !l.Contains(i) {
			continue
		}
		from := make([]*state, stores+1)
		here := func(next *state, s int) {
			loads, length := 0, 1
			if next != nil {
				loads, length = next.loads, next.length+1
			}
			if isLoad(code[i]) {
				loads++
			}
			if isStore(code[i]) {
				s = min(s+1, stores)
			}
			if old := from[s]; old == nil || loads > old.loads || loads == old.loads && length < old.length {
				from[s] = &state{loads, length, next, i}
			}
		}
		for _, n := range code[i].Next {
			switch {
			case n == l.Head:
				here(nil, 0)
			case !l.Contains(n) || dominates(dominators, n, i):
			case strings.HasPrefix(code[i].Op, "BRA.DIV") && n != i+1: // taken by a warp whose threads have diverged
			default:
				for s, next := range best[n] {
					if next != nil {
						here(next, s)
					}
				}
			}
		}
		best[i] = from
	}
	for s := range slices.Backward(best[l.Head]) {
		if at := best[l.Head][s]; at != nil {
			var path []int
			for ; at != nil; at = at.next {
				path = append(path, at.at)
			}
			return path
		}
	}
	return nil
}
