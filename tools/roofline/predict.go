package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/tools/ptxas"
	"github.com/smoothl1/smoothl1/tools/sass"
)

// sizes of the predictions, in elements.
var sizes = []struct {
	name string
	n    int
}{{"128×4096", 1 << 19}, {"2^20", 1 << 20}, {"2^24", 1 << 24}, {"2^28", 1 << 28}, {"2^30", 1 << 30}}

// predicted are the kernels of the table of times: all of float32 but the elementwise one, and one of each other type.
func predicted() (list []kernels.Variant) {
	for _, v := range kernels.Of(smoothl1.Float32) {
		if !v.Elementwise {
			list = append(list, v)
		}
	}
	for _, t := range kernels.DTypes() {
		if t != smoothl1.Float32 {
			list = append(list, kernels.Variant{DType: t, Pass: kernels.ForwardBackward})
		}
	}
	return list
}

// machineCode is what ptxas makes of files for an architecture.
type machineCode struct {
	registers map[string]int
	kernels   map[string][]sass.Instruction
}

// worksOf returns the kernels of plain arrays of each architecture, by name.
func worksOf(code map[string]machineCode) (map[string]map[string]*work, error) {
	all := map[string]map[string]*work{}
	for arch, c := range code {
		all[arch] = map[string]*work{}
		for _, v := range kernels.All() {
			instructions := c.kernels[v.Name()]
			if v.Rich || v.Divisor || instructions == nil {
				continue
			}
			w, err := workOf(v, instructions, c.registers[v.Name()])
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", arch, v.Name(), err)
			}
			all[arch][v.Name()] = w
		}
	}
	return all, nil
}

// assemble returns the machine code of files for the devices' architectures.
func assemble(files []ptxas.File) (map[string]machineCode, error) {
	code := map[string]machineCode{}
	for _, d := range devices {
		if _, ok := code[d.arch]; ok {
			continue
		}
		log, instructions, err := ptxas.Code(d.arch, files)
		if err != nil {
			return nil, err
		}
		c := machineCode{map[string]int{}, instructions}
		for _, e := range ptxas.Entries(log) {
			c.registers[e.Kernel] = e.Registers
		}
		code[d.arch] = c
	}
	return code, nil
}

// plainFiles returns the files of the kernels of plain arrays: those of the tree, or of a directory.
func plainFiles(dir string) (files []ptxas.File, err error) {
	for _, t := range kernels.DTypes() {
		name, err := kernels.File(t)
		if err != nil {
			return nil, err
		}
		var text string
		if dir == "" {
			text, err = kernels.PTX(t)
		} else {
			var raw []byte
			raw, err = os.ReadFile(filepath.Join(dir, name))
			text = string(raw)
			if os.IsNotExist(err) {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		files = append(files, ptxas.File{Name: name, Text: text})
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has none of the kernels' PTX files", dir)
	}
	return files, nil
}

// writePredictions writes the model's part of the page.
func writePredictions(b *bytes.Buffer, works map[string]map[string]*work, s structure) {
	writeInputs(b, s)
	writeCounts(b, works)
	writeTimes(b, works, s)
	writeParts(b, works, s)
}

// writeCounts writes the instructions an element.
func writeCounts(b *bytes.Buffer, works map[string]map[string]*work) {
	b.WriteString(`
### Instructions an element, in machine code

Of a thread, in whole chunks, on the path that values take which are neither zero nor subnormal: through the loop over a chunk's rows the
shortest path that executes all of its wide loads and one gradient's stores, so without the call in which a division ends for special
values; "around" is the rest of the loop over chunks, such as the fold by shuffles, divided by the elements of a chunk.

| kernel | code |`)
	for c := range sass.Classes {
		fmt.Fprintf(b, " %v |", c)
	}
	b.WriteString(" in all | around | registers | loads in flight |\n|---|---|" + strings.Repeat("---:|", int(sass.Classes)+4) + "\n")
	for _, v := range kernels.All() {
		for _, arch := range []string{"sm_70", "sm_80", "sm_90"} {
			w := works[arch][v.Name()]
			if w == nil {
				continue
			}
			fmt.Fprintf(b, "| %s | %s |", short(v), arch)
			for _, n := range w.body {
				fmt.Fprintf(b, " %.2f |", n)
			}
			fmt.Fprintf(b, " %.1f | %.2f | %d | %d × %d bytes |\n", w.body.Total(), w.around.Total(), w.registers, w.inFlight, w.piece)
		}
	}
}

// writeTimes writes the table of predicted times of each device.
func writeTimes(b *bytes.Buffer, works map[string]map[string]*work, s structure) {
	b.WriteString("\n### Predicted times\n\nIn µs, and by what the stream of chunks is bound: bandwidth, latency, issue slots, or a class of units.\n")
	for _, d := range devices {
		fmt.Fprintf(b, "\n| %s |", d.name)
		for _, size := range sizes {
			fmt.Fprintf(b, " predicted, %s |", size.name)
		}
		b.WriteString("\n|---|" + strings.Repeat("---:|", len(sizes)) + "\n")
		for _, v := range predicted() {
			w := works[d.arch][v.Name()]
			if w == nil {
				continue
			}
			fmt.Fprintf(b, "| %s |", short(v))
			for _, size := range sizes {
				p := predict(d, w, s, size.n)
				fmt.Fprintf(b, " %v %s |", microseconds(p.total), p.bound)
			}
			b.WriteString("\n")
		}
	}
}

// writeParts writes what the predictions of float32 are made of.
func writeParts(b *bytes.Buffer, works map[string]map[string]*work, s structure) {
	b.WriteString(`
### Parts of the predictions

In µs. The stream takes the longest of what bandwidth, issue and latency would take alone. In flight are the bytes of loads on the busiest
multiprocessor; needed by Little's law are those that keep the memory busy, bandwidth times the latency under load.

| predicted for | elements | launch | bandwidth | issue | latency | finish | multiprocessors | warps on one | in flight, KiB | needed, KiB |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
`)
	for _, d := range devices {
		for _, v := range predicted() {
			w := works[d.arch][v.Name()]
			if w == nil || v.DType != smoothl1.Float32 || !v.Pass.Reduces() {
				continue
			}
			for _, size := range []int{0, len(sizes) - 1} {
				p := predict(d, w, s, sizes[size].n)
				fmt.Fprintf(b, "| %s, %s | %s | %v | %v | %v | %v | %v | %d of %d | %d | %.0f | %.1f |\n", d.name, short(v), sizes[size].name, microseconds(p.launch),
					microseconds(p.bandwidth), microseconds(p.issue), microseconds(p.latency), microseconds(p.finish), p.busy, d.multiprocessors, p.warps,
					p.inFlight/1024, p.needed/1024)
			}
		}
	}
}
