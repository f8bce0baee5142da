package main

import (
	"fmt"
	"slices"
)

// schedule is the order of the steps of a formula for an instruction set, by name. The steps of a group are interleaved. Names that a
// formula does not have are ignored.
type schedule [][]string

// arrange returns the steps of a formula by groups. It fails if the schedule would change the result: a step must be in a later group
// than the steps that it depends on.
func (s schedule) arrange(steps []step) ([][]step, error) {
	group := map[string]int{}
	for i, names := range s {
		for _, name := range names {
			group[name] = i
		}
	}
	arranged := make([][]step, len(s))
	for i, later := range steps {
		g, ok := group[later.name]
		if !ok {
			return nil, fmt.Errorf("step %q is not in the schedule", later.name)
		}
		for _, earlier := range steps[:i] {
			if later.dependsOn(earlier) && group[earlier.name] >= g {
				return nil, fmt.Errorf("step %q is scheduled before %q, which it depends on", later.name, earlier.name)
			}
		}
		arranged[g] = append(arranged[g], later)
	}
	for i, names := range s { // the schedule orders the steps within a group, too
		slices.SortStableFunc(arranged[i], func(a, b step) int { return slices.Index(names, a.name) - slices.Index(names, b.name) })
	}
	return arranged, nil
}

// writes returns the values that the step changes.
func (s step) writes() []value {
	w := s.spoils()
	if s.to != "" {
		w = append(slices.Clone(w), s.to)
	}
	return w
}

// dependsOn reports whether the order of two steps matters: one writes a value that the other reads or writes.
func (s step) dependsOn(earlier step) bool {
	touch := func(written []value, other step) bool {
		return slices.ContainsFunc(written, func(v value) bool {
			return slices.Contains(other.of, v) || slices.Contains(other.writes(), v)
		})
	}
	return touch(s.writes(), earlier) || touch(earlier.writes(), s)
}

// checkPlaces fails if a step reads a value whose register has been overwritten by another value.
func checkPlaces[P comparable](groups [][]step, at map[value]P) error {
	holds := map[P]value{}
	for _, s := range slices.Concat(groups...) {
		for _, v := range s.of {
			if p, ok := at[v]; ok && holds[p] != v {
				return fmt.Errorf("step %q reads %s where %s is", s.name, v, holds[p])
			}
		}
		for _, v := range s.spoils() {
			holds[at[v]] = "nothing"
		}
		if s.to != "" {
			holds[at[s.to]] = s.to
		}
	}
	return nil
}

// lower turns one step into instructions: functions that append them, each of which depends on the one before it.
type lower func(step) []func()

// instructions returns the instructions for the arranged steps of one vector, group by group, with the steps of a group interleaved.
func instructions(groups [][]step, l lower) (all []func()) {
	for _, group := range groups {
		var lowered [][]func()
		for _, s := range group {
			lowered = append(lowered, l(s))
		}
		for i, more := 0, true; more; i++ {
			var parts []func()
			for _, l := range lowered {
				if i < len(l) {
					parts = append(parts, l[i])
				}
			}
			if more = parts != nil; more {
				all = append(all, func() {
					for _, part := range parts {
						part()
					}
				})
			}
		}
	}
	return all
}

// interleave appends the instructions of several vectors alternately, so that the processor's window for out-of-order execution always
// contains instructions that do not depend on each other.
func interleave(vectors ...[]func()) {
	for i, more := 0, true; more; i++ {
		more = false
		for _, v := range vectors {
			if i < len(v) {
				v[i]()
				more = true
			}
		}
	}
}
