//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "peers: runs on Linux only: it shares memory with Debian's PyTorch")
	os.Exit(1)
}
