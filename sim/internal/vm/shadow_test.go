package vm

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The bits of a shadow, against a byte for each byte.
func TestShadowBits(t *testing.T) {
	r := seeded(2)
	const size = 700
	for range 60 {
		s, o := NewShadow(size), NewShadow(size)
		var bytes, other [size]bool
		fill := func(s *Shadow, b *[size]bool) {
			at := uint64(r.below(size))
			n := uint64(r.below(uint32(size-at) + 1))
			s.Written(at, n)
			for i := at; i < at+n; i++ {
				b[i] = true
			}
		}
		for range 20 {
			switch r.below(5) {
			case 0:
				fill(s, &bytes)
			case 1:
				fill(o, &other)
			case 2: // an aligned access
				n := uint64(1) << r.below(5)
				at := uint64(r.below(size/uint32(n))) * n
				want := true
				for i := at; i < at+n; i++ {
					want = want && bytes[i]
				}
				require.Equal(t, want, s.isWritten(at, n))
				s.written(at, n)
				for i := at; i < at+n; i++ {
					bytes[i] = true
				}
			case 3: // from another
				n := uint64(r.below(size))
				at, from := uint64(r.below(uint32(size-n)+1)), uint64(r.below(uint32(size-n)+1))
				s.Copied(at, o, from, n)
				copy(bytes[at:at+n], other[from:from+n])
			case 4: // over itself
				n := uint64(r.below(size))
				at, from := uint64(r.below(uint32(size-n)+1)), uint64(r.below(uint32(size-n)+1))
				s.Copied(at, s, from, n)
				copy(bytes[at:at+n], bytes[from:from+n])
			}
			missing := uint64(0)
			for i, b := range bytes {
				require.Equal(t, b, s.isWritten(uint64(i), 1))
				if !b {
					missing++
				}
			}
			require.Equal(t, missing, s.missing)
		}
		s.forget(size)
		require.Equal(t, uint64(size), s.missing)
	}
}

// A page's cells become as narrow as the narrowest access, and keep their contents.
func TestShadowPages(t *testing.T) {
	s := NewShadow(3 * pageBytes)
	p := s.page(pageBytes+64, 7, 4, nil)
	require.Len(t, p.cells, pageBytes/16)
	p.cells[4].write = 99
	require.Same(t, p, s.page(pageBytes+4, 7, 4, nil))
	p = s.page(pageBytes, 7, 2, nil)
	require.Len(t, p.cells, pageBytes/4)
	for i, c := range p.cells {
		want := epoch(0)
		if i/4 == 4 {
			want = 99
		}
		require.Equal(t, want, c.write)
	}
	require.Equal(t, uint8(2), s.page(pageBytes, 7, 4, nil).grain, "wide again")
	require.Len(t, s.page(pageBytes, 7, 0, nil).cells, pageBytes)
	p = s.page(pageBytes, 8, 3, nil) // another launch
	require.Equal(t, uint8(3), p.grain)
	for _, c := range p.cells {
		require.Zero(t, c)
	}
}
