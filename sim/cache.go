package sim

import (
	"sync"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// The last texts that were read: tests open many devices and load the same text on each. What a parse gives is not changed by
// decoding it.
var cache struct {
	sync.Mutex
	texts   [4]string
	modules [4]*ptx.Module
	next    int
}

func parse(text string) (*ptx.Module, error) {
	cache.Lock()
	defer cache.Unlock()
	for i, t := range cache.texts {
		if cache.modules[i] != nil && t == text {
			return cache.modules[i], nil
		}
	}
	m, err := ptx.Parse(text)
	if err != nil {
		return nil, err
	}
	cache.texts[cache.next], cache.modules[cache.next] = text, m
	cache.next = (cache.next + 1) % len(cache.texts)
	return m, nil
}
