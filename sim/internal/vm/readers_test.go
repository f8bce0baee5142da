package vm

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// reading simulates a launch whose threads read words of a region again and again, with an occasional barrier.
func reading(t *testing.T, blocks uint32, offset string, barrier bool) *grid {
	t.Helper()
	bar := ""
	if barrier {
		bar = "bar.sync 0;"
	}
	text, err := ptx.Parse(`.version 7.8
.target sm_80
.address_size 64
.entry k(.param .u64 in) {
	.reg .pred %p; .reg .b32 %r<5>; .reg .b64 %a<3>;
	mov.u32 %r0, %tid.x;
	` + offset + `
	ld.param.u64 %a0, [in];
	cvt.u64.u32 %a1, %r0;
	add.u64 %a0, %a0, %a1;
	mov.u32 %r1, 0;
L:	ld.global.u32 %r2, [%a0];
	` + bar + `
	add.u32 %r1, %r1, 1;
	setp.lt.u32 %p, %r1, 50;
	@%p bra L;
}`)
	require.NoError(t, err)
	m, err := Load(text, false, nil)
	require.NoError(t, err)
	r := &Region{Base: 0x1000, Data: make([]byte, 4096), Shadow: NewShadow(4096)}
	r.Shadow.Written(0, 4096)
	memory := &Memory{}
	memory.Add(r)
	g := newGrid(m.Programs["k"], memory, binary.LittleEndian.AppendUint64(nil, r.Base), Geometry{Grid: [3]uint32{blocks, 1, 1}, Block: [3]uint32{256, 1, 1}},
		Options{Seed: 1, Launch: 1, Multiprocessors: 4, Resident: 16, Strict: true})
	g.run()
	require.Nil(t, g.fault)
	return g
}

// Threads that read one address are recorded by warp, and a warp that reads it again is found without a scan of the others.
func TestReaders(t *testing.T) {
	for name, offset := range map[string]string{
		"one address":             "mov.u32 %r0, 64;",
		"two, of halves of warps": "shr.u32 %r0, %r0, 4; and.b32 %r0, %r0, 1; shl.b32 %r0, %r0, 2;",
		"two, in turn":            "and.b32 %r0, %r0, 1; shl.b32 %r0, %r0, 2;",
	} {
		t.Run(name, func(t *testing.T) {
			for _, barrier := range []bool{false, true} {
				for _, blocks := range []uint32{1, 16, 256} {
					readers := &reading(t, blocks, offset, barrier).eye.readers
					loads := 50 * 8 * uint64(blocks) // of warps
					per := uint64(16)
					if strings.Contains(name, "turn") {
						per = 64 // a lane each, one after the other
					}
					require.Less(t, readers.looked, per*loads, "readers looked at in %d loads", loads)
					require.NotEmpty(t, readers.lists)
					for _, list := range readers.lists {
						require.LessOrEqual(t, len(list), max(manyReaders, 8*int(blocks)))
						for i, r := range list {
							require.NotZero(t, r.mask)
							require.True(t, i == 0 || list[i-1].e.warp() <= r.e.warp(), "not in order")
						}
					}
				}
			}
		})
	}
}

// The readers of a cell, against a table of all reads: a read is dropped only if it happens before another one that is kept.
func TestReadersForgetNothing(t *testing.T) {
	r := seeded(3)
	const threads = 128
	for range 200 {
		g := &ordering{fences: map[uint32]*blockFences{}}
		b := &observer{grid: g, order: 1, clock: 1, threads: make([]threadView, threads)}
		var c cell
		read := map[uint32]bool{} // threads, since the last barrier of all
		for range 60 {
			switch r.below(8) {
			case 0: // a barrier
				b.base = b.clock
				b.tick()
				clear(read)
			case 1:
				b.tick()
			default:
				warp := r.below(threads / lanes)
				mask := uint32(r.next()) >> r.below(31)
				if r.below(3) == 0 {
					mask = full
				}
				if mask == 0 {
					continue
				}
				first := uint32(0)
				for mask>>first&1 == 0 {
					first++
				}
				e := epoch(b.order)<<blockShift | epoch(b.clock)<<clockShift | epoch(warp*lanes+first)<<threadShift
				b.addReaders(&c, e, mask, int32(r.below(3)))
				for i := range uint32(lanes) {
					if mask>>i&1 == 1 {
						read[warp*lanes+i] = true
					}
				}
			}
			kept := map[uint32]bool{}
			if c.read.order() != 0 {
				kept[c.read.thread()] = true
			} else if c.read != 0 {
				for _, x := range g.readers.lists[c.read] {
					for i := range uint32(lanes) {
						if u := x.e.thread() + i; x.mask>>i&1 == 1 {
							require.False(t, kept[u], "thread %d is there twice", u)
							kept[u] = true
						}
					}
				}
			}
			for u := range read {
				require.True(t, kept[u], "thread %d is forgotten", u)
			}
		}
		held := 0
		for _, list := range g.readers.lists {
			held += len(list)
		}
		require.Equal(t, held, g.readers.held)
		g.readers.drop(c.read)
		require.Zero(t, g.readers.held)
	}
}
