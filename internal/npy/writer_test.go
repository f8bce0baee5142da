package npy

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// create begins a file of n float32 elements in a new folder.
func create(t testing.TB, ctx context.Context, n int) (w *Writer, path string) {
	path = filepath.Join(t.TempDir(), "out.npy")
	w, err := Create(ctx, path, Header{Float32, []int{n}})
	require.NoError(t, err)
	return w, path
}

func fileNames(t testing.TB, folder string) []string {
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// temporary returns the single other file in path's folder.
func temporary(t testing.TB, path string) string {
	found, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".smoothl1-*.tmp"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

func TestWriteInPieces(t *testing.T) {
	const n = 700000 // more than one piece; the context is checked between pieces
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i)
	}
	w, path := create(t, context.Background(), n)
	for at, size := 0, 1; at < n; size *= 3 {
		end := min(n, at+size)
		require.NoError(t, Append(w, values[at:end]))
		require.NoError(t, Append(w, []float32{}))
		at = end
	}
	require.NoFileExists(t, path)
	require.NoError(t, Commit(w))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(ramp(n), content))
	require.Equal(t, []string{"out.npy"}, fileNames(t, filepath.Dir(path)))

	require.EqualError(t, Append(w, values[:1]), "npy: write "+path+": already committed or closed")
	require.EqualError(t, Commit(w), "npy: write "+path+": already committed or closed")
	require.NoError(t, w.Close())
	require.FileExists(t, path)

	var b bytes.Buffer
	require.NoError(t, Write("b", &b, Header{Float32, []int{n}}, values))
	require.True(t, bytes.Equal(content, b.Bytes()))
}

func TestWriteSwapped(t *testing.T) { // as on a machine of the other byte order
	values := make([]float64, 1<<18)
	for i := range values {
		values[i] = float64(i)
	}
	var straight, turned bytes.Buffer
	require.NoError(t, Write("b", &straight, Header{Float64, []int{len(values)}}, values))
	w, err := NewWriter("b", &turned, Header{Float64, []int{len(values)}})
	require.NoError(t, err)
	w.swap = !w.swap
	require.NoError(t, Append(w, values))
	require.NoError(t, Commit(w))
	require.Equal(t, 1.0, values[1], "the caller's values are left alone")
	b := bytes.Replace(turned.Bytes(), []byte("<f8"), []byte(">f8"), 1)
	a, err := Read("b", bytes.NewReader(b))
	require.NoError(t, err)
	require.Equal(t, elementBits(values), valueBits[float64](t, a))
	require.False(t, bytes.Equal(straight.Bytes(), turned.Bytes()))
}

// TestWriterErrors checks that every error removes all files at once, without Close.
func TestWriterErrors(t *testing.T) {
	three := make([]float32, 3)
	for name, c := range map[string]struct {
		reason string
		do     func(w *Writer, cancel func()) error
	}{
		"wrong type": {"float64 given for an array of float32", func(w *Writer, _ func()) error {
			return Append(w, []float64{1})
		}},
		"too many": {"4 elements given, but 3 are left of shape (3,)", func(w *Writer, _ func()) error {
			return Append(w, make([]float32, 4))
		}},
		"too many later": {"2 elements given, but 1 are left of shape (3,)", func(w *Writer, _ func()) error {
			return errors.Join(Append(w, three[:2]), Append(w, three[:2]))
		}},
		"too few": {"incomplete: 1 elements of shape (3,) are missing", func(w *Writer, _ func()) error {
			return errors.Join(Append(w, three[:2]), Commit(w))
		}},
		"cancelled": {"context canceled", func(w *Writer, cancel func()) error {
			cancel()
			return Append(w, three)
		}},
		"cancelled before it is committed": {"context canceled", func(w *Writer, cancel func()) error {
			err := Append(w, three)
			cancel()
			return errors.Join(err, Commit(w))
		}},
		"disk failed": {"file already closed", func(w *Writer, _ func()) error {
			return errors.Join(Append(w, three), w.file.Close(), Commit(w))
		}},
		"committed with itself": {"two outputs go to this file", func(w *Writer, _ func()) error {
			return errors.Join(Append(w, three), Commit(w, w))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			w, path := create(t, ctx, 3)
			err := c.do(w, cancel)
			require.ErrorContains(t, err, c.reason)
			require.ErrorContains(t, err, "npy: write "+path+": ")
			require.NotContains(t, err.Error(), "\n")
			require.Empty(t, fileNames(t, filepath.Dir(path)))
			require.Equal(t, w.err, Append(w, three), "the error stays")
			require.Equal(t, w.err, Commit(w))
			require.NoError(t, w.Close())
			require.Empty(t, fileNames(t, filepath.Dir(path)))
		})
	}
}

