package smoothl1_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/smoothl1/smoothl1"

// The external modules that packages may need: none for those that users import, but for the CUDA bindings with -tags cuda.
const (
	binding  = "gorgonia.org/cu github.com/google/uuid github.com/pkg/errors"
	anything = "*"
)

// Sets of this module's packages that several rows of the table share; "." is the root.
const (
	forCPU      = ". internal/op internal/isa"
	forGPU      = forCPU + " cpu cpu/internal/core cpu/internal/stage cpu/internal/tune device internal/cuda internal/driver internal/memory kernels"
	forSim      = "device internal/driver internal/memory sim/internal/ieee sim/internal/ptx sim/internal/vm"
	forPrograms = forGPU + " gpu " + forSim + " sim"
	forFiles    = "internal/files internal/memory"
	forTools    = forPrograms + " internal/testkit/difftest internal/files internal/npy"
)

// table lists the packages that each package may import, directly or indirectly, so that imports form layers:
// cmd, examples → gpu, sim → internal/{driver,cuda,op}, kernels, cpu → the root.
var table = map[string]struct{ ours, others string }{
	".":                           {},
	"cpu":                         {forCPU + " cpu/internal/core cpu/internal/stage cpu/internal/tune", ""},
	"cpu/internal/core":           {forCPU, ""},
	"cpu/internal/stage":          {forCPU + " cpu/internal/core", ""},
	"cpu/internal/tune":           {forCPU, ""},
	"gpu":                         {forGPU, binding},
	"kernels":                     {". internal/op", ""},
	"sim":                         {forSim, ""},
	"sim/internal/ieee":           {},
	"sim/internal/ptx":            {},
	"sim/internal/vectors":        {"device internal/driver", ""},
	"sim/internal/vm":             {"sim/internal/ieee sim/internal/ptx", ""},
	"internal/measure":            {forTools, binding},
	"internal/bundle":             {},
	"internal/cuda":               {"device internal/driver", binding},
	"internal/testkit/devicetest": {"device internal/driver", anything},
	"internal/testkit/fakedriver": {},
	"internal/testkit/faults":     {"device internal/driver", ""},
	"internal/testkit/simdriver":  {forSim + " sim", ""},
	"internal/testkit/difftest":   {forPrograms + " internal/files internal/npy", binding},
	"device":                      {},
	"internal/driver":             {"device", ""},
	"internal/files":              {},
	"internal/op":                 {".", ""},
	"internal/isa":                {},
	"internal/memory":             {},
	"internal/npy":                {forFiles, ""},
	"internal/testkit":            {"", anything},
	"cmd/smoothl1":                {forTools + " internal/measure", anything},
	"examples/detection":          {forGPU + " gpu", binding},
	"examples/deviceloop":         {forGPU + " gpu", binding},
	"examples/diffusion":          {forGPU + " gpu", binding},
	"examples/dqn":                {forGPU + " gpu", binding},
	"examples/goroutines":         {forGPU + " gpu", binding},
	"examples/graph":              {forGPU + " gpu", binding},
	"examples/hostslices":         {forGPU + " gpu", binding},
	"examples/mixed":              {forGPU + " gpu", binding},
	"examples/robustfit":          {forGPU + " gpu", anything},
	"examples/wrap":               {forPrograms, binding},
}

// graph maps a package to its imports, named as in the table and without the standard library.
type graph map[string][]string

// listed is a package in the output of "go list".
type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func list(t *testing.T, tags string) (g graph, ours []string) {
	c := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Imports,Standard", "-tags", tags, "./...")
	c.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1") // the configuration with the most packages
	out, err := c.Output()
	require.NoError(t, err)
	g = graph{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listed
		require.NoError(t, d.Decode(&p))
		if name := short(p.ImportPath); !p.Standard {
			g[name] = nil
			for _, i := range p.Imports {
				g[name] = append(g[name], short(i))
			}
			if name != p.ImportPath {
				ours = append(ours, name)
			}
		}
	}
	return g, ours
}

// short returns the name of a package in the table.
func short(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

// needs returns the packages that a package imports, directly or indirectly.
func (g graph) needs(name string) []string {
	found := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		for _, i := range g[name] {
			if _, known := g[i]; known && !found[i] { // a package outside the graph is the standard library's
				found[i] = true
				visit(i)
			}
		}
	}
	visit(name)
	return slices.Sorted(maps.Keys(found))
}

// faults returns the imports that the table does not allow.
func (g graph) faults(ours []string) (all []string) {
	for _, name := range ours {
		row, ok := table[name]
		if !ok {
			all = append(all, name+" has no row")
			continue
		}
		for _, need := range g.needs(name) {
			allowed := row.others
			if slices.Contains(ours, need) {
				allowed = row.ours
			}
			if allowed != anything && !slices.Contains(strings.Fields(allowed), need) {
				all = append(all, fmt.Sprintf("%s needs %s", name, need))
			}
		}
	}
	return all
}

// TestImports checks that packages and table agree, with and without -tags cuda.
func TestImports(t *testing.T) {
	for _, tags := range []string{"", "cuda"} {
		g, ours := list(t, tags)
		assert.Empty(t, g.faults(ours), "tags %q", tags)
		if tags == "cuda" { // only this build has all packages
			assert.Subset(t, ours, slices.Collect(maps.Keys(table)))
		}
		// The check reports a forbidden import, direct or indirect.
		for _, broken := range []struct {
			edges []string
			fault string
		}{
			{[]string{"gpu>x", "x>sim"}, "gpu needs sim"},
			{[]string{"gpu>x"}, "gpu needs x"},
			{[]string{"x>sim"}, "x has no row"},
			{[]string{"sim>cpu"}, "sim needs cpu"},
			{[]string{"kernels>internal/npy"}, "kernels needs internal/npy"},
			{[]string{"kernels>internal/npy"}, "gpu needs internal/npy"},
			{[]string{".>internal/isa"}, ". needs internal/isa"},
			{[]string{"internal/isa>example.org/x", "example.org/x>"}, "cpu needs example.org/x"},
			{[]string{"examples/wrap>cmd/smoothl1"}, "examples/wrap needs cmd/smoothl1"},
			{[]string{"sim>gorgonia.org/cu", "gorgonia.org/cu>"}, "sim needs gorgonia.org/cu"},
		} {
			b, packages := maps.Clone(g), ours
			for _, e := range broken.edges {
				from, to, _ := strings.Cut(e, ">")
				b[from] = append(slices.Clip(b[from]), to)
				if from == "x" || to == "x" {
					b["x"] = append([]string{}, b["x"]...)
					packages = append(slices.Clip(ours), "x")
				}
			}
			assert.Contains(t, b.faults(packages), broken.fault, "%v", broken.edges)
		}
	}
}
