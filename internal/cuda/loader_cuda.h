// The functions of loader_cuda.c that are called from Go.
#ifndef SMOOTHL1_LOADER_CUDA_H
#define SMOOTHL1_LOADER_CUDA_H

#include <cuda.h>

int smoothl1_cuda_settle(void);       // returns the CUresult of the first cuInit; from then on cuInit returns the real result
int smoothl1_cuda_has(const char *name); // whether the library has a function of symbols.h
const char *smoothl1_cuda_why(void);  // why libcuda.so.1 cannot be used; empty if it can
const char *smoothl1_cuda_path(void); // the file that was loaded; empty if none was
void *smoothl1_cuda_find(const char *name);  // a function of that file; NULL if it has none of that name

#endif
