package sim

import (
	"sync"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
	"github.com/smoothl1/smoothl1/sim/internal/vm"
)

// cache holds the texts loaded most recently: tests open many devices and load the same text on each. Decoding does not change a
// parsed text, and running does not change a decoded module, so devices can share both, except for a module with variables in device
// memory, which belongs to one device.
var cache struct {
	sync.Mutex
	entries [4]cached
	next    int
}

// maxCached is the size of the largest text that is kept.
const maxCached = 8 << 20

type cached struct {
	text   string
	parsed *ptx.Module
	code   [2]*vm.Module // without and with approximate instructions
}

// entry returns the cache entry of a text, parsing the text if it is not cached.
func entry(text string) (*cached, error) {
	for i := range cache.entries {
		if e := &cache.entries[i]; e.parsed != nil && e.text == text {
			return e, nil
		}
	}
	m, err := ptx.Parse(text)
	if err != nil {
		return nil, err
	}
	if len(text) > maxCached {
		return &cached{parsed: m}, nil
	}
	e := &cache.entries[cache.next]
	*e = cached{text: text, parsed: m}
	cache.next = (cache.next + 1) % len(cache.entries)
	return e, nil
}

// compile parses and decodes a text. check may reject the parsed text; place allocates a variable's device memory.
func compile(text string, approximate bool, check func(*ptx.Module) error, place func(name string, bytes, align uint64) (*vm.Region, error)) (*ptx.Module, *vm.Module, error) {
	cache.Lock()
	defer cache.Unlock()
	e, err := entry(text)
	if err != nil {
		return nil, nil, err
	}
	if err := check(e.parsed); err != nil {
		return nil, nil, err
	}
	kind := 0
	if approximate {
		kind = 1
	}
	if code := e.code[kind]; code != nil {
		return e.parsed, code, nil
	}
	code, err := vm.Load(e.parsed, approximate, place)
	if err == nil && len(code.Globals) == 0 {
		e.code[kind] = code
	}
	return e.parsed, code, err
}
