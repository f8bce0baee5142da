package npy

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// member adds one file to an archive. change may falsify its header or content.
func member(t testing.TB, z *zip.Writer, name string, content []byte, change func(h *zip.FileHeader, packed *[]byte)) {
	var b bytes.Buffer
	f, err := flate.NewWriter(&b, flate.DefaultCompression)
	require.NoError(t, err)
	_, err = f.Write(content)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	packed := b.Bytes()
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(content), UncompressedSize64: uint64(len(content))}
	if change != nil {
		change(h, &packed)
	}
	h.CompressedSize64 = uint64(len(packed))
	w, err := z.CreateRaw(h)
	require.NoError(t, err)
	_, err = w.Write(packed)
	require.NoError(t, err)
}

func archiveOf(t testing.TB, fill func(z *zip.Writer)) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	fill(z)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestRefuseBadMembers(t *testing.T) {
	content := ramp(10)
	for name, c := range map[string]struct {
		reason  string
		content []byte
		change  func(h *zip.FileHeader, packed *[]byte)
	}{
		"encrypted":               {"encrypted", content, func(h *zip.FileHeader, _ *[]byte) { h.Flags |= 1 }},
		"unknown method":          {"unsupported compression algorithm", content, func(h *zip.FileHeader, _ *[]byte) { h.Method = 93 }},
		"stored, sizes differ":    {"stored uncompressed, but", content, func(h *zip.FileHeader, _ *[]byte) { h.Method = zip.Store }},
		"over the limit":          {"1073741825 bytes, more than the 1073741824", content, func(h *zip.FileHeader, _ *[]byte) { h.UncompressedSize64 = MaxArchiveArray + 1 }},
		"declared too short":      {"truncated: shape (10,) of float32 is 40 bytes of data, the file has 39", content, func(h *zip.FileHeader, _ *[]byte) { h.UncompressedSize64-- }},
		"declared too long":       {"1 trailing bytes", content, func(h *zip.FileHeader, _ *[]byte) { h.UncompressedSize64++ }},
		"header cut short":        {"not a valid zip file", content, func(h *zip.FileHeader, _ *[]byte) { h.UncompressedSize64 = 100 }},
		"declared longer than is": {"truncated", content[:150], func(h *zip.FileHeader, _ *[]byte) { h.UncompressedSize64 = 168 }},
		"longer than declared":    {"not a valid zip file", append(ramp(10), 0), func(h *zip.FileHeader, _ *[]byte) { h.UncompressedSize64 = 168 }},
		"wrong checksum":          {"checksum error", content, func(h *zip.FileHeader, _ *[]byte) { h.CRC32++ }},
		"no checksum":             {"checksum error", content, func(h *zip.FileHeader, _ *[]byte) { h.CRC32 = 0 }},
		"packed data cut short":   {"truncated", content, func(_ *zip.FileHeader, packed *[]byte) { *packed = (*packed)[:len(*packed)-4] }},
		"no packed data":          {"truncated", content, func(_ *zip.FileHeader, packed *[]byte) { *packed = nil }},
		"packed data damaged":     {"corrupt input", content, func(_ *zip.FileHeader, packed *[]byte) { (*packed)[0] = 0xff }},
		"bad .npy file":           {"the negative dimension -3", npyFile(1, dict("(-3,)"), 0), nil},
		"trailing bytes":          {"2 trailing bytes", append(ramp(10), 0, 0), nil},
		"empty":                   {"the file ends within the header", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := archiveOf(t, func(z *zip.Writer) {
				member(t, z, "bad.npy", c.content, c.change)
				member(t, z, "good.npy", content, nil)
			})
			a, err := NewArchive("some.npz", bytes.NewReader(b), int64(len(b)))
			require.NoError(t, err)
			_, err = a.Read("bad")
			require.ErrorAs(t, err, new(*FormatError))
			require.ErrorContains(t, err, "npy: some.npz: bad: ")
			require.ErrorContains(t, err, c.reason)
			good, err := a.Read("good")
			require.NoError(t, err)
			require.Equal(t, 10, good.Len())
			require.Equal(t, "some.npz: good", good.Name())
		})
	}
}

