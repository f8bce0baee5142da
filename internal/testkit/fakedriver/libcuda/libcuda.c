// A fake libcuda.so.1 on host memory: enough of the driver for internal/cuda, and stricter than the real one. It requires a current
// context where CUDA does, checks every handle, does asynchronous work as late as allowed (queue.c), fills new memory with garbage, and
// can make any call fail. It does not run PTX.
//
// FAKE_CUDA_INIT is the code that cuInit returns, FAKE_CUDA_DEVICES the number of devices (2).
#include "fake.h"
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEVICES = 4, TOTAL_MEMORY = 1 << 30 };

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static int initialised, misuse, live[FAKE_KINDS];
static struct { char call[64]; int n; } calls[64];
static struct { char call[64]; int nth; CUresult code; } plan;

struct CUctx_st { int retained; CUresult sticky; object *null_stream; };
static struct CUctx_st contexts[MAX_DEVICES];
static __thread CUcontext stack[16];
static __thread int depth;

static struct memory { struct memory *next; unsigned char *p; size_t n; int open; } *memories;
static size_t allocated;
int fake_idles;

void fake_count(int kind, int by) { live[kind] += by; }
void fake_misused(void) { misuse++; }
void fake_sticky(CUresult code) { for (int i = 0; i < MAX_DEVICES; i++) if (contexts[i].retained) contexts[i].sticky = code; }

int fake_is_device(const void *p, size_t n) {
	for (struct memory *m = memories; m != NULL; m = m->next)
		if (m->open && (const unsigned char *)p >= m->p && (const unsigned char *)p + n <= m->p + m->n) return 1;
	return 0;
}

int fake_is_memory(const void *p, size_t n) { return fake_is_device(p, n) || fake_is_mapped(p, n); }

static int devices(void) { const char *s = getenv("FAKE_CUDA_DEVICES"); return s != NULL ? atoi(s) : 2; }

// enter is the start of each call: it counts it, and returns the code of a planned failure. Each call ends in leave. NULL: no
// call, only the lock.
CUresult enter(const char *call) {
	pthread_mutex_lock(&mu);
	if (call == NULL) return CUDA_SUCCESS;
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		if (calls[i].call[0] == 0) snprintf(calls[i].call, sizeof calls[i].call, "%s", call);
		if (strcmp(calls[i].call, call) == 0) { calls[i].n++; break; }
	}
	if (plan.nth > 0 && (plan.call[0] == 0 || strcmp(plan.call, call) == 0) && --plan.nth == 0) return plan.code;
	return initialised ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

CUresult leave(CUresult r) { pthread_mutex_unlock(&mu); return r; }

// in_context is enter for a call that works on the thread's current context, and fails once a kernel has faulted there.
CUresult in_context(const char *call) {
	CUresult r = enter(call);
	if (r != 0) return r;
	if (depth == 0 || stack[depth - 1] == NULL || !stack[depth - 1]->retained) return CUDA_ERROR_INVALID_CONTEXT;
	return stack[depth - 1]->sticky;
}

CUresult sticky(void) { return depth > 0 && stack[depth - 1] != NULL ? stack[depth - 1]->sticky : CUDA_SUCCESS; }

object *stream_of(CUstream s) {
	if (s != NULL && s != CU_STREAM_LEGACY) return fake_object(s, 's');
	CUcontext c = stack[depth - 1];
	if (c->null_stream == NULL) c->null_stream = fake_new('s');
	return c->null_stream;
}

CUresult cuInit(unsigned flags) {
	CUresult r = enter("cuInit");
	if (r == CUDA_ERROR_NOT_INITIALIZED) {
		const char *s = getenv("FAKE_CUDA_INIT");
		r = s != NULL ? (CUresult)atoi(s) : CUDA_SUCCESS;
		initialised = r == CUDA_SUCCESS;
	}
	return leave(r);
}

enum { VERSION = 12020 };
static struct { int version; char refused[64]; CUresult code; } driver = {.version = VERSION};

CUresult cuDriverGetVersion(int *v) { enter("cuDriverGetVersion"); *v = driver.version; return leave(CUDA_SUCCESS); }

// fake_refuses returns the code for PTX with a target that fake_driver names, or CUDA_SUCCESS.
CUresult fake_refuses(const char *ptx) {
	char target[32];
	const char *p = strstr(ptx, "\n.target ");
	if (p == NULL || sscanf(p, "\n.target %31s", target) != 1 || strstr(driver.refused, target) == NULL) return CUDA_SUCCESS;
	return driver.code;
}

