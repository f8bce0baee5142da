// Streams, events, modules and launches.
#include "fake.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_launch last;

CUresult cuStreamCreate(CUstream *s, unsigned flags) {
	CUresult r = in_context("cuStreamCreate");
	if (r != 0) return leave(r);
	object *o = fake_new('s');
	o->flags = flags;
	fake_count(FAKE_STREAM, 1);
	*s = (CUstream)o;
	return leave(r);
}

CUresult cuStreamDestroy(CUstream s) {
	CUresult r = in_context("cuStreamDestroy");
	object *o = fake_object(s, 's');
	if (o == NULL || r == CUDA_ERROR_INVALID_CONTEXT) return leave(CUDA_ERROR_INVALID_HANDLE);
	o->open = 0; // its work stays in the queue
	fake_count(FAKE_STREAM, -1);
	return leave(r);
}

CUresult cuStreamSynchronize(CUstream s) {
	CUresult r = fake_waiting("cuStreamSynchronize", 0);
	if (r != 0) return leave(r);
	object *o = stream_of(s);
	if (o == NULL) return leave(CUDA_ERROR_INVALID_HANDLE);
	if (o->capture != CAPTURE_NONE) { // by another thread
		o->capture = CAPTURE_INVALID;
		return leave(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	}
	fake_drain(o);
	return leave(sticky());
}

CUresult cuEventCreate(CUevent *e, unsigned flags) {
	CUresult r = in_context("cuEventCreate");
	if (r != 0) return leave(r);
	object *o = fake_new('e');
	o->flags = flags;
	fake_count(FAKE_EVENT, 1);
	*e = (CUevent)o;
	return leave(r);
}

CUresult cuEventDestroy(CUevent e) {
	CUresult r = in_context("cuEventDestroy");
	object *o = fake_object(e, 'e');
	if (o == NULL || r == CUDA_ERROR_INVALID_CONTEXT) return leave(CUDA_ERROR_INVALID_HANDLE);
	o->open = 0;
	fake_count(FAKE_EVENT, -1);
	return leave(r);
}

CUresult cuEventRecord(CUevent e, CUstream s) {
	if (fake_idles) return CUDA_SUCCESS;
	CUresult r = in_context("cuEventRecord");
	if (r != 0) return leave(r);
	object *o = fake_object(e, 'e'), *st = stream_of(s);
	if (o == NULL || st == NULL) return leave(CUDA_ERROR_INVALID_HANDLE);
	o->graph = st->capture != CAPTURE_NONE ? st->graph : NULL;
	if (o->graph != NULL) return leave(r);
	o->stream = st;
	o->at = 0;
	fake_push(st, OP_RECORD)->event = o;
	o->pushed = st->pushed;
	return leave(r);
}

CUresult cuStreamWaitEvent(CUstream s, CUevent e, unsigned flags) {
	CUresult r = in_context("cuStreamWaitEvent");
	if (r != 0) return leave(r);
	object *o = fake_object(e, 'e'), *st = stream_of(s);
	if (o == NULL || st == NULL || flags != 0) return leave(CUDA_ERROR_INVALID_HANDLE);
	if (o->graph != NULL) return leave(st->capture != CAPTURE_NONE && o->graph == st->graph ? r : CUDA_ERROR_CAPTURED_EVENT);
	if (o->stream != NULL && st->capture != CAPTURE_NONE) {
		st->capture = CAPTURE_INVALID;
		return leave(CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
	}
	if (o->stream == NULL || o->stream == st) return leave(r);
	op *wait = fake_push(st, OP_WAIT);
	wait->stream = o->stream;
	wait->until = o->pushed;
	return leave(r);
}

CUresult cuEventSynchronize(CUevent e) {
	CUresult r = fake_waiting("cuEventSynchronize", 0);
	if (r != 0) return leave(r);
	object *o = fake_object(e, 'e');
	if (o == NULL) return leave(CUDA_ERROR_INVALID_HANDLE);
	if (o->graph != NULL) return leave(CUDA_ERROR_CAPTURED_EVENT);
	if (o->stream != NULL) fake_drain(o->stream);
	return leave(sticky());
}

CUresult cuEventElapsedTime(float *ms, CUevent a, CUevent b) {
	CUresult r = in_context("cuEventElapsedTime");
	if (r != 0) return leave(r);
	object *x = fake_object(a, 'e'), *y = fake_object(b, 'e');
	if (x == NULL || y == NULL || x->stream == NULL || y->stream == NULL) return leave(CUDA_ERROR_INVALID_HANDLE);
	if (x->at == 0 || y->at == 0) return leave(CUDA_ERROR_NOT_READY);
	*ms = (float)(y->at - x->at);
	return leave(r);
}

// Accepts any text except those that fake_driver names, and that with the error in devicetest's, which it reports like ptxas.
CUresult cuModuleLoadDataEx(CUmodule *m, const void *image, unsigned n, CUjit_option *options, void **values) {
	CUresult r = fake_waiting("cuModuleLoadDataEx", 0);
	if (r != 0) return leave(r);
	const char *text = image;
	if ((r = fake_refuses(text)) != 0) return leave(r);
	if (strstr(text, "nosuch") != NULL) {
		char *log = NULL;
		size_t size = 0;
		for (unsigned i = 0; i < n; i++) {
			if (options[i] == CU_JIT_ERROR_LOG_BUFFER) log = values[i];
			if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) size = (size_t)(uintptr_t)values[i];
		}
		if (log != NULL) snprintf(log, size, "ptxas application ptx input, line 6; error   : Not a name of any known instruction: 'nosuch'\nptxas fatal   : Ptx assembly aborted due to errors\n");
		return leave(CUDA_ERROR_INVALID_PTX);
	}
	object *o = fake_new('m');
	o->text = strdup(text);
	fake_count(FAKE_MODULE, 1);
	*m = (CUmodule)o;
	return leave(r);
}

CUresult cuModuleUnload(CUmodule m) {
	CUresult r = in_context("cuModuleUnload");
	object *o = fake_object(m, 'm');
	if (o == NULL || r == CUDA_ERROR_INVALID_CONTEXT) return leave(CUDA_ERROR_INVALID_HANDLE);
	o->open = 0;
	fake_count(FAKE_MODULE, -1);
	return leave(r);
}

CUresult cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name) {
	CUresult r = in_context("cuModuleGetFunction");
	if (r != 0) return leave(r);
	object *o = fake_object(m, 'm');
	if (o == NULL) return leave(CUDA_ERROR_INVALID_HANDLE);
	for (const char *p = o->text; (p = strstr(p, ".entry")) != NULL;) {
		for (p += 6; isspace((unsigned char)*p); p++) {}
		size_t n = strlen(name);
		if (strncmp(p, name, n) != 0 || (p[n] != '(' && !isspace((unsigned char)p[n]))) continue;
		object *fn = fake_new('f');
		fn->module = o;
		fn->text = strchr(p, '(');
		snprintf(fn->name, sizeof fn->name, "%s", name);
		*f = (CUfunction)fn;
		return leave(r);
	}
	return leave(CUDA_ERROR_NOT_FOUND);
}

