package smoothl1_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/smoothl1/smoothl1"

// listed is what "go list" says of a package.
type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, arguments ...string) map[string]listed {
	out, err := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Imports,Deps"}, arguments...)...).Output()
	require.NoError(t, err)
	packages := map[string]listed{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listed
		require.NoError(t, d.Decode(&p))
		packages[strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")] = p
	}
	return packages
}

// TestImports holds the direction of imports: cmd and examples → gpu, sim → internal/{driver,cuda}, kernels, cpu → root.
func TestImports(t *testing.T) {
	for _, tags := range []string{"", "cuda"} {
		packages := list(t, "-tags", tags, "./...")
		require.Contains(t, packages, "gpu")
		for name, p := range packages {
			for _, i := range p.Imports {
				mine := i == module || strings.HasPrefix(i, module+"/")
				inner := strings.TrimPrefix(strings.TrimPrefix(i, module), "/")
				switch {
				case name == "":
					assert.False(t, mine, "the root imports nothing of ours, but %s", i)
				case name == "gpu":
					assert.NotEqual(t, "sim", inner, "a binary that does not ask for it carries no simulator")
				}
				if strings.HasPrefix(i, "gorgonia.org/") {
					assert.Equal(t, "internal/cuda", name, "only internal/cuda imports %s", i)
				}
				if mine && strings.HasPrefix(inner, "cmd/") {
					assert.Failf(t, "a command is imported", "%s by %s", i, name)
				}
			}
			if isLibrary(name) {
				for _, d := range p.Deps {
					standard := !strings.Contains(strings.Split(d, "/")[0], ".") || strings.HasPrefix(d, "golang.org/x/") && strings.Contains(d, "vendor")
					ours := d == module || strings.HasPrefix(d, module+"/")
					binding := tags == "cuda" && (d == "gorgonia.org/cu" || d == "github.com/google/uuid" || d == "github.com/pkg/errors")
					assert.True(t, standard || ours || binding, "%s (tags %q) needs %s", name, tags, d)
				}
			}
		}
	}
}

// isLibrary says whether a user's program may import the package, directly or not.
func isLibrary(name string) bool {
	for _, l := range []string{"cpu", "gpu", "kernels", "sim", "internal/driver", "internal/cuda", "internal/formula", "internal/isa", "internal/memory", "internal/npy"} {
		if name == l || strings.HasPrefix(name, l+"/internal/") {
			return true
		}
	}
	return name == ""
}
