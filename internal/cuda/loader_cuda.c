//go:build cuda && linux && amd64 && cgo

// Loads libcuda.so.1 at run time, so that one binary runs with and without it.
//
// gorgonia.org/cu links libcuda in the usual way. For a program with a fallback this has two drawbacks: the dynamic loader refuses
// to start the program if there is no libcuda.so.1, and cu's init function exits the process if the library finds no device. So
// this file defines each function that cu imports (symbols.h lists them) as a trampoline, a jump through a slot, and fills the slots
// by dlopen and dlsym. The linker then resolves no symbol from libcuda, and with -Wl,--as-needed (loader_cuda.go) drops it from the
// binary's list of needed libraries. If the library or a function is missing, the slot refers to a function that returns an error
// code. Only cuInit is not a trampoline: see there.
//
// All symbols are hidden: nothing here is exported to, or interposes on, other libraries of the process, which still load and call
// libcuda directly.

#define _GNU_SOURCE // dlinfo
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "loader_cuda.h"

#define HIDDEN __attribute__((visibility("hidden")))

// The target of a slot before the library is loaded, if it is missing, and if it lacks the function, for other users of cu. It does not
// read its arguments; in the x86-64 calling convention the caller pops them, so one function can stand in for all.
HIDDEN CUresult smoothl1_cuda_unloaded(void) { return CUDA_ERROR_NOT_INITIALIZED; }
static CUresult missing_library(void) { return CUDA_ERROR_NO_DEVICE; }
static CUresult missing_function(void) { return CUDA_ERROR_NOT_FOUND; }

// The trampolines and their slots.
#define SYMBOL(name)                                                                     \
	HIDDEN void *smoothl1_slot_##name = (void *)smoothl1_cuda_unloaded;                  \
	__asm__(".pushsection .text\n"                                                       \
	        ".p2align 4\n"                                                               \
	        ".globl " #name "\n"                                                         \
	        ".hidden " #name "\n"                                                        \
	        ".type " #name ", @function\n" #name ":\n"                                   \
	        "endbr64\n"                                                                  \
	        "jmp *smoothl1_slot_" #name "(%rip)\n"                                       \
	        ".size " #name ", .-" #name "\n"                                             \
	        ".popsection\n");
#include "symbols.h"
#undef SYMBOL

static const struct {
	const char *name;
	void **slot;
} symbols[] = {
#define SYMBOL(name) {#name, &smoothl1_slot_##name},
#include "symbols.h"
#undef SYMBOL
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CUresult (*real_init)(unsigned int);
static char why[1024]; // why the library cannot be used: dlerror's text, or the missing function
static char path[512]; // the file that was loaded

// The functions that package cuda cannot do without, called directly or through cu. A library that lacks one is not used: otherwise
// operations would fail half way, with only an error number.
static const char *const needed[] = {
	"cuInit", "cuDriverGetVersion", "cuGetErrorName", "cuGetErrorString",
	"cuDeviceGet", "cuDeviceGetAttribute", "cuDeviceGetCount", "cuDeviceGetName", "cuDeviceTotalMem_v2",
	"cuDevicePrimaryCtxRelease_v2", "cuDevicePrimaryCtxRetain", "cuCtxPopCurrent_v2", "cuCtxPushCurrent_v2", "cuCtxSynchronize",
	"cuMemAlloc_v2", "cuMemFree_v2", "cuMemcpyDtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuMemcpyHtoDAsync_v2", "cuMemsetD8Async",
	"cuModuleGetFunction", "cuModuleLoadDataEx", "cuModuleUnload", "cuLaunchKernel",
	"cuStreamCreate", "cuStreamDestroy_v2", "cuStreamSynchronize", "cuStreamWaitEvent",
	"cuEventCreate", "cuEventDestroy_v2", "cuEventElapsedTime", "cuEventRecord", "cuEventSynchronize",
};

static void *lib;

static void load(void) {
	lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL) {
		const char *text = dlerror();
		snprintf(why, sizeof why, "%s", text != NULL ? text : "dlopen libcuda.so.1 failed");
	}
	for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
		void *p = lib != NULL ? dlsym(lib, symbols[i].name) : (void *)missing_library;
		*symbols[i].slot = p != NULL ? p : (void *)missing_function;
	}
	if (lib == NULL) return;
	*(void **)&real_init = dlsym(lib, "cuInit");
	struct link_map *map = NULL;
	if (dlinfo(lib, RTLD_DI_LINKMAP, &map) == 0 && map != NULL) snprintf(path, sizeof path, "%s", map->l_name);
	const char *missing = NULL;
	int more = 0;
	for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
		if (dlsym(lib, needed[i]) == NULL) {
			if (missing == NULL) missing = needed[i];
			else more++;
		}
	if (missing == NULL) return;
	const char *file = path[0] != 0 ? path : "libcuda.so.1";
	if (more == 0) snprintf(why, sizeof why, "%s has no function %s", file, missing);
	else snprintf(why, sizeof why, "%s has no function %s and %d others that are needed", file, missing, more);
}

// A constructor, to load the library before any Go code runs, as the dynamic loader would. cuInit loads it too, for build modes such
// as c-shared, in which the Go runtime may start before this constructor.
__attribute__((constructor)) static void load_early(void) { pthread_once(&once, load); }

static atomic_int settled;
static atomic_int first = -1; // the real result of the first cuInit

// cu's init function calls this, and exits the process unless it returns 0. So it returns 0, and stores the real result, until
// smoothl1_cuda_settle is called, which is after the package initialisation of cu. From then on it returns the real result.
HIDDEN CUresult cuInit(unsigned int flags) {
	pthread_once(&once, load);
	CUresult r = real_init != NULL ? real_init(flags) : missing_library();
	int unset = -1;
	atomic_compare_exchange_strong(&first, &unset, (int)r);
	return atomic_load(&settled) ? r : CUDA_SUCCESS;
}

HIDDEN int smoothl1_cuda_settle(void) {
	atomic_store(&settled, 1);
	return atomic_load(&first);
}

HIDDEN int smoothl1_cuda_has(const char *name) {
	for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++)
		if (strcmp(symbols[i].name, name) == 0)
			return *symbols[i].slot != (void *)smoothl1_cuda_unloaded && *symbols[i].slot != (void *)missing_library &&
			       *symbols[i].slot != (void *)missing_function;
	return 0;
}

HIDDEN const char *smoothl1_cuda_why(void) { return why; }
HIDDEN void *smoothl1_cuda_find(const char *name) { return lib != NULL ? dlsym(lib, name) : NULL; }
HIDDEN const char *smoothl1_cuda_path(void) { return path; }
