//go:build cuda && linux && amd64 && cgo

package fakedriver

// #cgo LDFLAGS: -ldl
// #include <dlfcn.h>
// #include <stdint.h>
// #include <stdlib.h>
//
// struct launch { char name[128]; unsigned grid[3], block[3], shared; int stream, count; uint64_t args[128]; };
//
// // The library that the code under test has loaded; RTLD_NOLOAD prevents loading another.
// static void *find(const char *name) {
//	void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
//	return lib == NULL ? NULL : dlsym(lib, name);
// }
// static int call_i(const char *name, int a)                            { return ((int (*)(int))find(name))(a); }
// static int call_s(const char *name, const char *a)                    { return ((int (*)(const char *))find(name))(a); }
// static void call_sii(const char *name, const char *a, int b, int c)   { ((void (*)(const char *, int, int))find(name))(a, b, c); }
// static void call_p(const char *name, void *p)                         { ((void (*)(void *))find(name))(p); }
//
// // cuInit as other code of a program with package cuda links it: the trampoline, not the library's own function.
// extern int cuInit(unsigned int);
import "C"

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"unsafe"
)

// The environment variables that the library reads.
const (
	EnvInit    = "FAKE_CUDA_INIT"    // the code that cuInit returns
	EnvDevices = "FAKE_CUDA_DEVICES" // the number of devices, 2 unless set
)

const envLoaded = "SMOOTHL1_FAKE_DRIVER"

// Run is for TestMain. It compiles the fake library, executes the test binary again with it in place of the system's libcuda, and returns
// the exit code. In that second process it runs the tests. The tests of any package can use it.
func Run(m interface{ Run() int }) int {
	if os.Getenv(envLoaded) != "" {
		name := C.CString("fake_reset")
		defer C.free(unsafe.Pointer(name))
		if C.find(name) == nil {
			fmt.Fprintln(os.Stderr, "fakedriver: the loaded libcuda.so.1 is not the fake one")
			return 1
		}
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "fakedriver")
	if err != nil {
		fmt.Fprintln(os.Stderr, "fakedriver:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := compile(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	again := exec.Command(os.Args[0], os.Args[1:]...)
	again.Env = append(os.Environ(), "LD_LIBRARY_PATH="+dir, envLoaded+"=1")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := again.Run(); err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			return max(exit.ExitCode(), 1)
		}
		fmt.Fprintln(os.Stderr, "fakedriver:", err)
		return 1
	}
	return 0
}

//go:embed libcuda/*
var sources embed.FS

// compile builds libcuda.so.1 in dir with cgo's C compiler, and its flags for headers.
func compile(dir string) error {
	if err := os.CopyFS(dir, sources); err != nil {
		return fmt.Errorf("fakedriver: write the sources: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "libcuda", "*.c"))
	if err != nil {
		return fmt.Errorf("fakedriver: %w", err)
	}
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "gcc"
	}
	args := append(strings.Fields(os.Getenv("CGO_CPPFLAGS")), "-std=gnu11", "-Wall", "-Werror", "-O1", "-g", "-shared", "-fPIC", "-Wl,-Bsymbolic",
		"-I/usr/local/cuda/include", "-I/opt/cuda/include", "-o", filepath.Join(dir, "libcuda.so.1"))
	args = append(args, files...)
	if text, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("fakedriver: %s: %w\n%s", cc, err, text)
	}
	return nil
}

func integer(name string, arg int) int {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	return int(C.call_i(n, C.int(arg)))
}

// Reset resets the counts of calls, and cancels a planned failure, Driver and Idle.
func Reset() { integer("fake_reset", 0) }

// Idle makes the calls of a training step return at once, successful and uncounted, until Reset: pushing and popping a context, launches of
// kernels and graphs, and records of events. What a step then takes is spent outside the driver. It must follow a step on the same stream.
func Idle() { integer("fake_idle", 0) }

// Fail makes the nth call of the function from now on fail with code, 1 being the next; the function "" is any function. A call that
// frees something still does so.
func Fail(function string, nth, code int) {
	n, f := C.CString("fake_fail"), C.CString(function)
	defer C.free(unsafe.Pointer(n))
	defer C.free(unsafe.Pointer(f))
	C.call_sii(n, f, C.int(nth), C.int(code))
}

// Driver makes the library one of another CUDA version, such as 13000, that fails with code to load PTX for some targets, until Reset.
func Driver(version, code int, refused ...string) {
	n, r := C.CString("fake_driver"), C.CString(strings.Join(refused, " "))
	defer C.free(unsafe.Pointer(n))
	defer C.free(unsafe.Pointer(r))
	C.call_sii(n, r, C.int(version), C.int(code))
}

// Calls returns the number of calls of the function since Reset, or of all functions if it is "".
func Calls(function string) int {
	n, f := C.CString("fake_calls"), C.CString(function)
	defer C.free(unsafe.Pointer(n))
	defer C.free(unsafe.Pointer(f))
	return int(C.call_s(n, f))
}

// Live counts the objects that exist in the driver.
type Live struct{ Memory, Streams, Events, Modules, Contexts, Pinned, Graphs int }

// Alive returns the current counts.
func Alive() Live {
	n := func(kind int) int { return integer("fake_live", kind) }
	return Live{Memory: n(0), Streams: n(1), Events: n(2), Modules: n(3), Contexts: n(4), Pinned: n(5), Graphs: n(6)}
}

// Depth returns the depth of this thread's context stack.
func Depth() int { return integer("fake_depth", 0) }

// Misuse returns the number of calls since Reset with an invalid handle or address, which may crash a real driver.
func Misuse() int { return integer("fake_misuse", 0) }

// Launch is a launch as the driver received it.
type Launch struct {
	Kernel      string
	Grid, Block [3]uint32
	Shared      uint32
	Stream      string   // "default", "non-blocking" or "blocking"
	Args        []uint64 // parameters of 4 bytes are in the low half; a struct passed by value is a sequence of words
}

// LastLaunch returns the last launch.
func LastLaunch() Launch {
	n := C.CString("fake_last_launch")
	defer C.free(unsafe.Pointer(n))
	var l C.struct_launch
	C.call_p(n, unsafe.Pointer(&l))
	out := Launch{Kernel: C.GoString(&l.name[0]), Shared: uint32(l.shared),
		Stream: [...]string{"default", "non-blocking", "blocking"}[l.stream]}
	for i := range 3 {
		out.Grid[i], out.Block[i] = uint32(l.grid[i]), uint32(l.block[i])
	}
	for _, a := range l.args[:l.count] {
		out.Args = append(out.Args, uint64(a))
	}
	return out
}

// Init calls cuInit as any other code of the program would.
func Init() int { return int(C.cuInit(0)) }
