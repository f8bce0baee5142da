package difftest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/smoothl1/smoothl1/gpu"
)

// results are what a run leaves behind where it is asked to: a CUDA host's is kept.
type results struct {
	Device  string            `json:"device"`
	Date    string            `json:"date"`
	Go      string            `json:"go"`
	Commit  string            `json:"commit,omitempty"`
	Passed  bool              `json:"passed"`
	Seconds float64           `json:"seconds"`
	Columns map[string]*tally `json:"columns"`
}

// tally counts the cases of a column.
type tally struct {
	Cases    int      `json:"cases"`
	Elements int      `json:"elements"`
	Failed   []string `json:"failed,omitempty"`
}

// commit is set by the linker in the bundle.
var commit string

var (
	recordMu sync.Mutex
	recorded = map[string]*tally{}
)

func record(column string, c Case, err error) {
	recordMu.Lock()
	defer recordMu.Unlock()
	t := recorded[column]
	if t == nil {
		t = &tally{}
		recorded[column] = t
	}
	t.Cases++
	t.Elements += c.Elements()
	if err != nil {
		t.Failed = append(t.Failed, c.String())
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	start := time.Now()
	code := m.Run()
	if *resultsFile != "" {
		if err := writeResults(*resultsFile, code == 0, time.Since(start)); err != nil {
			fmt.Fprintln(os.Stderr, "difftest:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func writeResults(file string, passed bool, took time.Duration) error {
	dev, err := gpu.Open()
	if err != nil {
		return err
	}
	defer dev.Close()
	text, err := json.MarshalIndent(results{
		Device: dev.String(), Date: time.Now().UTC().Format(time.RFC3339), Go: runtime.Version(), Commit: commit,
		Passed: passed, Seconds: took.Seconds(), Columns: recorded,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
