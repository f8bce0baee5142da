package npy

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sparse returns the path of a file of that header whose elements are 0, but for the last len(end). Its data take no room on disk.
func sparse(t *testing.T, h Header, end []float32) string {
	path := filepath.Join(t.TempDir(), "sparse.npy")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	head := encodeHeader(h)
	count, err := h.Len()
	require.NoError(t, err)
	size := int64(len(head)) + int64(count)*int64(h.DType.Size())
	if err := f.Truncate(size); err != nil {
		t.Skipf("no file of %d bytes here: %v", size, err)
	}
	info, err := f.Stat()
	require.NoError(t, err)
	if s := info.Sys().(*syscall.Stat_t); s.Blocks > 1<<12 {
		t.Skip("this file system has no sparse files")
	}
	_, err = f.WriteAt(head, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(bytesOf(end), size-int64(len(end)*4))
	require.NoError(t, err)
	return path
}

// TestMoreThan32Bits opens a file with more than 2^32 elements.
func TestMoreThan32Bits(t *testing.T) {
	if math.MaxInt == math.MaxInt32 || bigEndianHost {
		t.Skip("needs 64 bits, in the order of the file")
	}
	const rows, cols = 1<<20 + 1, 1 << 12
	end := make([]float32, cols)
	for i := range end {
		end[i] = float32(i) + 0.5
	}
	path := sparse(t, Header{Float32, []int{rows, cols}}, end)
	a, err := Open(path)
	require.NoError(t, err)
	defer a.Close()
	require.Equal(t, rows*cols, a.Len())
	want := append(make([]float32, 10), end...)
	got := make([]float32, len(want))
	require.NoError(t, ReadAt(a, got, rows*cols-len(got)))
	assert.Equal(t, want, got)
	require.Error(t, ReadAt(a, got, rows*cols-len(got)+1))

	values, err := Values[float32](a)
	if assert.NoError(t, err) { // the file is mapped
		require.Len(t, values, rows*cols)
		assert.Equal(t, want, values[rows*cols-len(want):])
	}

	// A stream is not read ahead, and a file that is one byte short is refused.
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	s, err := Stream("stream", f)
	require.NoError(t, err)
	assert.Equal(t, rows*cols, s.Len())
	require.NoError(t, s.Close())
	info, err := f.Stat()
	require.NoError(t, err)
	require.NoError(t, f.Truncate(info.Size()-1))
	_, err = Open(path)
	require.ErrorContains(t, err, "17179885567", "the bytes that there are")
	require.ErrorContains(t, err, "17179885568", "and those that there should be")

	w, err := NewWriter("w", io.Discard, Header{Float32, []int{rows, cols}})
	require.NoError(t, err)
	require.NoError(t, Append(w, end))
	assert.ErrorContains(t, Commit(w), "4294967296 elements of shape (1048577, 4096) are missing")
}
