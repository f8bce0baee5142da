// The functions of graph_cuda.c that are called from Go.
#ifndef SMOOTHL1_GRAPH_CUDA_H
#define SMOOTHL1_GRAPH_CUDA_H

#include <cuda.h>

const char *smoothl1_graph_missing(void); // the first function that the driver lacks; NULL if it has all
CUresult smoothl1_graph_capturing(CUstream s, int *yes);
CUresult smoothl1_graph_begin(CUstream s);
CUresult smoothl1_graph_end(CUstream s, CUgraphExec *g, const char **call); // *call is the function that the result is from
CUresult smoothl1_graph_launch(CUgraphExec g, CUstream s);
CUresult smoothl1_graph_close(CUgraphExec g);

#endif
