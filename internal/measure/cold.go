package measure

import (
	"context"
	"slices"
	"time"
)

// mostCold is the number of elements up to which calls are measured from cold caches, and coldOfSample the number of calls of a sample.
const (
	mostCold     = 1024
	coldOfSample = 3
)

// chilled returns contenders that do the same from cold caches, if c asks for them, the arrays are small and the calls are by one thread.
func chilled(c *Config, w Workload, all []*contender) (cold []*contender) {
	if c.Walk == 0 || w.N() > mostCold || w.Threads != 1 {
		return nil
	}
	other := &otherMemory{bytes: c.Walk}
	for _, k := range all {
		if k.cold == nil || moves[k.entry.Op] != 0 {
			continue
		}
		e := k.entry
		e.Contender = Cold(e.Contender)
		cold = append(cold, &contender{entry: e, most: coldOfSample, guest: k.guest, every: k.every, rest: k.rest,
			sample: func(ctx context.Context, calls int) (float64, float64, error) {
				took, err := k.cold(ctx, calls, other)
				return took, took, err
			}})
	}
	return cold
}

// coldCalls returns the median time of calls, before each of which it reads other memory. The time includes that of reading the clock.
func coldCalls(ctx context.Context, calls int, other *otherMemory, call func() error) (float64, error) {
	took := make([]float64, 0, calls)
	for range calls {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		other.read()
		begin := time.Now()
		if err := call(); err != nil {
			return 0, err
		}
		took = append(took, float64(time.Since(begin).Nanoseconds()))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// otherMemory is memory that takes the place of everything else in the caches when it is read.
type otherMemory struct {
	bytes   uint64
	content []byte // allocated when it is first read
	sum     byte   // keeps the reads
}

// read reads a byte of each line. The pages were written before: those that never were are all the same one.
func (m *otherMemory) read() {
	if m.content == nil {
		m.content = slices.Repeat([]byte{1}, int(m.bytes))
	}
	const line = 64
	for i := 0; i < len(m.content); i += line {
		m.sum += m.content[i]
	}
}
