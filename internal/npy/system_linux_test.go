package npy

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/memory"
)

// smallDisk mounts a file system of limited size, or skips the test if it can't.
func smallDisk(t *testing.T, options string) string {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	folder := t.TempDir()
	if err := syscall.Mount("none", folder, "tmpfs", 0, options); err != nil {
		t.Skipf("a small disk can't be mounted here: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(folder, 0)) })
	return folder
}

func requireEmpty(t testing.TB, folder string) {
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestFullDisk(t *testing.T) {
	folder := smallDisk(t, "size=256k")
	path := filepath.Join(folder, "out.npy")
	values := make([]float32, 100000)
	err := WriteFile(context.Background(), path, Header{Float32, []int{100000}}, values)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.EqualError(t, err, "npy: write "+path+": no space left on device")
	requireEmpty(t, folder)

	// So few elements that they stay in the buffer until Commit.
	filler := filepath.Join(folder, "filler")
	require.NoError(t, os.WriteFile(filler, make([]byte, 240<<10), 0o666))
	w, err := Create(context.Background(), path, Header{Float32, []int{15000}})
	require.NoError(t, err)
	require.NoError(t, Append(w, values[:15000]))
	require.ErrorIs(t, Commit(w), syscall.ENOSPC)
	require.NoError(t, os.Remove(filler))
	requireEmpty(t, folder)

	// An old file stays when the new one doesn't fit.
	old := Header{Float32, []int{10000}}
	require.NoError(t, WriteFile(context.Background(), path, old, values[:10000]))
	require.ErrorIs(t, WriteFile(context.Background(), path, Header{Float32, []int{60000}}, values[:60000]), syscall.ENOSPC)
	a, err := Open(path)
	require.NoError(t, err)
	require.Equal(t, old, a.Header())
	require.NoError(t, a.Close())
	require.NoError(t, os.Remove(path))
	requireEmpty(t, folder)

	// If the second of two arrays doesn't fit, neither stays.
	one, err := Create(context.Background(), filepath.Join(folder, "one.npy"), Header{Float32, []int{40000}})
	require.NoError(t, err)
	two, err := Create(context.Background(), filepath.Join(folder, "two.npy"), Header{Float32, []int{40000}})
	require.NoError(t, err)
	require.NoError(t, Append(one, values[:40000]))
	require.ErrorIs(t, Append(two, values[:40000]), syscall.ENOSPC)
	require.ErrorIs(t, Commit(one, two), syscall.ENOSPC)
	requireEmpty(t, folder)
}

func TestReadOnlyDisk(t *testing.T) {
	folder := smallDisk(t, "size=64k,ro")
	path := filepath.Join(folder, "out.npy")
	_, err := Create(context.Background(), path, Header{Float32, nil})
	require.ErrorIs(t, err, syscall.EROFS)
	require.EqualError(t, err, "npy: write "+path+": read-only file system")
}

// asNobody runs f with the file permissions of a user other than root, who can write to any folder.
func asNobody(t *testing.T, f func()) {
	if os.Geteuid() != 0 {
		f()
		return
	}
	const nobody = 65534
	runtime.LockOSThread() // the user for file permissions is set per thread
	defer runtime.UnlockOSThread()
	syscall.Setfsuid(nobody)
	defer syscall.Setfsuid(0)
	f()
}

func TestPermissions(t *testing.T) {
	// Other users have no access to the folders under t.TempDir.
	folder, err := os.MkdirTemp("", "npy")
	require.NoError(t, err)
	t.Cleanup(func() { os.Chmod(folder, 0o755); os.RemoveAll(folder) })
	secret, fixed := filepath.Join(folder, "secret.npy"), filepath.Join(folder, "fixed.npy")
	require.NoError(t, os.WriteFile(secret, ramp(3), 0o000))
	require.NoError(t, os.WriteFile(fixed, ramp(3), 0o444))

	require.NoError(t, os.Chmod(folder, 0o777))
	asNobody(t, func() {
		_, err = Open(secret)
		assert.ErrorIs(t, err, fs.ErrPermission)
		assert.EqualError(t, err, "npy: "+secret+": permission denied")
		_, err = Create(context.Background(), fixed, Header{Float32, nil})
		assert.ErrorIs(t, err, fs.ErrPermission, "write-protected, though its folder isn't")
	})
	var w *Writer
	asNobody(t, func() {
		w, err = Create(context.Background(), filepath.Join(folder, "out.npy"), Header{Float32, nil})
		assert.NoError(t, err)
	})
	require.NoError(t, os.Chmod(folder, 0o555))
	asNobody(t, func() {
		assert.EqualError(t, w.Close(), "npy: write "+w.name+": its temporary file "+temporary(t, w.name)+" is still there: permission denied")
		_, err = Create(context.Background(), filepath.Join(folder, "out.npy"), Header{Float32, nil})
		assert.ErrorIs(t, err, fs.ErrPermission)
		assert.EqualError(t, err, "npy: write "+filepath.Join(folder, "out.npy")+": permission denied")
	})
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, entries, 3, "the temporary file that couldn't be removed, and no other")
}

func TestPipesAndDevices(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.npy")
	require.NoError(t, syscall.Mkfifo(pipe, 0o666))
	for _, path := range []string{pipe, "/dev/null", "/dev/zero"} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, err := Open(path)
			assert.ErrorContains(t, err, "npy: "+path+": not a regular file")
		}()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("hangs on " + path)
		}
	}
	require.NoError(t, WriteFile(context.Background(), "/dev/null", Header{Float32, nil}, []float32{1}))
	info, err := os.Stat("/dev/null")
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&fs.ModeDevice, "still a device")
	require.ErrorIs(t, WriteFile(context.Background(), "/dev/full", Header{Float32, nil}, []float32{1}), syscall.ENOSPC)
}

