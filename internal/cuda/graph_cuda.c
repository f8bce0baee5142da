//go:build cuda && linux && amd64 && cgo

// Stream capture and graphs, which gorgonia.org/cu does not have.
//
// The functions are looked up by name, and a driver that lacks them is usable for all else. Their types are written out here, because headers
// of different versions map the same name to different functions: cuGraphInstantiate is a function of five parameters in cuda.h of 11.8,
// as it is in the libraries of CUDA 10 to 13, and of three, under another name, in that of 12. Since CUDA 11.4 there is also
// cuGraphInstantiateWithFlags, the same in all headers, which is taken if it is there.

#include <stddef.h>
#include "graph_cuda.h"
#include "loader_cuda.h"

#define HIDDEN __attribute__((visibility("hidden")))

static CUresult (*begin)(CUstream, int);
static CUresult (*end)(CUstream, CUgraph *);
static CUresult (*capturing)(CUstream, int *);
static CUresult (*instantiate)(CUgraphExec *, CUgraph, void *, char *, size_t);
static CUresult (*instantiate_with)(CUgraphExec *, CUgraph, unsigned long long);
static CUresult (*launch)(CUgraphExec, CUstream);
static CUresult (*destroy_exec)(CUgraphExec);
static CUresult (*destroy)(CUgraph);

static const struct {
	const char *name;
	void **function;
} functions[] = {
	{"cuGraphInstantiateWithFlags", (void **)&instantiate_with},
	{"cuGraphInstantiate", (void **)&instantiate},
	{"cuStreamBeginCapture_v2", (void **)&begin},
	{"cuStreamEndCapture", (void **)&end},
	{"cuStreamIsCapturing", (void **)&capturing},
	{"cuGraphLaunch", (void **)&launch},
	{"cuGraphExecDestroy", (void **)&destroy_exec},
	{"cuGraphDestroy", (void **)&destroy},
};

// Go calls this once, before the others.
HIDDEN const char *smoothl1_graph_missing(void) {
	const char *missing = NULL;
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
		*functions[i].function = smoothl1_cuda_find(functions[i].name);
		if (*functions[i].function == NULL && i > 0 && missing == NULL && (i > 1 || instantiate_with == NULL)) missing = functions[i].name;
	}
	return missing;
}

HIDDEN CUresult smoothl1_graph_capturing(CUstream s, int *yes) { return capturing(s, yes); }

// 1 is CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: see driver.Capturer.
HIDDEN CUresult smoothl1_graph_begin(CUstream s) { return begin(s, 1); }

HIDDEN CUresult smoothl1_graph_end(CUstream s, CUgraphExec *g, const char **call) {
	CUgraph graph = NULL;
	*call = "cuStreamEndCapture";
	CUresult r = end(s, &graph);
	if (r != CUDA_SUCCESS) return r;
	if (graph == NULL) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	*call = "cuGraphInstantiate";
	r = instantiate_with != NULL ? instantiate_with(g, graph, 0) : instantiate(g, graph, NULL, NULL, 0);
	CUresult d = destroy(graph);
	if (r == CUDA_SUCCESS && d != CUDA_SUCCESS) {
		*call = "cuGraphDestroy";
		destroy_exec(*g);
		r = d;
	}
	return r;
}

HIDDEN CUresult smoothl1_graph_launch(CUgraphExec g, CUstream s) { return launch(g, s); }
HIDDEN CUresult smoothl1_graph_close(CUgraphExec g) { return destroy_exec(g); }
