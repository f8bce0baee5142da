// Package testkit holds code shared by the tests of several packages.
package testkit

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Zero calls every exported method of a package on a nil and on a zero receiver, and every exported function, with zero values and with
// pointers to zero values as arguments. None may panic, and methods with a pointer receiver, other than Close and Unwrap, must return
// an error.
//
// things are a pointer to each exported type (to an instance, if it is generic), and each exported function. Zero reads their names
// from the package in dir, and fails the test if one is missing. Aliases are left to the package that declares the type.
func Zero(t *testing.T, dir string, things ...any) {
	missing := exported(t, dir)
	for _, thing := range things {
		v := reflect.ValueOf(thing)
		if v.Kind() == reflect.Func {
			name := runtime.FuncForPC(v.Pointer()).Name()
			name, _, _ = strings.Cut(name[strings.LastIndex(strings.Split(name, "[")[0], ".")+1:], "[")
			delete(missing, name)
			attempt(t, name, v, false)
			continue
		}
		p := v.Type()
		require.Equal(t, reflect.Pointer, p.Kind(), "%v", p)
		name, _, _ := strings.Cut(p.Elem().Name(), "[")
		delete(missing, name)
		for i := range p.NumMethod() {
			method := p.Method(i).Name
			_, byValue := p.Elem().MethodByName(method)
			due := !byValue && method != "Close" && method != "Unwrap"
			attempt(t, "zero "+name+"."+method, reflect.New(p.Elem()).Method(i), due)
			if !byValue { // Go itself panics if there is no value to copy
				attempt(t, "nil "+name+"."+method, reflect.Zero(p).Method(i), due)
			}
		}
	}
	assert.Empty(t, missing, "exported, and not tried")
}

// attempt calls f with zero arguments, and with new values in place of nil pointers.
func attempt(t *testing.T, name string, f reflect.Value, due bool) {
	for _, fill := range []func(reflect.Type) reflect.Value{reflect.Zero, func(x reflect.Type) reflect.Value {
		if x.Kind() == reflect.Pointer {
			return reflect.New(x.Elem())
		}
		return reflect.Zero(x)
	}} {
		var args []reflect.Value
		for i := range f.Type().NumIn() {
			x := f.Type().In(i)
			if f.Type().IsVariadic() && i == f.Type().NumIn()-1 {
				x = x.Elem()
			}
			args = append(args, fill(x))
		}
		var results []reflect.Value
		if !assert.NotPanics(t, func() { results = f.Call(args) }, "%s(%v)", name, args) {
			continue
		}
		for _, r := range results {
			err, isError := r.Interface().(error)
			if due && r.Type() == reflect.TypeFor[error]() {
				assert.Truef(t, isError, "%s(%v): no error", name, args)
			}
			if isError && err != nil {
				assert.NotPanics(t, func() { _ = fmt.Sprint(err) }, name)
			}
		}
	}
}

// exported returns the names of a package's exported types and functions.
func exported(t *testing.T, dir string) map[string]bool {
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.IsExported() {
					names[d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					s, ok := s.(*ast.TypeSpec)
					if !ok || !s.Name.IsExported() || s.Assign.IsValid() {
						continue
					}
					if _, constraint := s.Type.(*ast.InterfaceType); !constraint {
						names[s.Name.Name] = true
					}
				}
			}
		}
	}
	require.NotEmpty(t, names)
	return names
}
