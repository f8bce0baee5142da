package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// guest is a program for arm64 that runs in qemu.
type guest struct {
	program string
	log     string
	ranges  string              // the addresses of the functions of package cpu and of its internal packages, for qemu
	memory  map[uint64]struct{} // the addresses of loads and stores
}

// newGuest builds the guest.
func newGuest(folder string) (*guest, error) {
	g := &guest{program: filepath.Join(folder, "guest"), log: filepath.Join(folder, "log"), memory: map[uint64]struct{}{}}
	if _, err := command([]string{"GOARCH=arm64", "GOOS=linux", "CGO_ENABLED=0"}, "go", "build", "-o", g.program, "./instructions/guest"); err != nil {
		return nil, err
	}
	symbols, err := command(nil, "go", "tool", "nm", "-n", "-size", g.program)
	if err != nil {
		return nil, err
	}
	if g.ranges, err = rangesOf(string(symbols)); err != nil {
		return nil, err
	}
	code, err := command(nil, "go", "tool", "objdump", "-gnu", "-s", ofCPU, g.program)
	if err != nil {
		return nil, err
	}
	for _, m := range instruction.FindAllStringSubmatch(string(code), -1) {
		if name := m[2]; strings.HasPrefix(name, "ld") || strings.HasPrefix(name, "st") {
			at, err := strconv.ParseUint(m[1], 16, 64)
			if err != nil {
				return nil, err
			}
			g.memory[at] = struct{}{}
		}
	}
	if len(g.memory) == 0 {
		return nil, fmt.Errorf("objdump found no loads in %s", g.program)
	}
	return g, nil
}

const ofCPU = "github.com/smoothl1/smoothl1/cpu" // what the names of the functions begin with

var instruction = regexp.MustCompile(`(?m)^\s+\S+:\d+\s+0x([0-9a-f]+)\s+[0-9a-f]{8}\s.* // (\w+)`)

// rangesOf returns the ranges of addresses of those functions, by the symbols of a program in the order of addresses.
func rangesOf(symbols string) (string, error) {
	type span struct{ first, last uint64 }
	var all []span
	for line := range strings.Lines(symbols) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.EqualFold(f[2], "t") || !strings.HasPrefix(f[3], ofCPU) {
			continue
		}
		first, err := strconv.ParseUint(f[0], 16, 64)
		if err != nil {
			return "", err
		}
		size, err := strconv.ParseUint(f[1], 10, 64)
		if err != nil {
			return "", err
		}
		if n := len(all); n > 0 && first-all[n-1].last < 64 { // padding
			all[n-1].last = first + size - 1
		} else {
			all = append(all, span{first, first + size - 1})
		}
	}
	if len(all) == 0 {
		return "", fmt.Errorf("no symbol of %s", ofCPU)
	}
	var b []string
	for _, s := range all {
		b = append(b, fmt.Sprintf("%#x..%#x", s.first, s.last))
	}
	return strings.Join(b, ","), nil
}

// count counts the instructions of a call of n elements.
func (g *guest) count(set, pass, element string, n int) (c count, err error) {
	_, err = command([]string{"SMOOTHL1_CPU=" + set, "GOMAXPROCS=1"}, "qemu-aarch64", "-singlestep", "-d", "exec,nochain", "-dfilter", g.ranges, "-D", g.log,
		g.program, pass, element, strconv.Itoa(n))
	if err != nil {
		return c, err
	}
	f, err := os.Open(g.log)
	if err != nil {
		return c, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		at, ok := executed(lines.Text())
		if !ok {
			continue
		}
		c.all++
		if _, ok := g.memory[at]; ok {
			c.memory++
		}
	}
	if c.all == 0 {
		return c, fmt.Errorf("%s counted no instructions", g.program)
	}
	return c, nil
}

// executed returns the address of the instruction of a line of the log, such as "Trace 0: 0x7f75754c2380 [01009b31/00000000000b1c00/1/00080201] name".
func executed(line string) (uint64, bool) {
	if !strings.HasPrefix(line, "Trace") {
		return 0, false
	}
	_, rest, ok := strings.Cut(line, "/")
	if !ok {
		return 0, false
	}
	address, _, _ := strings.Cut(rest, "/")
	at, err := strconv.ParseUint(address, 16, 64)
	return at, err == nil
}
