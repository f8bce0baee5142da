package smoothl1_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// holders are the functions that return with a mutex locked, which their caller unlocks with defer.
var holders = []string{"gpu/device.go: enter", "internal/cuda/device_cuda.go: enter", "sim/device.go: usable", "mpi/comm.go: enter"}

// TestLocks requires every mutex to be unlocked by defer, or to be held across no call: if a panic leaves a mutex locked, the
// failure of one goroutine becomes a deadlock for all.
func TestLocks(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		held, locks := heldOverCalls(t, path, nil)
		assert.Empty(t, held)
		seen += locks
		return nil
	})
	require.NoError(t, err)
	require.NotZero(t, seen)
}

func TestHeldOverCalls(t *testing.T) {
	for body, found := range map[string]int{
		"m.Lock(); defer m.Unlock(); f()":                           0,
		"m.Lock(); x = append(x, y.Load()); m.Unlock(); f()":        0,
		"m.RLock(); defer m.RUnlock(); f()":                         0,
		"m.Lock(); f(); m.Unlock()":                                 1,
		"m.Lock(); if x { f() }; m.Unlock()":                        1,
		"m.RLock(); if x { m.RUnlock(); return }; f(); m.RUnlock()": 1,
		"go func() { m.Lock(); x = f(); m.Unlock() }()":             1,
		"m.Lock(); defer n.Unlock(); f()":                           1,
		"switch { case x: m.Lock(); f() }":                          1,
	} {
		held, locks := heldOverCalls(t, "x.go", "package x\nfunc g() {"+body+"}")
		assert.Len(t, held, found, body)
		assert.Equal(t, 1, locks)
	}
}

// heldOverCalls returns the positions in a file where a mutex is locked without an immediate defer of Unlock and a call follows
// before it is unlocked. Builtin functions and atomic loads and stores do not count as calls.
func heldOverCalls(t *testing.T, path string, src any) (held []string, locks int) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, src, 0)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		if f, ok := n.(*ast.FuncDecl); ok && slices.Contains(holders, filepath.ToSlash(path)+": "+f.Name.Name) {
			return false
		}
		var list []ast.Stmt
		switch n := n.(type) {
		case *ast.BlockStmt:
			list = n.List
		case *ast.CaseClause:
			list = n.Body
		case *ast.CommClause:
			list = n.Body
		}
		for i, s := range list {
			s, ok := s.(*ast.ExprStmt)
			if !ok {
				continue
			}
			mutex, method := methodCall(s.X)
			if method != "Lock" && method != "RLock" {
				continue
			}
			locks++
			unlock := strings.Replace(method, "Lock", "Unlock", 1)
			rest := list[i+1:]
			if len(rest) > 0 {
				if d, ok := rest[0].(*ast.DeferStmt); ok {
					if m, name := methodCall(d.Call); m == mutex && name == unlock {
						continue
					}
				}
			}
			for _, s := range rest {
				if e, ok := s.(*ast.ExprStmt); ok {
					if m, name := methodCall(e.X); m == mutex && name == unlock {
						break
					}
				}
				if call := callIn(s, unlock); call != nil {
					held = append(held, fmt.Sprintf("%s: %s is held", set.Position(call.Pos()), mutex))
					break
				}
			}
		}
		return true
	})
	return held, locks
}

// callIn returns the first call in a statement.
func callIn(s ast.Stmt, unlock string) (found *ast.CallExpr) {
	ast.Inspect(s, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return found == nil
		}
		if name, ok := call.Fun.(*ast.Ident); ok && types.Universe.Lookup(name.Name) != nil {
			return true
		}
		if _, method := methodCall(call); method != "Load" && method != "Store" && method != unlock {
			found = call
		}
		return found == nil
	})
	return found
}

// methodCall returns the receiver, or the package, and the name of a method or function call.
func methodCall(e ast.Expr) (receiver, method string) {
	if call, ok := e.(*ast.CallExpr); ok {
		if s, ok := call.Fun.(*ast.SelectorExpr); ok {
			return types.ExprString(s.X), s.Sel.Name
		}
	}
	return "", ""
}
