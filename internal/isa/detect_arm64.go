//go:build !purego

package isa

// detect returns the instruction sets. NEON is a part of the architecture.
func detect() []Set { return []Set{Generic, NEON} }

// detectCaches returns none: the registers that describe the caches are not readable by programs.
func detectCaches() []Cache { return nil }