// The size of the parameter whose declaration is at *p, as .param .u64 x or .param .align 8 .b8 x[24], and moves *p behind it.
static size_t parameter_bytes(const char **p, const char *close) {
	const char *type = strchr(*p + 6, '.');
	if (strncmp(type, ".align", 6) == 0) type = strchr(type + 1, '.');
	size_t bits = strtoul(type + 2, NULL, 10), count = 1;
	const char *end = strchr(type, ',');
	if (end == NULL || end > close) end = close;
	const char *bracket = strchr(type, '[');
	if (bracket != NULL && bracket < end) count = strtoul(bracket + 1, NULL, 10);
	*p = end;
	return bits / 8 * count;
}

// Reads the arguments at once, each in the size that the PTX declares, as CUDA does.
CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, CUstream stream, void **params, void **extra) {
	if (fake_idles) return CUDA_SUCCESS;
	CUresult r = in_context("cuLaunchKernel");
	if (r != 0) return leave(r);
	object *fn = fake_object(f, 'f'), *s = stream_of(stream);
	if (fn != NULL && !fn->module->open) fake_misused();
	if (fn == NULL || s == NULL || !fn->module->open) return leave(CUDA_ERROR_INVALID_HANDLE);
	if (!gx || !gy || !gz || !bx || !by || !bz || bx * by * bz > 1024 || extra != NULL) return leave(CUDA_ERROR_INVALID_VALUE);
	struct fake_launch l = {.grid = {gx, gy, gz}, .block = {bx, by, bz}, .shared = shared};
	l.stream = stream == NULL || stream == CU_STREAM_LEGACY ? 0 : s->flags == CU_STREAM_NON_BLOCKING ? 1 : 2;
	snprintf(l.name, sizeof l.name, "%s", fn->name);
	const char *close = strchr(fn->text, ')');
	int parameter = 0;
	for (const char *p = fn->text; (p = strstr(p, ".param")) != NULL && p < close; parameter++) {
		size_t bytes = parameter_bytes(&p, close), words = (bytes + 7) / 8;
		if (l.count + words > sizeof l.args / sizeof l.args[0]) return leave(CUDA_ERROR_INVALID_VALUE);
		memcpy(&l.args[l.count], params[parameter], bytes);
		l.count += words;
	}
	last = l;
	op *o = fake_push(s, OP_LAUNCH);
	o->launch = l;
	o->module = fn->module;
	return leave(r);
}

void fake_last_launch(struct fake_launch *l) {
	enter(NULL);
	*l = last;
	leave(CUDA_SUCCESS);
}
