// What loader_cuda.c offers to Go; it says there what each is for.
#ifndef SMOOTHL1_LOADER_CUDA_H
#define SMOOTHL1_LOADER_CUDA_H

#include <cuda.h>

int smoothl1_cuda_settle(void);       // the CUresult of the first cuInit, and cuInit tells the truth from now on
const char *smoothl1_cuda_why(void);  // why libcuda.so.1 cannot be used; empty where it can
const char *smoothl1_cuda_path(void); // the file that was loaded; empty where none was

#endif
