// Package testkit holds what the tests of several packages share.
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

// Zero calls every exported method of a package with a nil and with a zero receiver, and every exported function, with zero and
// with new arguments: none may panic, and where the receiver is a pointer an error is due, unless the method closes or unwraps.
//
// things are a pointer to each exported type, an instance of each that is generic, and each exported function. One that is missing
// fails the test: the package in dir is read for their names. An alias counts as its type does elsewhere.
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
			if !byValue { // Go itself panics where there is no value to copy
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
