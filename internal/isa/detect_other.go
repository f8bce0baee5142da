//go:build (!amd64 && !arm64) || purego

package isa

func detect() []Set { return []Set{Generic} }

func detectCaches() []Cache { return nil }
