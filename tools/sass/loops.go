package sass

import (
	"maps"
	"slices"
)

// A Loop is a natural loop: the indexes of its instructions in order, and its head, which all paths into it pass.
type Loop struct {
	Head         int
	Instructions []int
}

// Contains reports whether an instruction belongs to the loop.
func (l Loop) Contains(i int) bool {
	_, found := slices.BinarySearch(l.Instructions, i)
	return found
}

// Loops returns the natural loops, by their heads.
func Loops(code []Instruction) []Loop {
	dominators := dominatorsOf(code)
	before := make([][]int, len(code))
	for i := range code {
		for _, j := range code[i].Next {
			before[j] = append(before[j], i)
		}
	}
	// A back edge leads to an instruction that dominates its origin, the loop's head. Loops with the same head are one loop.
	members := map[int]map[int]bool{}
	for i := range code {
		for _, head := range code[i].Next {
			if !dominates(dominators, head, i) {
				continue
			}
			if members[head] == nil {
				members[head] = map[int]bool{head: true}
			}
			for work := []int{i}; len(work) > 0; {
				x := work[len(work)-1]
				work = work[:len(work)-1]
				if !members[head][x] {
					members[head][x] = true
					work = append(work, before[x]...)
				}
			}
		}
	}
	var loops []Loop
	for _, head := range slices.Sorted(maps.Keys(members)) {
		loops = append(loops, Loop{head, slices.Sorted(maps.Keys(members[head]))})
	}
	return loops
}

// Innermost returns the natural loops that contain no other loop, each as the indexes of its instructions.
func Innermost(code []Instruction) [][]int {
	loops := Loops(code)
	var innermost [][]int
	for _, l := range loops {
		inner := true
		for _, other := range loops {
			if other.Head != l.Head && l.Contains(other.Head) && !other.Contains(l.Head) {
				inner = false // the other loop lies within this one
			}
		}
		if inner {
			innermost = append(innermost, l.Instructions)
		}
	}
	return innermost
}

// dominatorsOf returns the immediate dominator of each reachable instruction, −1 of others (Cooper, Harvey and Kennedy,
// "A simple, fast dominance algorithm", 2001).
func dominatorsOf(code []Instruction) []int {
	order, number := postorder(code)
	dominator := make([]int, len(code))
	for i := range dominator {
		dominator[i] = -1
	}
	dominator[0] = 0
	before := make([][]int, len(code))
	for i := range code {
		for _, j := range code[i].Next {
			before[j] = append(before[j], i)
		}
	}
	for changed := true; changed; {
		changed = false
		for k := len(order) - 1; k >= 0; k-- {
			x := order[k]
			if x == 0 {
				continue
			}
			found := -1
			for _, p := range before[x] {
				switch {
				case dominator[p] < 0:
				case found < 0:
					found = p
				default:
					for a, b := p, found; ; {
						if a == b {
							found = a
							break
						}
						if number[a] < number[b] {
							a = dominator[a]
						} else {
							b = dominator[b]
						}
					}
				}
			}
			if found != dominator[x] {
				dominator[x] = found
				changed = true
			}
		}
	}
	return dominator
}

func dominates(dominator []int, a, b int) bool {
	if dominator[b] < 0 {
		return false // not reachable
	}
	for b != a && b != 0 {
		b = dominator[b]
	}
	return b == a
}

// postorder returns the reachable instructions, each after its successors, and the position of each.
func postorder(code []Instruction) (order, number []int) {
	number = make([]int, len(code))
	seen := make([]bool, len(code))
	type visit struct{ at, child int }
	seen[0] = true
	for stack := []visit{{0, 0}}; len(stack) > 0; {
		v := &stack[len(stack)-1]
		if v.child < len(code[v.at].Next) {
			next := code[v.at].Next[v.child]
			v.child++
			if !seen[next] {
				seen[next] = true
				stack = append(stack, visit{next, 0})
			}
			continue
		}
		number[v.at] = len(order)
		order = append(order, v.at)
		stack = stack[:len(stack)-1]
	}
	return order, number
}
