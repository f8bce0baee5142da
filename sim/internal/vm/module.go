package vm

import (
	"encoding/binary"
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// Module holds the decoded kernels of a text, and its variables, placed in memory.
type Module struct {
	Consts      Bank
	Programs    map[string]*Program
	Globals     []*Region // of the .global variables, in the order of the text
	Approximate bool

	text        *ptx.Module
	functions   map[string]*ptx.Func
	addresses   map[*ptx.Var]uint64
	byName      map[string]*ptx.Var
	regions     map[*ptx.Var]*Region // of the .global variables
	globals     map[string]*Region
	dynamic     uint64 // address of all dynamic shared variables in the kernel being decoded
	sharedBytes uint64
	sharedAlign uint64
	work        int // operations decoded so far
}

// maxConst is the size of constant memory.
const maxConst = 64 << 10

// dynamicShared stands in Module.addresses for the address of dynamic shared memory, which depends on the kernel.
const dynamicShared = ^uint64(0)

// address returns a variable's address in its state space.
func (m *Module) address(v *ptx.Var) (at uint64, ok bool) {
	if at, ok = m.addresses[v]; at == dynamicShared {
		at = m.dynamic
	}
	return at, ok
}

// Global returns the .global variable of a name, or nil. If several functions have one, it returns the first.
func (m *Module) Global(name string) *Region { return m.globals[name] }

// Load places a text's variables and decodes its kernels. It calls place to allocate a variable's device memory, and returns its errors
// unchanged.
func Load(text *ptx.Module, approximate bool, place func(name string, bytes, align uint64) (*Region, error)) (*Module, error) {
	m := &Module{text: text, Programs: map[string]*Program{}, functions: map[string]*ptx.Func{}, addresses: map[*ptx.Var]uint64{},
		byName: map[string]*ptx.Var{}, regions: map[*ptx.Var]*Region{}, globals: map[string]*Region{}, Approximate: approximate}
	vars := append([]*ptx.Var(nil), text.Vars...)
	for _, f := range text.Funcs {
		m.functions[f.Name] = f
		for _, v := range f.Locals {
			if v.Space == ptx.Global || v.Space == ptx.Const {
				vars = append(vars, v)
			}
		}
	}
	dynamic := false
	m.sharedAlign = 1
	for _, v := range vars {
		if _, ok := m.byName[v.Name]; !ok {
			m.byName[v.Name] = v
		}
		align := uint64(v.Align)
		switch v.Space {
		case ptx.Shared:
			if v.Unsized {
				dynamic = true
				m.addresses[v] = dynamicShared
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
			m.addresses[v] = at
			m.Consts.data = append(m.Consts.data, make([]byte, at+uint64(v.Bytes)-uint64(len(m.Consts.data)))...)
			copy(m.Consts.data[at:], v.Init)
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
			m.addresses[v], m.regions[v] = r.Base, r
			if m.globals[v.Name] == nil {
				m.globals[v.Name] = r
			}
			m.Globals = append(m.Globals, r)
		}
	}
	for _, v := range vars {
		if err := m.fixup(v); err != nil {
			return nil, err
		}
	}
	// Dynamic shared memory follows the static variables; all its names refer to the same address. That depends on the kernel, because
	// functions may have static variables of their own.
	return m, m.kernels(dynamic)
}

// fixup writes addresses into a variable's initial value.
func (m *Module) fixup(v *ptx.Var) error {
	for _, f := range v.Fixups {
		to := m.byName[f.Symbol]
		at, ok := m.address(to)
		if !ok || to.Space == ptx.Shared {
			return &ptx.Error{Line: f.Line, Msg: fmt.Sprintf("%s: %s is not a variable with a known address", v.Name, f.Symbol)}
		}
		if f.Generic {
			at += windowOf(to.Space)
		}
		data := m.Consts.data[min(m.addresses[v], uint64(len(m.Consts.data))):]
		if v.Space == ptx.Global {
			data = m.regions[v].Data
		}
		binary.LittleEndian.PutUint64(data[f.Offset:], at+uint64(f.Addend))
	}
	return nil
}

// kernels decodes all functions of the text. It decodes device functions that no kernel calls, too, to report their errors.
func (m *Module) kernels(dynamic bool) error {
	for _, f := range m.text.Funcs {
		if f.Declared {
			continue
		}
		// The size of the static part is known only when the kernel is decoded; a first pass finds it.
		static := m.sharedBytes
		for range 2 {
			m.dynamic = (static + m.sharedAlign - 1) &^ (m.sharedAlign - 1)
			p, err := m.compile(f)
			if err != nil {
				return err
			}
			if f.Entry {
				m.Programs[f.Name] = p
			}
			if p.SharedStatic == static || !dynamic {
				break
			}
			static = p.SharedStatic
		}
	}
	return nil
}
