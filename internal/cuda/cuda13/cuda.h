// Declares the functions of libcuda as gorgonia.org/cu v0.9.6 calls them, for builds with the headers of CUDA 13. It stands before them
// in the search path of a build with CGO_CPPFLAGS=-I.../internal/cuda/cuda13, and changes nothing if cuda.h is that of CUDA 11 or 12.
//
// cuda.h maps the names of functions to those of their newest versions. In CUDA 13 five of those that cu calls have other parameters,
// and cu does not compile:
//
//	cuCtxCreate             is cuCtxCreate_v4, which also takes a CUctxCreateParams *
//	cuGraphAddDependencies  is cuGraphAddDependencies_v2, which also takes edge data
//	cuGraphGetEdges         is cuGraphGetEdges_v2, which also yields edge data
//	cuMemAdvise             is cuMemAdvise_v2, which takes a CUmemLocation for the CUdevice
//	cuMemPrefetchAsync      is cuMemPrefetchAsync_v2, which takes a CUmemLocation and flags for the CUdevice
//
// Two others, cuDeviceGetUuid and cuEventElapsedTime, have the same parameters under new names, which older drivers lack. Drivers have the
// old names of all seven, since programs that were built with older headers call them.
//
// Sources: the macros at the head of cuda.h of CUDA 13.0, and the table of changed signatures in NVIDIA's DRIVE OS 7.2 migration guide,
// "CUDA API Changes from 12.x to 13.x".
#include_next <cuda.h>

#if CUDA_VERSION >= 13000 && !defined(SMOOTHL1_CUDA13)
#define SMOOTHL1_CUDA13

#undef cuCtxCreate
#undef cuDeviceGetUuid
#undef cuEventElapsedTime
#undef cuGraphAddDependencies
#undef cuGraphGetEdges
#undef cuMemAdvise
#undef cuMemPrefetchAsync

#define cuCtxCreate cuCtxCreate_v2

#ifdef __cplusplus
extern "C" {
#endif
CUresult CUDAAPI cuCtxCreate(CUcontext *, unsigned int flags, CUdevice);
CUresult CUDAAPI cuDeviceGetUuid(CUuuid *, CUdevice);
CUresult CUDAAPI cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end);
CUresult CUDAAPI cuGraphAddDependencies(CUgraph, const CUgraphNode *from, const CUgraphNode *to, size_t n);
CUresult CUDAAPI cuGraphGetEdges(CUgraph, CUgraphNode *from, CUgraphNode *to, size_t *n);
CUresult CUDAAPI cuMemAdvise(CUdeviceptr, size_t n, CUmem_advise, CUdevice);
CUresult CUDAAPI cuMemPrefetchAsync(CUdeviceptr, size_t n, CUdevice, CUstream);
#ifdef __cplusplus
}
#endif

#endif
