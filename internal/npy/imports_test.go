package npy

import (
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImports requires the package to depend, on every system, only on the standard library and two of our packages.
func TestImports(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	seen := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range file.Imports {
			seen++
			first, _, _ := strings.Cut(strings.Trim(i.Path.Value, `"`), "/")
			ours := slices.Contains([]string{`"github.com/smoothl1/smoothl1/internal/files"`, `"github.com/smoothl1/smoothl1/internal/memory"`}, i.Path.Value)
			require.True(t, !strings.Contains(first, ".") || ours, "%s imports %s", e.Name(), i.Path.Value)
		}
	}
	require.NotZero(t, seen)
}
