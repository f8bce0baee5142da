package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"

	"github.com/mmcloughlin/avo/gotypes"
)

// layout is the struct of the kernels' parameters, read from its declaration in package core.
type layout struct {
	pkg    *types.Package
	params map[string]types.Type // by element type
}

// readLayout type-checks only the declarations that Params depends on, because the rest of the package needs stubs that may not have
// been written yet.
func readLayout(root string) (*layout, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, filepath.Join(root, filepath.FromSlash(folder), "params.go"), nil, 0)
	if err != nil {
		return nil, err
	}
	source := bytes.NewBufferString("package core\n")
	found := 0
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, s := range g.Specs {
			t := s.(*ast.TypeSpec)
			switch t.Name.Name {
			case "Params", "Float", "Kernel", "Quotient", "Storage":
			default:
				continue
			}
			found++
			source.WriteString("type ")
			if err := format.Node(source, fset, t); err != nil {
				return nil, err
			}
			source.WriteString("\n")
		}
	}
	if found != 5 {
		return nil, fmt.Errorf("%s/params.go: found %d of the types Params, Float, Kernel, Quotient and Storage", folder, found)
	}
	small, err := parser.ParseFile(fset, "params.go", source, 0)
	if err != nil {
		return nil, err
	}
	pkg, err := (&types.Config{Sizes: gotypes.Sizes}).Check("core", fset, []*ast.File{small}, nil)
	if err != nil {
		return nil, err
	}
	l := &layout{pkg: pkg, params: map[string]types.Type{}}
	generic := pkg.Scope().Lookup("Params").Type()
	for _, k := range []types.BasicKind{types.Float32, types.Float64} {
		t := types.Typ[k]
		if l.params[t.Name()], err = types.Instantiate(nil, generic, []types.Type{t}, true); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// signature returns the signature of a kernel of the element type.
func (l *layout) signature(element string) *gotypes.Signature {
	p := types.NewParam(token.NoPos, l.pkg, "p", types.NewPointer(l.params[element]))
	return gotypes.NewSignature(l.pkg, types.NewSignatureType(nil, nil, nil, types.NewTuple(p), nil, false))
}

// offsets returns the offsets of the fields, by their names.
func (l *layout) offsets(element string) map[string]int {
	all := map[string]int{}
	fields := fieldsOf(l.params[element])
	for i, offset := range gotypes.Sizes.Offsetsof(fields) {
		all[fields[i].Name()] = int(offset)
	}
	return all
}

func fieldsOf(params types.Type) (fields []*types.Var) {
	for f := range params.Underlying().(*types.Struct).Fields() {
		fields = append(fields, f)
	}
	return fields
}

// assertions returns Go code that does not compile unless the fields are at the offsets that the assembly uses.
func (l *layout) assertions() string {
	var b bytes.Buffer
	for _, element := range []string{"float32", "float64"} {
		fields := fieldsOf(l.params[element])
		for i, offset := range gotypes.Sizes.Offsetsof(fields) {
			fmt.Fprintf(&b, "\t_ = [1]struct{}{}[unsafe.Offsetof(Params[%s]{}.%s)-%d]\n", element, fields[i].Name(), offset)
		}
	}
	return b.String()
}
