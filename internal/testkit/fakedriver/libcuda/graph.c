// Capture of streams, and graphs. A graph is a list of the same pieces of work that streams have; a launch adds copies of them to a queue.
#include "fake.h"
#include <pthread.h>
#include <stdlib.h>

static object *capturing; // the streams being captured, by next_capture

// fake_waiting is in_context for a call that waits, allocates or frees. CUDA's thread-local mode does not allow it on a thread that
// captures; one that waits for the whole context is not allowed on any thread.
CUresult fake_waiting(const char *call, int whole) {
	CUresult r = in_context(call);
	if (r != 0) return r;
	for (object *s = capturing; s != NULL; s = s->next_capture)
		if (whole || pthread_equal(s->thread, pthread_self())) {
			s->capture = CAPTURE_INVALID;
			r = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
		}
	return r;
}

CUresult cuStreamIsCapturing(CUstream s, CUstreamCaptureStatus *status) {
	CUresult r = in_context("cuStreamIsCapturing");
	if (r != 0) return leave(r);
	object *o = stream_of(s);
	if (o == NULL) return leave(CUDA_ERROR_INVALID_HANDLE);
	*status = o->capture == CAPTURE_NONE ? CU_STREAM_CAPTURE_STATUS_NONE
	          : o->capture == CAPTURE_VALID ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_INVALIDATED;
	return leave(r);
}

CUresult cuStreamBeginCapture(CUstream s, CUstreamCaptureMode mode) {
	CUresult r = in_context("cuStreamBeginCapture");
	if (r != 0) return leave(r);
	object *o = stream_of(s);
	if (o == NULL) return leave(CUDA_ERROR_INVALID_HANDLE);
	if (s == NULL || s == CU_STREAM_LEGACY) return leave(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	if (mode != CU_STREAM_CAPTURE_MODE_THREAD_LOCAL) return leave(CUDA_ERROR_INVALID_VALUE); // the others are not implemented
	if (o->capture != CAPTURE_NONE) return leave(CUDA_ERROR_ILLEGAL_STATE);
	o->capture = CAPTURE_VALID;
	o->thread = pthread_self();
	o->graph = fake_new('c');
	o->next_capture = capturing;
	capturing = o;
	return leave(r);
}

CUresult cuStreamEndCapture(CUstream s, CUgraph *g) {
	CUresult r = in_context("cuStreamEndCapture");
	if (r == CUDA_ERROR_INVALID_CONTEXT) return leave(r);
	object *o = stream_of(s);
	if (o == NULL) return leave(CUDA_ERROR_INVALID_HANDLE);
	if (o->capture == CAPTURE_NONE) return leave(CUDA_ERROR_ILLEGAL_STATE);
	if (!pthread_equal(o->thread, pthread_self())) return leave(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
	if (r == 0 && o->capture == CAPTURE_INVALID) r = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	for (object **at = &capturing; *at != NULL; at = &(*at)->next_capture)
		if (*at == o) { *at = o->next_capture; break; }
	o->capture = CAPTURE_NONE;
	*g = NULL;
	if (r != 0) return leave(r);
	fake_count(FAKE_GRAPH, 1);
	*g = (CUgraph)o->graph;
	return leave(r);
}

static CUresult instantiate(CUgraphExec *exec, CUgraph g) {
	CUresult r = in_context("cuGraphInstantiate");
	if (r != 0) return leave(r);
	object *graph = fake_object(g, 'c');
	if (graph == NULL) return leave(CUDA_ERROR_INVALID_HANDLE);
	object *x = fake_new('g');
	for (const op *o = graph->first; o != NULL; o = o->next) fake_copy(x, o);
	fake_count(FAKE_GRAPH, 1);
	*exec = (CUgraphExec)x;
	return leave(r);
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph g, unsigned long long flags) { return instantiate(exec, g); }

#undef cuGraphInstantiate // cuda.h gives it the name of a later version
CUresult cuGraphInstantiate(CUgraphExec *exec, CUgraph g, CUgraphNode *node, char *log, size_t size) { return instantiate(exec, g); }

CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
	if (fake_idles) return CUDA_SUCCESS;
	CUresult r = in_context("cuGraphLaunch");
	if (r != 0) return leave(r);
	object *x = fake_object(exec, 'g'), *s = stream_of(stream);
	if (x == NULL || s == NULL) return leave(CUDA_ERROR_INVALID_HANDLE);
	if (s->capture != CAPTURE_NONE) {
		s->capture = CAPTURE_INVALID;
		return leave(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	}
	if (x->stream != NULL && x->stream != s) { // after the last launch
		op *wait = fake_push(s, OP_WAIT);
		wait->stream = x->stream;
		wait->until = x->done;
	}
	for (const op *o = x->first; o != NULL; o = o->next) fake_copy(s, o);
	x->stream = s;
	x->done = s->pushed;
	return leave(r);
}

static CUresult close_graph(const char *call, void *handle, char kind) {
	CUresult r = in_context(call);
	object *o = fake_object(handle, kind);
	if (o == NULL || r == CUDA_ERROR_INVALID_CONTEXT) return leave(CUDA_ERROR_INVALID_HANDLE);
	o->open = 0;
	fake_count(FAKE_GRAPH, -1);
	return leave(r);
}

CUresult cuGraphExecDestroy(CUgraphExec g) { return close_graph("cuGraphExecDestroy", g, 'g'); }
CUresult cuGraphDestroy(CUgraph g) { return close_graph("cuGraphDestroy", g, 'c'); }
