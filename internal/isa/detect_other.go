//go:build !amd64 || purego

package isa

func detect() []Set { return []Set{Generic} }

func detectCache() int { return 0 }
