package measure

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

// hangs is the file that a process creates when it begins to hang.
func hangs(pid int) string { return filepath.Join(os.Getenv(hanging), strconv.Itoa(pid)) }

func hang() {
	if err := os.WriteFile(hangs(os.Getpid()), nil, 0o600); err != nil {
		os.Exit(8)
	}
	time.Sleep(time.Hour)
}

// standIn speaks the protocol in place of a contender in Python.
func standIn(how string) {
	compiles := os.Args[len(os.Args)-1] == "compiled"
	switch {
	case how == "compiler hangs" && compiles:
		hang()
	case how == "does not compile" && compiles:
		fmt.Println(`{"error": "torch.compile failed: no compiler"}`)
		return
	}
	switch how {
	case "missing":
		fmt.Println(`{"error": "python3 has no PyTorch"}`)
		return
	case "garbage":
		fmt.Println("Python 2.7")
		return
	case "dies":
		fmt.Fprintln(os.Stderr, "Traceback\nImportError: libcudart.so")
		os.Exit(1)
	}
	if how == "has little" {
		fmt.Println(`{"version": "9.9", "cuda": "", "device": "stand-in", "bits": true, "operations": ["forward", "boxes"]}`)
	} else {
		fmt.Println(`{"version": "9.9", "cuda": "", "device": "stand-in", "bits": true}`)
	}
	var work prepared
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var command struct {
			Do, Op string
			prepared
		}
		if err := json.Unmarshal(in.Bytes(), &command); err != nil {
			os.Exit(7)
		}
		switch {
		case how == "hangs" && command.Do == "sample" || how == "compiling hangs" && compiles && command.Do == "sample":
			hang()
		case how == "no memory for the backward pass" && command.Op == Backward && command.Do == "sample":
			fmt.Println(`{"error": "OutOfMemoryError: CUDA out of memory"}`)
		case how == "has no masks" && command.Op == Masked:
			fmt.Println(`{"error": "RuntimeError: not implemented for 'Bool'"}`)
		case how == "no memory" && command.Do == "prepare":
			fmt.Println(`{"error": "OutOfMemoryError: CUDA out of memory"}`)
		case how == "dies later" && command.Do == "sample":
			fmt.Fprintln(os.Stderr, "Segmentation fault")
			os.Exit(139)
		case how == "has a wrong loss" && command.Op == ForwardReduced:
			fmt.Println(`{"loss": 17}`)
		case how == "has no loss" && command.Op == ForwardReduced && command.Do == "check":
			fmt.Println(`{"loss": null}`)
		case how == "has wrong terms" && command.Op == ForwardNone:
			fmt.Println(`{"loss": null}`)
		case command.Do == "prepare":
			work = command.prepared
			fmt.Println(`{}`)
		case command.Do == "check":
			fmt.Println(work.check(command.Op))
		case command.Do == "sample":
			fmt.Println(`{"device": 5000, "wall": 7000}`)
		case command.Do == "bits":
			fmt.Println(`{"error": "no bits here"}`)
		default:
			fmt.Println(`{"error": "no such command"}`)
		}
	}
}

// prepared is a workload of float32 with a mean of smooth L1, whose arrays are shared.
type prepared struct {
	Rows, Columns, Sets, Stride int
	Beta                        float64
	Memory                      string
	Places                      map[string]int
}

// check computes on the first set, in the file that backs the other process's memory.
func (p prepared) check(op string) string {
	f, err := os.OpenFile(p.Memory, os.O_RDWR, 0)
	if err != nil {
		return fmt.Sprintf(`{"error": %q}`, err)
	}
	defer f.Close()
	n := p.Rows * p.Columns
	read := func(name string, to any) {
		at := io.NewSectionReader(f, int64(p.Places[name]), int64(binary.Size(to)))
		err = errors.Join(err, binary.Read(at, binary.LittleEndian, to))
	}
	a := cpu.Args[float32]{Pred: make([]float32, n), Target: make([]float32, n), GradPred: make([]float32, n)}
	factors := n
	switch op {
	case Boxes:
		factors = p.Rows
		a.Shape = &smoothl1.Shape{Rows: p.Rows, Cols: p.Columns, Weight: smoothl1.PerRow(), Mask: smoothl1.PerRow()}
	case DQNStep:
		a.Target, a.Index, a.Shape = a.Target[:p.Rows], make([]int32, p.Rows), &smoothl1.Shape{Rows: p.Rows, Cols: p.Columns}
		read("index", a.Index)
	}
	if op == Weighted || op == WeightedMasked || op == Boxes {
		a.Weight = make([]float32, factors)
		read("weight", a.Weight)
	}
	if op == Masked || op == WeightedMasked || op == Boxes {
		a.Mask, a.Divisor = make([]uint8, factors), smoothl1.DivideByKept()
		read("mask", a.Mask)
	}
	if op == WeightedMasked {
		a.Divisor = smoothl1.DivideByWeights()
	}
	read("pred", a.Pred)
	read("target", a.Target)
	out := a.GradPred
	if op == ForwardNone {
		a.Terms = make([]float32, n)
		out = a.Terms
	}
	loss, err2 := cpu.RefRun(smoothl1.Loss{Beta: p.Beta, Reduction: smoothl1.Mean}, &a)
	if op != ForwardReduced {
		err2 = errors.Join(err2, binary.Write(io.NewOffsetWriter(f, int64(p.Places["out"])), binary.LittleEndian, out))
	}
	if err = errors.Join(err, err2); err != nil {
		return fmt.Sprintf(`{"error": %q}`, err)
	}
	if op == ForwardNone || op == Backward {
		return `{"loss": null}`
	}
	return fmt.Sprintf(`{"loss": %v}`, loss)
}
