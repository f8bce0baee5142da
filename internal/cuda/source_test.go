package cuda

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What no run can show, since it goes wrong only where the scheduler or the collector happens to move something in between, is
// held by the text of the source.

// order wants a call of then, by its name in the source, to come behind a call of first in every function that has it, and
// reports how many functions have both. "defer f" is a deferred call. In place of first a function may have one of the others.
func order(t *testing.T, first, then string, others ...string) (both int) {
	paths, err := filepath.Glob("*_cuda.go")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			at := map[string]token.Pos{}
			ast.Inspect(f, func(n ast.Node) bool {
				name := ""
				switch n := n.(type) {
				case *ast.DeferStmt:
					name = "defer " + types.ExprString(n.Call.Fun)
				case *ast.CallExpr:
					name = types.ExprString(n.Fun)
				default:
					return true
				}
				if _, seen := at[name]; !seen {
					at[name] = n.Pos()
				}
				return true
			})
			here, ok := at[then]
			if !ok {
				continue
			}
			before, ok := at[first]
			for _, o := range others {
				if pos, has := at[o]; has && !ok {
					before, ok = pos, true
				}
			}
			assert.True(t, ok && before < here, "%s: %s without %s before it", set.Position(here), then, first)
			if _, has := at[first]; has {
				both++
			}
		}
	}
	return both
}

// A thread's current context is popped before the goroutine may leave the thread. (Where the push has failed there is nothing to
// pop.)
func TestPopBeforeUnlock(t *testing.T) {
	assert.Equal(t, 1, order(t, "C.smoothl1_pop", "runtime.UnlockOSThread", "cu.PushCurrentCtx"))
	assert.Equal(t, 1, order(t, "runtime.LockOSThread", "cu.PushCurrentCtx"))
}

// The driver reads and writes host memory after the call that asks for it has returned: the slice is pinned before that, and until
// the function that waits returns.
func TestHostSlicesArePinned(t *testing.T) {
	for _, call := range []string{"C.cuMemcpyHtoDAsync", "C.cuMemcpyDtoHAsync"} {
		assert.Equal(t, 1, order(t, "pin.Pin", call))
		assert.Equal(t, 1, order(t, "defer pin.Unpin", call))
	}
}