func TestCloseWithoutCommit(t *testing.T) {
	w, path := create(t, context.Background(), 3)
	require.Len(t, fileNames(t, filepath.Dir(path)), 1)
	require.NoError(t, Append(w, make([]float32, 3)))
	require.NoError(t, w.Close())
	require.Empty(t, fileNames(t, filepath.Dir(path)))
	require.NoError(t, w.Close())
	require.ErrorContains(t, Commit(w), "already committed or closed")
	require.Empty(t, fileNames(t, filepath.Dir(path)))

	w, _ = create(t, context.Background(), 3)
	require.NoError(t, w.file.Close())
	require.Empty(t, fileNames(t, filepath.Dir(w.name)))
	require.NoError(t, w.Close())

	w, path = create(t, context.Background(), 3)
	require.NoError(t, os.Remove(temporary(t, path)))
	require.NoError(t, w.Close(), "somebody else has removed it")
}

func TestPlaceTaken(t *testing.T) {
	w, path := create(t, context.Background(), 1)
	require.NoError(t, Append(w, []float32{1}))
	require.NoError(t, os.Mkdir(path, 0o777))
	err := Commit(w)
	require.ErrorContains(t, err, "npy: write "+path+": ")
	require.Equal(t, []string{"out.npy"}, fileNames(t, filepath.Dir(path)), "the folder, and no temporary file")
}

func TestCommitTogether(t *testing.T) {
	folder := t.TempDir()
	begin := func(name string) *Writer {
		w, err := Create(context.Background(), filepath.Join(folder, name), Header{Float64, []int{2}})
		require.NoError(t, err)
		require.NoError(t, Append(w, []float64{1}))
		return w
	}
	one, two, three := begin("one.npy"), begin("two.npy"), begin("three.npy")
	require.NoError(t, Append(one, []float64{2}))
	require.NoError(t, Append(three, []float64{2}))
	require.ErrorContains(t, Commit(one, two, three), filepath.Join(folder, "two.npy")+": incomplete: 1 elements")
	require.Empty(t, fileNames(t, folder))

	one, two = begin("one.npy"), begin("one.npy")
	require.NoError(t, Append(one, []float64{2}))
	require.NoError(t, Append(two, []float64{2}))
	require.ErrorContains(t, Commit(one, two), "two outputs go to this file")
	require.Empty(t, fileNames(t, folder))

	var b bytes.Buffer
	stream, err := NewWriter("b", &b, Header{Float32, nil})
	require.NoError(t, err)
	require.NoError(t, Append(stream, []float32{1}))
	one, two = begin("one.npy"), begin("two.npy")
	require.NoError(t, Append(one, []float64{2}))
	require.NoError(t, Append(two, []float64{2}))
	require.NoError(t, Commit(one, stream, two))
	require.Equal(t, []string{"one.npy", "two.npy"}, fileNames(t, folder))
	require.Equal(t, 132, b.Len())
	require.NoError(t, Commit())
}

// failAfter is an io.Writer that fails after n bytes.
type failAfter struct{ n int }

var errFull = errors.New("full")

func (f *failAfter) Write(b []byte) (int, error) {
	if len(b) > f.n {
		n := f.n
		f.n = 0
		return n, errFull
	}
	f.n -= len(b)
	return len(b), nil
}

func TestWriteReturnsErrorOfWriter(t *testing.T) {
	const n = 40000 // more than is buffered
	values := make([]float32, n)
	for at := 0; at < 128+4*n; at += 97 {
		err := Write("out", &failAfter{at}, Header{Float32, []int{n}}, values)
		require.ErrorIs(t, err, errFull, at)
		require.EqualError(t, err, "npy: write out: full")
	}
	require.NoError(t, Write("out", &failAfter{128 + 4*n}, Header{Float32, []int{n}}, values))
	require.ErrorIs(t, Write("out", &failAfter{127}, Header{Float32, []int{0}}, []float32{}), errFull)
	w, err := NewWriter("out", &failAfter{1 << 20}, Header{Float32, []int{2}})
	require.NoError(t, err)
	require.ErrorContains(t, Commit(w), "incomplete")
	require.NoError(t, w.Close())
}

func TestShapeIsCopied(t *testing.T) {
	shape := []int{2}
	var b bytes.Buffer
	w, err := NewWriter("b", &b, Header{Float32, shape})
	require.NoError(t, err)
	shape[0] = 77
	assert.ErrorContains(t, Append(w, make([]float32, 3)), "2 are left of shape (2,)")
}
