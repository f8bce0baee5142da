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

// These tests check the source for mistakes that only show if the scheduler or the garbage collector intervenes at the wrong moment.

// order requires every function that calls then, by its name in the source, to call first before it, or one of the others. It returns the
// number of functions that call both. "defer f" is a deferred call of f.
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

// The thread's current context must be popped before the goroutine may move to another thread. (If the push has failed, there is nothing
// to pop, and the end of a capture unlocks what its beginning has locked.)
func TestPopBeforeUnlock(t *testing.T) {
	for _, pop := range []string{"C.smoothl1_pop", "C.smoothl1_record_and_pop"} {
		assert.Equal(t, 1, order(t, pop, "runtime.UnlockOSThread", "C.smoothl1_pop", "C.smoothl1_record_and_pop", "cu.PushCurrentCtx", "delete"))
	}
	assert.Equal(t, 1, order(t, "runtime.LockOSThread", "cu.PushCurrentCtx"))
}

// The driver may access host memory after the call that starts a copy has returned, so the slice must be pinned before that call and until
// the function has waited for the copy.
func TestHostSlicesArePinned(t *testing.T) {
	for _, call := range []string{"C.cuMemcpyHtoDAsync", "C.cuMemcpyDtoHAsync"} {
		assert.Equal(t, 1, order(t, "pin.Pin", call))
		assert.Equal(t, 1, order(t, "defer pin.Unpin", call))
	}
}
