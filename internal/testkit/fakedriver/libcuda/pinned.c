// Page-locked host memory. Its pages are mapped twice, so that a caller that uses the host's address for kernels, or the other way round, is
// caught.
#define _GNU_SOURCE // memfd_create
#include "fake.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct pinned { struct pinned *next; unsigned char *host, *mapped; size_t n; int open; } *pinneds;

static int within(const void *p, size_t n, const unsigned char *base, size_t size) {
	return (const unsigned char *)p >= base && (const unsigned char *)p + n <= base + size;
}

int fake_is_pinned(const void *p, size_t n) {
	for (struct pinned *m = pinneds; m != NULL; m = m->next)
		if (m->open && within(p, n, m->host, m->n)) return 1;
	return 0;
}

int fake_is_mapped(const void *p, size_t n) {
	for (struct pinned *m = pinneds; m != NULL; m = m->next)
		if (m->open && within(p, n, m->mapped, m->n)) return 1;
	return 0;
}

CUresult cuMemHostAlloc(void **p, size_t n, unsigned flags) {
	CUresult r = fake_waiting("cuMemHostAlloc", 0);
	if (r == 0 && (n == 0 || flags != (CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP))) r = CUDA_ERROR_INVALID_VALUE;
	if (r == 0 && n > 1 << 30) r = CUDA_ERROR_OUT_OF_MEMORY;
	if (r != 0) return leave(r);
	int pages = memfd_create("pinned", MFD_CLOEXEC);
	if (pages < 0 || ftruncate(pages, (off_t)n) != 0) return leave(CUDA_ERROR_UNKNOWN);
	struct pinned *m = calloc(1, sizeof *m);
	*m = (struct pinned){pinneds, mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, pages, 0), mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, pages, 0), n, 1};
	close(pages);
	if (m->host == MAP_FAILED || m->mapped == MAP_FAILED) return leave(CUDA_ERROR_OUT_OF_MEMORY);
	memset(m->host, 0xA5, n);
	pinneds = m;
	fake_count(FAKE_PINNED, 1);
	*p = m->host;
	return leave(r);
}

CUresult cuMemHostGetDevicePointer(CUdeviceptr *d, void *p, unsigned flags) {
	CUresult r = in_context("cuMemHostGetDevicePointer");
	if (r != 0) return leave(r);
	for (struct pinned *m = pinneds; m != NULL; m = m->next)
		if (m->open && m->host == p && flags == 0) {
			*d = (CUdeviceptr)(uintptr_t)m->mapped;
			return leave(r);
		}
	fake_misused();
	return leave(CUDA_ERROR_INVALID_VALUE);
}

CUresult cuMemFreeHost(void *p) {
	CUresult r = fake_waiting("cuMemFreeHost", 0);
	if (r == CUDA_ERROR_INVALID_CONTEXT || r == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED) return leave(r);
	for (struct pinned *m = pinneds; m != NULL; m = m->next)
		if (m->open && m->host == p) {
			m->open = 0;
			munmap(m->host, m->n);
			munmap(m->mapped, m->n);
			fake_count(FAKE_PINNED, -1);
			return leave(r);
		}
	fake_misused();
	return leave(CUDA_ERROR_INVALID_VALUE);
}