// TestFilesLargerThanMemory opens sparse files of 1 TiB.
func TestFilesLargerThanMemory(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("an int doesn't count so many bytes")
	}
	shift := 38 // a constant 1 << 38 doesn't compile if int has 32 bits
	n := 1 << shift
	if memory.Check(uint64(4*n)) == nil {
		t.Skip("a machine with so much memory")
	}
	for text, refused := range map[string]bool{
		"{'descr': '" + native + "f4', 'fortran_order': False, 'shape': (524288, 524288), }":  false,
		"{'descr': '" + foreign + "f4', 'fortran_order': False, 'shape': (524288, 524288), }": true,
		"{'descr': '" + native + "f4', 'fortran_order': True, 'shape': (524288, 524288), }":   true,
	} {
		head := npyFile(1, text+strings.Repeat(" ", 117-len(text))+"\n", 0)
		require.Len(t, head, 128)
		path := tempFile(t, head)
		if err := os.Truncate(path, int64(len(head)+4*n)); err != nil {
			t.Skipf("no file of 1 TiB: %v", err)
		}
		a, err := Open(path)
		require.NoError(t, err)
		require.Equal(t, n, a.Len())
		if _, release, err := mapFile(a.file, 128+4*n); err != nil {
			t.Skipf("1 TiB can't be mapped here: %v", err) // under qemu
		} else {
			require.NoError(t, release())
		}
		values, err := Values[float32](a)
		last := []float32{1, 2, 3}
		lastErr := ReadAt(a, last, n-3)
		if refused {
			require.ErrorContains(t, err, "npy: "+path+": shape (524288, 524288) of float32 can't be loaded: "+
				"it needs 1099511627776 bytes of memory, ")
		} else {
			require.NoError(t, err)
			require.Len(t, values, n)
			require.Zero(t, values[n-1])
		}
		if strings.Contains(text, "True") {
			require.ErrorContains(t, lastErr, "can't be loaded")
		} else {
			require.NoError(t, lastErr)
			require.Equal(t, []float32{0, 0, 0}, last)
		}
		require.NoError(t, a.Close())
	}
}

func TestAllocateMoreThanThereIs(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("there may well be 2 GiB")
	}
	_, _, err := allocate(math.MaxInt - 1<<16)
	require.ErrorContains(t, err, fmt.Sprintf("it needs %d bytes of memory", math.MaxInt-1<<16))
}

// TestNothingLeaks checks that none of this test's files is open or mapped after each call that opens or maps one. (It ignores other
// tests' files, which may be closed at any time.)
func TestNothingLeaks(t *testing.T) {
	folder, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	parent := filepath.Dir(folder) // of all this test's temporary folders
	held := func() (ours []string) {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		for _, e := range entries {
			if path, _ := os.Readlink("/proc/self/fd/" + e.Name()); strings.Contains(path, parent) || strings.Contains(path, "testdata") {
				ours = append(ours, path)
			}
		}
		text, err := os.ReadFile("/proc/self/maps")
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, parent) || strings.Contains(line, "testdata") {
				ours = append(ours, line)
			}
		}
		return ours
	}
	good, fortran := filepath.Join(folder, "good.npy"), filepath.Join(folder, "fortran.npy")
	require.NoError(t, os.WriteFile(good, ramp(1<<19), 0o666))
	text := "{'descr': '<f4', 'fortran_order': True, 'shape': (1024, 512)}\n"
	require.NoError(t, os.WriteFile(fortran, npyFile(1, text, 4<<19), 0o666))
	bad, notZip := tempFile(t, npyFile(1, dict("(-1,)"), 0)), tempFile(t, []byte("text"))
	open, err := Open(good)
	require.NoError(t, err)
	require.NotEmpty(t, held(), "what is open is seen")
	require.NoError(t, open.Close())
	for range 10 {
		for _, path := range []string{good, fortran} {
			a, err := Open(path)
			require.NoError(t, err)
			_, err = Values[float32](a)
			require.NoError(t, err)
			require.NoError(t, a.Close())
		}
		for _, path := range []string{bad, notZip, folder} {
			_, err := Open(path)
			require.Error(t, err)
			_, err = OpenArchive(path)
			require.Error(t, err)
		}
		archive, err := OpenArchive("testdata/stored.npz")
		require.NoError(t, err)
		require.NoError(t, archive.Close())
		require.NoError(t, WriteFile(context.Background(), filepath.Join(folder, "out.npy"), Header{Float32, nil}, []float32{1}))
		require.Error(t, WriteFile(context.Background(), filepath.Join(folder, "out.npy"), Header{Float32, []int{2}}, []float32{1}))
		require.Error(t, WriteFile(context.Background(), folder, Header{Float32, nil}, []float32{1}))
	}
	require.Empty(t, held())
}

// TestMapped checks that a file that can be mapped is mapped: reading it takes no memory, and changes of the file are visible.
func TestMapped(t *testing.T) {
	content := ramp(1000)
	if bigEndianHost {
		content = bytes.Replace(content, []byte("<f4"), []byte(">f4"), 1)
		swapBytes(content[128:], 4)
	}
	path := tempFile(t, content)
	a, err := Open(path)
	require.NoError(t, err)
	defer a.Close()
	values, err := Values[float32](a)
	require.NoError(t, err)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(bytesOf([]float32{1}), 128+4*500)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Equal(t, []float32{499, 1, 501}, values[499:502])
}
