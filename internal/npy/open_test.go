package npy

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// native and foreign are the marks of the machine's byte order and the other one in a dtype.
var native, foreign = "<", ">"

func init() {
	if bigEndianHost {
		native, foreign = foreign, native
	}
}

// tempFile writes content to a file that lives as long as the test.
func tempFile(t testing.TB, content []byte) string {
	path := filepath.Join(t.TempDir(), "some.npy")
	require.NoError(t, os.WriteFile(path, content, 0o666))
	return path
}

// ramp returns a file of n float32 elements 0, 1, 2, ….
func ramp(n int) []byte {
	b := encodeHeader(Header{Float32, []int{n}})
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i)
	}
	b, err := binary.Append(b, binary.LittleEndian, values)
	if err != nil {
		panic(err)
	}
	return b
}

func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	for name, open := range map[string]func(string) error{
		"Open":        func(path string) error { _, err := Open(path); return err },
		"OpenArchive": func(path string) error { _, err := OpenArchive(path); return err },
	} {
		t.Run(name, func(t *testing.T) {
			err := open(folder)
			require.ErrorAs(t, err, new(*FormatError))
			require.EqualError(t, err, "npy: "+folder+": a folder, not a file")
			err = open(filepath.Join(folder, "none.npy"))
			require.ErrorIs(t, err, fs.ErrNotExist)
			require.ErrorContains(t, err, "npy: "+filepath.Join(folder, "none.npy")+": ")
			require.Error(t, open(""))
			require.Error(t, open("a\x00b"))
		})
	}
}

func TestOpenedArray(t *testing.T) {
	const n = 1 << 19 // 2 MiB: neither mapped nor loaded into Go's memory
	content := ramp(n)
	turned := bytes.Replace(content, []byte("<f4"), []byte(">f4"), 1)
	swapBytes(turned[len(turned)-4*n:], 4)
	odd := append(npyFile(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (524288,)}\n", 0), content[len(content)-4*n:]...)
	require.NotZero(t, (len(odd)-4*n)%4)
	for name, content := range map[string][]byte{"little endian": content, "big endian": turned, "unaligned": odd} {
		t.Run(name, func(t *testing.T) {
			path := tempFile(t, content)
			a, err := Open(path)
			require.NoError(t, err)
			defer a.Close()
			assert.Equal(t, path, a.Name())
			assert.Equal(t, n, a.Len())

			a.Header().Shape[0] = 7 // a copy
			assert.Equal(t, Header{Float32, []int{n}}, a.Header())

			var wg sync.WaitGroup
			for g := range 4 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					part := make([]float32, n/4)
					assert.NoError(t, ReadAt(a, part, g*n/4))
					values, err := Values[float32](a)
					if assert.NoError(t, err) && assert.Len(t, values, n) {
						assert.Equal(t, part, values[g*n/4:(g+1)*n/4])
						assert.Equal(t, float32(g*n/4+77), values[g*n/4+77])
					}
				}()
			}
			wg.Wait()
			one, err := Values[float32](a)
			require.NoError(t, err)
			two, err := Values[float32](a)
			require.NoError(t, err)
			assert.Same(t, &one[0], &two[0], "fetched once")

			require.NoError(t, a.Close())
			require.NoError(t, a.Close())
			_, err = Values[float32](a)
			require.ErrorIs(t, err, os.ErrClosed)
			require.ErrorIs(t, ReadAt(a, make([]float32, 1), 0), os.ErrClosed)
			require.ErrorIs(t, ReadAt(a, []float32{}, 0), os.ErrClosed)
			require.NoError(t, os.Remove(path), "nothing holds the file") // on Windows an open file can't be removed
		})
	}
}

func TestWrongArguments(t *testing.T) {
	a, err := Read("some.npy", bytes.NewReader(ramp(5)))
	require.NoError(t, err)
	_, err = Values[float64](a)
	require.EqualError(t, err, "npy: some.npy: holds float32, not float64")
	_, err = Values[uint16](a)
	require.EqualError(t, err, "npy: some.npy: holds float32, not uint16")
	require.EqualError(t, ReadAt(a, make([]float64, 2), 0), "npy: some.npy: holds float32, not float64")
	for _, c := range []struct{ first, n int }{{-1, 1}, {0, 6}, {4, 2}, {6, 0}, {5, 1}, {1<<31 - 1, 1}} {
		require.ErrorContains(t, ReadAt(a, make([]float32, c.n), c.first), "of 5", "%+v", c)
	}
	require.NoError(t, ReadAt(a, []float32{}, 5))

	type half uint16 // named types are allowed
	h, err := Read("half.npy", bytes.NewReader(npyFile(1, "{'descr': '<f2', 'fortran_order': False, 'shape': (2,)}\n", 4)))
	require.NoError(t, err)
	values, err := Values[half](h)
	require.NoError(t, err)
	require.Equal(t, []half{0, 0}, values)
}

func TestFileBecomesShorter(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows doesn't shorten open files")
	}
	for name, text := range map[string]string{
		"C order, read":         "{'descr': '<f4', 'fortran_order': False, 'shape': (100, 100)}\n",
		"Fortran order, loaded": "{'descr': '<f4', 'fortran_order': True, 'shape': (100, 100)}\n",
		"other bytes, loaded":   "{'descr': '" + foreign + "f4', 'fortran_order': False, 'shape': (100, 100)}\n",
	} {
		path := tempFile(t, npyFile(1, text, 40000))
		a, err := Open(path)
		require.NoError(t, err)
		require.NoError(t, os.Truncate(path, 10000))
		err = ReadAt(a, make([]float32, 100), 9000)
		require.ErrorContains(t, err, "the file became shorter", name)
		require.ErrorContains(t, err, path)
		if name[0] != 'C' {
			_, err = Values[float32](a)
			require.ErrorContains(t, err, "the file became shorter", name)
		}
		require.NoError(t, a.Close())
	}
}

// TestPanic makes loading an array panic, as it may on js/wasm with a file that does not fit into memory. The array
// must not stay locked.
func TestPanic(t *testing.T) {
	path := tempFile(t, npyFile(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}\n", 24))
	for name, use := range map[string]func(*Array) error{
		"Values": func(a *Array) error { _, err := Values[float32](a); return err },
		"ReadAt": func(a *Array) error { return ReadAt(a, make([]float32, 1), 0) },
		"Close":  (*Array).Close,
	} {
		a, err := Open(path)
		require.NoError(t, err)
		shape := a.layout.Shape
		a.layout.Shape, a.release = nil, func() error { panic("the system") }
		require.Panics(t, func() { _ = use(a) }, name)
		if assert.True(t, a.mu.TryLock(), "%s holds the array", name) {
			a.mu.Unlock()
			a.layout.Shape, a.release = shape, nil
			require.NoError(t, use(a), name)
			require.NoError(t, a.Close())
		}
	}
}

// Data that begin at an odd place in the file must not be mapped: elements would not be aligned.
func TestMisalignedData(t *testing.T) {
	text := "{'descr': '" + native + "f8', 'fortran_order': False, 'shape': (3,)}\n"
	for len(text)%2 == 0 {
		text = " " + text
	}
	content := append(npyFile(1, text, 0), make([]byte, 24)...)
	a, err := Open(tempFile(t, content))
	require.NoError(t, err)
	defer a.Close()
	require.EqualValues(t, 1, a.layout.offset%2)
	x, err := Values[float64](a)
	require.NoError(t, err)
	require.Zero(t, uintptr(unsafe.Pointer(&x[0]))%unsafe.Alignof(x[0]))
}