func TestRefuseBadArchives(t *testing.T) {
	good := archiveOf(t, func(z *zip.Writer) { member(t, z, "x.npy", ramp(10), nil) })
	damaged := bytes.Replace(good, []byte("PK\x01\x02"), []byte("PK\x01\x03"), 1)
	for name, c := range map[string]struct {
		reason  string
		content []byte
	}{
		"empty":              {"not a valid zip file", nil},
		"text":               {"not a valid zip file", []byte("text, and more of it than a zip file's end has")},
		"a .npy file":        {"a .npy file, not a .npz archive", ramp(10)},
		"cut short":          {"not a valid zip file", good[:len(good)-30]},
		"directory damaged":  {"not a valid zip file", damaged},
		"another file in it": {`holds "readme.txt", which isn't a .npy file`, archiveOf(t, func(z *zip.Writer) { member(t, z, "readme.txt", nil, nil) })},
		"a folder in it": {`holds "x.npy/", which isn't a .npy file`, archiveOf(t, func(z *zip.Writer) {
			member(t, z, "x.npy/", nil, func(_ *zip.FileHeader, packed *[]byte) { *packed = nil })
		})},
		"the same twice": {`holds "x.npy" twice`, archiveOf(t, func(z *zip.Writer) {
			member(t, z, "x.npy", ramp(1), nil)
			member(t, z, "x.npy", ramp(2), nil)
		})},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewArchive("some.npz", bytes.NewReader(c.content), int64(len(c.content)))
			require.ErrorAs(t, err, new(*FormatError))
			require.ErrorContains(t, err, "npy: some.npz: ")
			require.ErrorContains(t, err, c.reason)
			path := filepath.Join(t.TempDir(), "some.npz")
			require.NoError(t, os.WriteFile(path, c.content, 0o666))
			_, err = OpenArchive(path)
			require.ErrorContains(t, err, "npy: "+path+": ")
			require.NoError(t, os.Remove(path), "nothing holds the file")
		})
	}
	_, err := NewArchive("some.npz", bytes.NewReader(good), -1)
	require.Error(t, err)
}

func TestArchiveNames(t *testing.T) {
	b := archiveOf(t, func(z *zip.Writer) {
		member(t, z, "b.npy", ramp(1), nil)
		member(t, z, "a.b.npy.npy", ramp(2), nil)
		member(t, z, ".npy", ramp(3), nil)
	})
	a, err := NewArchive("some.npz", bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	require.Equal(t, []string{"b", "a.b.npy", ""}, a.Names())
	a.Names()[0] = "changed"
	var wg sync.WaitGroup
	for i, name := range a.Names() {
		wg.Add(1)
		go func() {
			defer wg.Done()
			array, err := a.Read(name)
			if assert.NoError(t, err) {
				assert.Equal(t, i+1, array.Len())
			}
		}()
	}
	wg.Wait()
	_, err = a.Read("b.npy")
	require.EqualError(t, err, `npy: some.npz: no array "b.npy" in this archive`)
	require.NoError(t, a.Close())

	a, err = NewArchive("empty.npz", bytes.NewReader(archiveOf(t, func(*zip.Writer) {})), 22)
	require.NoError(t, err)
	require.Empty(t, a.Names())
}

// TestMemoryOfLyingArchives reads archives with little data that declare the maximum size in the archive and in the array's header.
func TestMemoryOfLyingArchives(t *testing.T) {
	head := encodeHeader(Header{Float32, []int{(MaxArchiveArray - 128) / 4}})
	b := archiveOf(t, func(z *zip.Writer) {
		member(t, z, "x.npy", append(head, make([]byte, 1<<20)...), func(h *zip.FileHeader, _ *[]byte) { h.UncompressedSize64 = MaxArchiveArray })
	})
	require.Less(t, len(b), 1<<13)
	a, err := NewArchive("some.npz", bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = a.Read("x")
	runtime.ReadMemStats(&after)
	require.ErrorContains(t, err, "truncated archive")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
}

// brokenReaderAt fails to read the bytes from offset from to offset to.
type brokenReaderAt struct {
	io.ReaderAt
	from, to int64
}

var errBroken = errors.New("the cable is broken")

func (b brokenReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off < b.to && off+int64(len(p)) > b.from {
		return 0, errBroken
	}
	return b.ReaderAt.ReadAt(p, off)
}

func TestArchiveReturnsErrorOfReader(t *testing.T) {
	// Larger than the part at the end in which archive/zip searches for the directory.
	content := archiveOf(t, func(z *zip.Writer) { member(t, z, "x.npy", ramp(5000), nil) })
	require.Greater(t, len(content), 4096)
	_, err := NewArchive("some.npz", brokenReaderAt{bytes.NewReader(content), int64(len(content)) - 20, 1 << 40}, int64(len(content)))
	require.ErrorIs(t, err, errBroken)
	require.EqualError(t, err, "npy: some.npz: the cable is broken")
	require.False(t, errors.As(err, new(*FormatError)))

	a, err := NewArchive("some.npz", brokenReaderAt{bytes.NewReader(content), 40, 80}, int64(len(content)))
	require.NoError(t, err)
	_, err = a.Read("x")
	require.ErrorIs(t, err, errBroken)
	require.False(t, errors.As(err, new(*FormatError)))
}
