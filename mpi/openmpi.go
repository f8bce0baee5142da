//go:build cgo && linux

package mpi

/*
#cgo pkg-config: ompi-c
#include <mpi.h>
#include <mpi-ext.h>
#include <stdint.h>

// Addresses come as numbers: they are of Go memory that the caller keeps reachable, which does not move, or of a device's memory.

static MPI_Datatype type_of(int element) {
	switch (element) {
	case 0: return MPI_UINT8_T;
	case 1: return MPI_INT32_T;
	case 2: return MPI_INT64_T;
	case 3: return MPI_UINT64_T;
	case 4: return MPI_FLOAT;
	}
	return MPI_DOUBLE;
}

static int initialize(int level, int *provided) {
	int code = MPI_Init_thread(NULL, NULL, level, provided);
	if (code == MPI_SUCCESS) code = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	if (code == MPI_SUCCESS) code = MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
	return code;
}

static MPI_Fint world(void) { return MPI_Comm_c2f(MPI_COMM_WORLD); }
static int barrier(MPI_Fint comm) { return MPI_Barrier(MPI_Comm_f2c(comm)); }
static int rank_of(MPI_Fint comm, int *out) { return MPI_Comm_rank(MPI_Comm_f2c(comm), out); }
static int size_of(MPI_Fint comm, int *out) { return MPI_Comm_size(MPI_Comm_f2c(comm), out); }
static int abort_all(int code) { return MPI_Abort(MPI_COMM_WORLD, code); }

static int bcast(uintptr_t x, int count, int element, int root, MPI_Fint comm) {
	return MPI_Bcast((void *)x, count, type_of(element), root, MPI_Comm_f2c(comm));
}

static int allreduce(uintptr_t x, int count, int element, MPI_Fint comm) {
	return MPI_Allreduce(MPI_IN_PLACE, (void *)x, count, type_of(element), MPI_SUM, MPI_Comm_f2c(comm));
}

static int allgather(uintptr_t send, uintptr_t recv, int count, int element, MPI_Fint comm) {
	return MPI_Allgather((void *)send, count, type_of(element), (void *)recv, count, type_of(element), MPI_Comm_f2c(comm));
}

static int allgatherv(uintptr_t send, int count, uintptr_t recv, int *counts, int *starts, int element, MPI_Fint comm) {
	return MPI_Allgatherv((void *)send, count, type_of(element), (void *)recv, counts, starts, type_of(element), MPI_Comm_f2c(comm));
}

static int alltoallv(uintptr_t send, int *send_counts, int *send_starts, uintptr_t recv, int *counts, int *starts, int element, MPI_Fint comm) {
	MPI_Datatype t = type_of(element);
	return MPI_Alltoallv((void *)send, send_counts, send_starts, t, (void *)recv, counts, starts, t, MPI_Comm_f2c(comm));
}

static int split(MPI_Fint comm, int color, int key, MPI_Fint *out) {
	MPI_Comm made = MPI_COMM_NULL;
	int code = MPI_Comm_split(MPI_Comm_f2c(comm), color < 0 ? MPI_UNDEFINED : color, key, &made);
	if (code == MPI_SUCCESS && made != MPI_COMM_NULL) code = MPI_Comm_set_errhandler(made, MPI_ERRORS_RETURN);
	*out = MPI_Comm_c2f(made);
	return code;
}

static int free_comm(MPI_Fint comm) {
	MPI_Comm c = MPI_Comm_f2c(comm);
	return MPI_Comm_free(&c);
}

static int cuda_aware(void) {
#if defined(OMPI_HAVE_MPI_EXT_CUDA) && OMPI_HAVE_MPI_EXT_CUDA
	return MPIX_Query_cuda_support();
#else
	return 0;
#endif
}
*/
import "C"

import "unsafe"

const available = true

// initialize initializes the library and returns the level that it provides and 0, or its error.
func initialize(l Level) (Level, int) {
	provided := C.int(0)
	code := C.initialize(C.int(l), &provided)
	return Level(provided), int(code)
}

func worldHandle() int32 { return int32(C.world()) }

func abort(code int) { C.abort_all(C.int(code)) }

func cudaAware() bool { return C.cuda_aware() == 1 }

func errorText(code int) string {
	var text [C.MPI_MAX_ERROR_STRING]C.char
	n := C.int(0)
	if C.MPI_Error_string(C.int(code), &text[0], &n) != C.MPI_SUCCESS {
		return "an error that MPI has no name for"
	}
	return C.GoStringN(&text[0], n)
}

// run makes the call on this thread.
func (k *call) run() {
	comm, count, t := C.MPI_Fint(k.comm), C.int(k.count), C.int(k.element)
	send, recv := C.uintptr_t(uintptr(k.send)), C.uintptr_t(uintptr(k.recv))
	if k.device != 0 {
		recv = C.uintptr_t(k.device)
	}
	var code C.int
	switch k.kind {
	case doFinalize:
		code = C.MPI_Finalize()
	case doBarrier:
		code = C.barrier(comm)
	case doBcast:
		code = C.bcast(recv, count, t, C.int(k.root), comm)
	case doAllgather:
		code = C.allgather(send, recv, count, t, comm)
	case doAllgatherv:
		code = C.allgatherv(send, count, recv, ints(k.counts), ints(k.starts), t, comm)
	case doAlltoallv:
		code = C.alltoallv(send, ints(k.sendCounts), ints(k.sendStarts), recv, ints(k.counts), ints(k.starts), t, comm)
	case doAllreduce:
		code = C.allreduce(recv, count, t, comm)
	case doFree:
		code = C.free_comm(comm)
	default:
		code = k.ask(comm)
	}
	k.code = int(code)
}

// ask makes a call with a result, which escapes to the heap.
func (k *call) ask(comm C.MPI_Fint) (code C.int) {
	var number C.int
	switch k.kind {
	case doSplit:
		var made C.MPI_Fint
		code = C.split(comm, C.int(k.root), C.int(k.key), &made)
		number = C.int(made)
	case doRank:
		code = C.rank_of(comm, &number)
	case doSize:
		code = C.size_of(comm, &number)
	}
	k.out = int32(number)
	return code
}

func ints(x []int32) *C.int { return (*C.int)(unsafe.Pointer(unsafe.SliceData(x))) }
