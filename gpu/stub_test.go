package gpu

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/internal/testkit/faults"
)

// stub is a driver.Device that does not run kernels. It tracks live objects and records launches. If opened by openStub, its calls fail on
// demand.
type stub struct {
	mu       sync.Mutex
	next     uint64
	memory   map[driver.Ptr][]byte
	streams  map[driver.Stream]bool
	events   map[driver.Event]bool
	modules  map[driver.Module]bool
	loads    []string // the texts, in the order of the calls
	names    []string // of functions, by handle − 1
	launches []launched
	record   bool
	log      []string                              // of calls on streams since record was set: "Zero on 0x…"
	elapsed  func(start, end driver.Event) float32 // nil: 1
	zeroed   int
	closes   int
	faults   *faults.Device // wraps the stub; the device to open
}

type launched struct {
	kernel string
	g      driver.Geometry
	on     driver.Stream
	args   []uint64
}

func newStub() *stub {
	s := &stub{next: 1 << 12, memory: map[driver.Ptr][]byte{}, streams: map[driver.Stream]bool{}, events: map[driver.Event]bool{}, modules: map[driver.Module]bool{},
		record: true}
	s.faults = faults.Wrap(s)
	return s
}

// openStub opens a stub and closes it at the end of the test.
func openStub(t testing.TB) (*Device, *stub) {
	s := newStub()
	d, err := Open(On(s.faults))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d, s
}

// failing makes the named calls fail with this code until s.faults.Mend.
func (s *stub) failing(call string, code int, name string) { s.faults.Fail(call, 0, code, name) }

// alive returns the objects that have not been released.
func (s *stub) alive() string {
	return fmt.Sprintf("%d allocations, %d streams, %d events, %d modules", len(s.memory), len(s.streams), len(s.events), len(s.modules))
}

const nothingAlive = "0 allocations, 0 streams, 0 events, 0 modules"

func (s *stub) handle() uint64 {
	s.next += 1 << 20
	return s.next
}

func (s *stub) Info() driver.Info {
	return driver.Info{Backend: "stub", Name: "nothing", Major: 9, Multiprocessors: 4, DriverVersion: 12040}
}

func (s *stub) Alloc(bytes uint64) (driver.Ptr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("Alloc", 0)
	if bytes > 1<<30 {
		return 0, &driver.Error{Call: "Alloc", Code: driver.CodeOutOfMemory, Name: "CUDA_ERROR_OUT_OF_MEMORY"}
	}
	p := driver.Ptr(s.handle())
	s.memory[p] = make([]byte, bytes)
	s.next += bytes &^ 0xff
	return p, nil
}

func (s *stub) Free(p driver.Ptr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.memory[p]; !ok {
		return &driver.Error{Call: "Free", Code: driver.CodeInvalidValue, Name: "CUDA_ERROR_INVALID_VALUE"}
	}
	delete(s.memory, p)
	return nil
}

// at returns the memory that begins at p.
func (s *stub) at(p driver.Ptr) []byte {
	for base, m := range s.memory {
		if p >= base && p < base+driver.Ptr(len(m)) {
			return m[p-base:]
		}
	}
	panic(fmt.Sprintf("no memory at %#x", uint64(p)))
}

func (s *stub) CopyIn(dst driver.Ptr, src []byte, on driver.Stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("CopyIn", on)
	copy(s.at(dst)[:len(src)], src)
	return nil
}

func (s *stub) CopyOut(dst []byte, src driver.Ptr, on driver.Stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("CopyOut", on)
	copy(dst, s.at(src)[:len(dst)])
	return nil
}

func (s *stub) Copy(dst, src driver.Ptr, bytes uint64, on driver.Stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("Copy", on)
	copy(s.at(dst)[:bytes], s.at(src)[:bytes])
	return nil
}

func (s *stub) Zero(dst driver.Ptr, bytes uint64, on driver.Stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("Zero", on)
	s.zeroed++
	clear(s.at(dst)[:bytes])
	return nil
}

func (s *stub) NewStream() (driver.Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := driver.Stream(s.handle())
	s.streams[h] = true
	return h, nil
}

func (s *stub) CloseStream(h driver.Stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.streams[h] {
		return &driver.Error{Call: "CloseStream", Code: driver.CodeInvalidHandle, Name: "CUDA_ERROR_INVALID_HANDLE"}
	}
	delete(s.streams, h)
	return nil
}

func (s *stub) Wait(h driver.Stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("Wait", h)
	if h != 0 && !s.streams[h] {
		return &driver.Error{Call: "Wait", Code: driver.CodeInvalidHandle, Name: "CUDA_ERROR_INVALID_HANDLE"}
	}
	return nil
}

func (s *stub) NewEvent() (driver.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := driver.Event(s.handle())
	s.events[h] = true
	return h, nil
}

func (s *stub) CloseEvent(h driver.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.events, h)
	return nil
}

func (s *stub) Record(_ driver.Event, on driver.Stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("Record", on)
	return nil
}

func (s *stub) WaitEvent(_ driver.Event, on driver.Stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("WaitEvent", on)
	return nil
}

func (s *stub) Elapsed(start, end driver.Event) (float32, error) {
	if s.elapsed != nil {
		return s.elapsed(start, end), nil
	}
	return 1, nil
}

func (s *stub) Load(ptx string) (driver.Module, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads = append(s.loads, ptx)
	m := driver.Module(s.handle())
	s.modules[m] = true
	return m, nil
}

func (s *stub) Unload(m driver.Module) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.modules, m)
	return nil
}

func (s *stub) Function(_ driver.Module, name string) (driver.Function, error) {
	s.names = append(s.names, name)
	return driver.Function(len(s.names)), nil
}

func (s *stub) Launch(f driver.Function, g driver.Geometry, on driver.Stream, args []uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("Launch", on)
	if s.record {
		s.launches = append(s.launches, launched{s.names[f-1], g, on, append([]uint64(nil), args...)})
	}
	return nil
}

func (s *stub) Close() error {
	s.closes++
	return nil
}

// note adds a call to the log.
func (s *stub) note(call string, on driver.Stream) {
	if s.record {
		s.log = append(s.log, fmt.Sprintf("%s on %#x", call, uint64(on)))
	}
}

// logged returns the calls made by f.
func (s *stub) logged(f func()) []string {
	s.mu.Lock()
	s.log = nil
	s.mu.Unlock()
	f()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log
}

// last returns the last launch.
func (s *stub) last() launched { return s.launches[len(s.launches)-1] }

// arg returns a parameter of a launch by its name in smoothl1.cu.
func (l launched) arg(t testing.TB, name string) uint64 {
	p := reflect.TypeFor[op.Params]()
	f, ok := p.FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, strings.ReplaceAll(name, "_", "")) })
	require.Truef(t, ok, "no parameter %s", name)
	require.Less(t, int(f.Offset/8), len(l.args), "no parameter %s of %s", name, l.kernel)
	return l.args[f.Offset/8]
}