// Like a real driver, it does not know codes newer than itself, such as 222.
static const struct { CUresult code; const char *name, *text; } errors[] = {
	{CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
	{CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
	{CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
	{CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
	{CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
	{CUDA_ERROR_INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
	{CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
	{CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
	{CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
	{CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
	{CUDA_ERROR_ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
	{CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
	{CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
	{CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "dependency created on uncaptured work in another stream"},
	{CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "attempt to terminate a thread-local capture sequence from another thread"},
	{CUDA_ERROR_CAPTURED_EVENT, "CUDA_ERROR_CAPTURED_EVENT", "operation not permitted on an event last recorded in a capturing stream"},
	{CUDA_ERROR_UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

static CUresult error_text(CUresult code, const char **s, int name) {
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (errors[i].code == code) { *s = name ? errors[i].name : errors[i].text; return CUDA_SUCCESS; }
	*s = NULL;
	return CUDA_ERROR_INVALID_VALUE;
}
CUresult cuGetErrorName(CUresult code, const char **s) { return error_text(code, s, 1); }
CUresult cuGetErrorString(CUresult code, const char **s) { return error_text(code, s, 0); }

CUresult cuDeviceGetCount(int *n) { CUresult r = enter("cuDeviceGetCount"); if (r == 0) *n = devices(); return leave(r); }

CUresult cuDeviceGet(CUdevice *d, int i) {
	CUresult r = enter("cuDeviceGet");
	if (r == 0 && (i < 0 || i >= devices())) r = CUDA_ERROR_INVALID_DEVICE;
	if (r == 0) *d = i;
	return leave(r);
}

CUresult cuDeviceGetName(char *s, int n, CUdevice d) { CUresult r = enter("cuDeviceGetName"); if (r == 0) snprintf(s, n, "Fake GPU %d", d); return leave(r); }
CUresult cuDeviceTotalMem(size_t *n, CUdevice d) { CUresult r = enter("cuDeviceTotalMem"); if (r == 0) *n = TOTAL_MEMORY; return leave(r); }

CUresult cuDeviceGetAttribute(int *v, CUdevice_attribute a, CUdevice d) {
	CUresult r = enter("cuDeviceGetAttribute");
	if (r != 0) return leave(r);
	switch ((int)a) {
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *v = 8; break;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *v = 6; break;
	case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *v = 84; break;
	case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *v = 6 << 20; break;
	default: r = CUDA_ERROR_INVALID_VALUE;
	}
	return leave(r);
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *c, CUdevice d) {
	CUresult r = enter("cuDevicePrimaryCtxRetain");
	if (r == 0) { *c = &contexts[d]; contexts[d].retained++; live[FAKE_CONTEXT]++; }
	return leave(r);
}

// A call that releases something does so whatever it returns: CUDA reports faults of earlier work through such calls.
CUresult cuDevicePrimaryCtxRelease(CUdevice d) {
	CUresult r = enter("cuDevicePrimaryCtxRelease");
	if (contexts[d].retained == 0) { misuse++; return leave(CUDA_ERROR_INVALID_CONTEXT); }
	live[FAKE_CONTEXT]--;
	if (--contexts[d].retained == 0) contexts[d].sticky = CUDA_SUCCESS;
	return leave(r);
}

CUresult cuCtxPushCurrent(CUcontext c) { if (fake_idles) return CUDA_SUCCESS; CUresult r = enter("cuCtxPushCurrent"); if (r == 0) stack[depth++] = c; return leave(r); }

CUresult cuCtxPopCurrent(CUcontext *c) {
	if (fake_idles) return CUDA_SUCCESS;
	CUresult r = enter("cuCtxPopCurrent");
	if (depth == 0) { misuse++; return leave(CUDA_ERROR_INVALID_CONTEXT); }
	*c = stack[--depth];
	return leave(r);
}

CUresult cuCtxSetCurrent(CUcontext c) { CUresult r = enter("cuCtxSetCurrent"); if (r == 0) { if (depth == 0) depth = 1; stack[depth - 1] = c; if (c == NULL) depth--; } return leave(r); }
CUresult cuCtxGetCurrent(CUcontext *c) { CUresult r = enter("cuCtxGetCurrent"); if (r == 0) *c = depth > 0 ? stack[depth - 1] : NULL; return leave(r); }
CUresult cuCtxSynchronize(void) { CUresult r = fake_waiting("cuCtxSynchronize", 1); if (r == 0) { fake_drain_all(); r = sticky(); } return leave(r); }

CUresult cuMemAlloc(CUdeviceptr *p, size_t n) {
	CUresult r = fake_waiting("cuMemAlloc", 0);
	if (r == 0 && n == 0) r = CUDA_ERROR_INVALID_VALUE;
	if (r == 0 && (n > TOTAL_MEMORY || allocated + n > TOTAL_MEMORY)) r = CUDA_ERROR_OUT_OF_MEMORY;
	if (r != 0) return leave(r);
	struct memory *m = calloc(1, sizeof *m);
	*m = (struct memory){memories, aligned_alloc(512, (n + 511) / 512 * 512), n, 1};
	memset(m->p, 0xA5, n);
	memories = m;
	allocated += n;
	live[FAKE_MEMORY]++;
	*p = (CUdeviceptr)(uintptr_t)m->p;
	return leave(r);
}

CUresult cuMemFree(CUdeviceptr p) {
	CUresult r = fake_waiting("cuMemFree", 0);
	if (r == CUDA_ERROR_INVALID_CONTEXT || r == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED) return leave(r);
	for (struct memory *m = memories; m != NULL; m = m->next)
		if (m->open && (CUdeviceptr)(uintptr_t)m->p == p) {
			m->open = 0;
			free(m->p);
			allocated -= m->n;
			live[FAKE_MEMORY]--;
			return leave(r);
		}
	misuse++;
	return leave(CUDA_ERROR_INVALID_VALUE);
}

// A copy of n bytes in stream; which of its two ends must be device memory is for the caller to say.
static CUresult copy(const char *call, void *dst, const void *src, size_t n, CUstream stream, int dst_here, int src_here) {
	CUresult r = in_context(call);
	if (r != 0) return leave(r);
	object *s = stream_of(stream);
	if (s == NULL) return leave(CUDA_ERROR_INVALID_HANDLE);
	if ((dst_here && !fake_is_memory(dst, n)) || (src_here && !fake_is_memory(src, n))) return leave(CUDA_ERROR_INVALID_VALUE);
	const void *host = !dst_here ? dst : !src_here ? src : NULL;
	if (host != NULL && fake_is_memory(host, n)) { // an address for kernels
		fake_misused();
		return leave(CUDA_ERROR_INVALID_VALUE);
	}
	op *o = fake_push(s, OP_COPY);
	o->dst = dst, o->src = src, o->n = n, o->dst_here = dst_here, o->src_here = src_here;
	o->pinned = host != NULL && fake_is_pinned(host, n) ? host : NULL;
	return leave(r);
}

CUresult cuMemcpyHtoDAsync(CUdeviceptr d, const void *h, size_t n, CUstream s) { return copy("cuMemcpyHtoDAsync", (void *)(uintptr_t)d, h, n, s, 1, 0); }
CUresult cuMemcpyDtoHAsync(void *h, CUdeviceptr d, size_t n, CUstream s) { return copy("cuMemcpyDtoHAsync", h, (void *)(uintptr_t)d, n, s, 0, 1); }
CUresult cuMemcpyDtoDAsync(CUdeviceptr d, CUdeviceptr h, size_t n, CUstream s) { return copy("cuMemcpyDtoDAsync", (void *)(uintptr_t)d, (void *)(uintptr_t)h, n, s, 1, 1); }

CUresult cuMemsetD8Async(CUdeviceptr d, unsigned char value, size_t n, CUstream stream) {
	CUresult r = in_context("cuMemsetD8Async");
	if (r != 0) return leave(r);
	object *s = stream_of(stream);
	if (s == NULL) return leave(CUDA_ERROR_INVALID_HANDLE);
	if (!fake_is_memory((void *)(uintptr_t)d, n)) return leave(CUDA_ERROR_INVALID_VALUE);
	op *o = fake_push(s, OP_SET);
	o->dst = (void *)(uintptr_t)d, o->value = value, o->n = n;
	return leave(r);
}

CUresult cuMemGetInfo(size_t *free, size_t *total) {
	CUresult r = in_context("cuMemGetInfo");
	if (r == 0) *free = TOTAL_MEMORY - allocated, *total = TOTAL_MEMORY;
	return leave(r);
}

// For the tests.

void fake_reset(void) {
	pthread_mutex_lock(&mu);
	memset(calls, 0, sizeof calls);
	memset(&plan, 0, sizeof plan);
	misuse = 0;
	driver.version = VERSION;
	driver.refused[0] = 0;
	fake_idles = 0;
	pthread_mutex_unlock(&mu);
}

void fake_idle(void) { fake_idles = 1; }

void fake_driver(const char *refused, int version, int code) {
	pthread_mutex_lock(&mu);
	driver.version = version;
	snprintf(driver.refused, sizeof driver.refused, "%s", refused);
	driver.code = (CUresult)code;
	pthread_mutex_unlock(&mu);
}

void fake_fail(const char *call, int nth, int code) {
	pthread_mutex_lock(&mu);
	snprintf(plan.call, sizeof plan.call, "%s", call);
	plan.nth = nth;
	plan.code = (CUresult)code;
	pthread_mutex_unlock(&mu);
}

int fake_calls(const char *call) {
	int n = 0;
	pthread_mutex_lock(&mu);
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
		if (call[0] == 0 || strcmp(calls[i].call, call) == 0) n += calls[i].n;
	pthread_mutex_unlock(&mu);
	return n;
}

int fake_live(int kind) { pthread_mutex_lock(&mu); int n = live[kind]; pthread_mutex_unlock(&mu); return n; }
int fake_misuse(void) { pthread_mutex_lock(&mu); int n = misuse; pthread_mutex_unlock(&mu); return n; }
int fake_depth(void) { return depth; }
