package vm

import (
	"encoding/binary"
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// Module is a text's kernels, and its variables placed in memory.
type Module struct {
	Consts      Bank
	Programs    map[string]*Program
	Globals     []*Region // of the .global variables, in the order of the text
	Approximate bool

	text        *ptx.Module
	addresses   map[*ptx.Var]uint64
	byName      map[string]*ptx.Var
	sharedBytes uint64
	sharedAlign uint64
	work        int // operations of the functions that are decoded
}

// maxConst is the size of constant memory.
const maxConst = 64 << 10

func (m *Module) function(name string) *ptx.Func {
	for _, f := range m.text.Funcs {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Load places a text's variables and decodes its kernels. place gives device memory to a variable; its error is returned as it is.
func Load(text *ptx.Module, approximate bool, place func(name string, bytes, align uint64) (*Region, error)) (*Module, error) {
	m := &Module{text: text, Programs: map[string]*Program{}, addresses: map[*ptx.Var]uint64{}, byName: map[string]*ptx.Var{}, Approximate: approximate}
	vars := append([]*ptx.Var(nil), text.Vars...)
	for _, f := range text.Funcs {
		for _, v := range f.Locals {
			if v.Space == ptx.Global || v.Space == ptx.Const {
				vars = append(vars, v)
			}
		}
	}
	var dynamic []*ptx.Var
	m.sharedAlign = 1
	for _, v := range vars {
		if _, ok := m.byName[v.Name]; !ok {
			m.byName[v.Name] = v
		}
		align := uint64(v.Align)
		switch v.Space {
		case ptx.Shared:
			if v.Unsized {
				dynamic = append(dynamic, v)
				m.sharedAlign = max(m.sharedAlign, align)
				continue
			}
			if v.Extern {
				continue
			}
			at := (m.sharedBytes + align - 1) &^ (align - 1)
			m.addresses[v], m.sharedBytes = at, at+uint64(v.Bytes)
		case ptx.Const:
			if v.Extern {
				continue
			}
			at := (uint64(len(m.Consts.data)) + align - 1) &^ (align - 1)
			if at+uint64(v.Bytes) > maxConst {
				return nil, &ptx.Error{Line: v.Line, Msg: fmt.Sprintf("%s: more than %d bytes of constant memory", v.Name, maxConst)}
			}
			data := make([]byte, at+uint64(v.Bytes))
			copy(data, m.Consts.data)
			copy(data[at:], v.Init)
			m.addresses[v], m.Consts.data = at, data
		case ptx.Global:
			if v.Extern {
				continue
			}
			if v.Bytes == 0 {
				return nil, &ptx.Error{Line: v.Line, Msg: fmt.Sprintf("%s has no size", v.Name)}
			}
			r, err := place(v.Name, uint64(v.Bytes), align)
			if err != nil {
				return nil, err
			}
			copy(r.Data, v.Init)
			m.addresses[v] = r.Base
			m.Globals = append(m.Globals, r)
		}
	}
	for _, v := range vars {
		if err := m.fixup(v); err != nil {
			return nil, err
		}
	}
	// Dynamic shared memory lies behind the static one; all names of it are one place. Functions may have static variables of
	// their own, so that the place depends on the kernel.
	return m, m.kernels(dynamic)
}

// fixup writes addresses into a variable's initial value.
func (m *Module) fixup(v *ptx.Var) error {
	for _, f := range v.Fixups {
		to := m.byName[f.Symbol]
		at, ok := m.addresses[to]
		if !ok || to.Space == ptx.Shared {
			return &ptx.Error{Line: f.Line, Msg: fmt.Sprintf("%s: %s is no variable whose address is known", v.Name, f.Symbol)}
		}
		if f.Generic {
			at += windowOf(to.Space)
		}
		data := m.Consts.data[min(m.addresses[v], uint64(len(m.Consts.data))):]
		if v.Space == ptx.Global {
			for _, r := range m.Globals {
				if r.Base == m.addresses[v] {
					data = r.Data
				}
			}
		}
		binary.LittleEndian.PutUint64(data[f.Offset:], at+uint64(f.Addend))
	}
	return nil
}

// kernels decodes all functions of the text. A device function that no kernel calls is decoded too, for its errors.
func (m *Module) kernels(dynamic []*ptx.Var) error {
	for _, f := range m.text.Funcs {
		if f.Declared {
			continue
		}
		// The size of the static part is known only when the kernel is decoded; a first pass finds it.
		static := m.sharedBytes
		for range 2 {
			for _, v := range dynamic {
				align := m.sharedAlign
				m.addresses[v] = (static + align - 1) &^ (align - 1)
			}
			p, err := m.compile(f)
			if err != nil {
				return err
			}
			if f.Entry {
				m.Programs[f.Name] = p
			}
			if p.SharedStatic == static || len(dynamic) == 0 {
				break
			}
			static = p.SharedStatic
		}
	}
	return nil
}
