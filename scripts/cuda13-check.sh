#!/usr/bin/env bash
# Builds the CUDA side with a stand-in for the cuda.h of CUDA 13: that of the installed toolkit, with the functions that gorgonia.org/cu
# calls renamed and changed as in CUDA 13.0. Fails if that compiles without internal/cuda/cuda13, which would then be superfluous, if it
# does not compile with it, if it then calls other functions than internal/cuda has trampolines for, or if a few tests on the fake libcuda
# fail, which is compiled with the same headers.
#
# usage: scripts/cuda13-check.sh          needs the CUDA headers of 11.8 or 12, gcc and binutils
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/cuda.h" <<'END'
#ifndef STAND_IN
#define STAND_IN
// Hide the prototypes that CUDA 13 does not have.
#define cuCtxCreate_v2 hidden_cuCtxCreate
#define cuDeviceGetUuid hidden_cuDeviceGetUuid
#define cuEventElapsedTime hidden_cuEventElapsedTime
#define cuGraphAddDependencies hidden_cuGraphAddDependencies
#define cuGraphGetEdges hidden_cuGraphGetEdges
#define cuMemAdvise hidden_cuMemAdvise
#define cuMemPrefetchAsync hidden_cuMemPrefetchAsync
// And those of CUDA 12 of the same names as here.
#define cuCtxCreate_v4 hidden_cuCtxCreate_v4
#define cuDeviceGetUuid_v2 hidden_cuDeviceGetUuid_v2
#define cuEventElapsedTime_v2 hidden_cuEventElapsedTime_v2
#define cuGraphAddDependencies_v2 hidden_cuGraphAddDependencies_v2
#define cuGraphGetEdges_v2 hidden_cuGraphGetEdges_v2
#define cuMemAdvise_v2 hidden_cuMemAdvise_v2
#define cuMemPrefetchAsync_v2 hidden_cuMemPrefetchAsync_v2
#include_next <cuda.h>
#undef cuCtxCreate_v2
#undef cuCtxCreate_v4
#undef cuDeviceGetUuid_v2
#undef cuEventElapsedTime_v2
#undef cuGraphAddDependencies_v2
#undef cuGraphGetEdges_v2
#undef cuMemAdvise_v2
#undef cuMemPrefetchAsync_v2
#undef cuCtxCreate
#undef cuDeviceGetUuid
#undef cuEventElapsedTime
#undef cuGraphAddDependencies
#undef cuGraphGetEdges
#undef cuMemAdvise
#undef cuMemPrefetchAsync
#undef CUDA_VERSION
#define CUDA_VERSION 13000
#define cuCtxCreate cuCtxCreate_v4
#define cuDeviceGetUuid cuDeviceGetUuid_v2
#define cuEventElapsedTime cuEventElapsedTime_v2
#define cuGraphAddDependencies cuGraphAddDependencies_v2
#define cuGraphGetEdges cuGraphGetEdges_v2
#define cuMemAdvise cuMemAdvise_v2
#define cuMemPrefetchAsync cuMemPrefetchAsync_v2
CUresult CUDAAPI cuCtxCreate(CUcontext *, void *params, unsigned int flags, CUdevice);
CUresult CUDAAPI cuDeviceGetUuid(CUuuid *, CUdevice);
CUresult CUDAAPI cuEventElapsedTime(float *, CUevent, CUevent);
CUresult CUDAAPI cuGraphAddDependencies(CUgraph, const CUgraphNode *, const CUgraphNode *, const void *edges, size_t);
CUresult CUDAAPI cuGraphGetEdges(CUgraph, CUgraphNode *, CUgraphNode *, void *edges, size_t *);
CUresult CUDAAPI cuMemAdvise(CUdeviceptr, size_t, CUmem_advise, CUmemLocation);
CUresult CUDAAPI cuMemPrefetchAsync(CUdeviceptr, size_t, CUmemLocation, unsigned int flags, CUstream);
#endif
END

export CGO_ENABLED=1
if CGO_CPPFLAGS="-I$dir" go build -tags cuda gorgonia.org/cu 2>"$dir/log"; then
  echo "cuda13-check: gorgonia.org/cu compiles with the headers of CUDA 13: internal/cuda/cuda13 is not needed any more" >&2
  exit 1
fi
for name in cuCtxCreate cuGraphAddDependencies cuGraphGetEdges cuMemAdvise cuMemPrefetchAsync; do
  grep -q "$name" "$dir/log" || { echo "cuda13-check: cu should not compile because of $name; it said:" >&2; cat "$dir/log" >&2; exit 1; }
done

export CGO_CPPFLAGS="-I$PWD/internal/cuda/cuda13 -I$dir"
go vet -tags cuda ./internal/cuda
scripts/cuda-symbols.sh --check
go test -count=1 -tags cuda ./internal/testkit/fakedriver -run '^(TestDevice|TestGPU|TestTargets)$'
echo "cuda13-check: gorgonia.org/cu and internal/cuda work with internal/cuda/cuda13 and the changes of CUDA 13"
