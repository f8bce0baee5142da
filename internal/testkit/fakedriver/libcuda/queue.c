// The asynchronous half: work is added to its stream's queue and done only when a call waits for the stream, which is as late as CUDA
// allows. This always detects a caller that forgets to wait or changes its memory too early.
#include "fake.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static object *objects;

object *fake_new(char kind) {
	object *o = calloc(1, sizeof *o);
	o->kind = kind;
	o->open = 1;
	o->last = &o->first;
	o->next = objects;
	objects = o;
	return o;
}

object *fake_object(void *handle, char kind) {
	for (object *o = objects; o != NULL; o = o->next)
		if (o == handle && o->kind == kind && o->open) return o;
	fake_misused();
	return NULL;
}

static void append(object *to, op *o) {
	o->next = NULL;
	*to->last = o;
	to->last = &o->next;
	to->pushed++;
}

op *fake_push(object *stream, int kind) {
	op *o = calloc(1, sizeof *o);
	o->kind = kind;
	append(stream->capture == CAPTURE_NONE ? stream : stream->graph, o);
	return o;
}

void fake_copy(object *to, const op *o) {
	op *copy = malloc(sizeof *copy);
	*copy = *o;
	append(to, copy);
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

// Memory that existed when the work was queued and is freed when it is done.
static int lost(const void *p, size_t n) {
	if (fake_is_memory(p, n)) return 0;
	fake_misused();
	fake_sticky(CUDA_ERROR_ILLEGAL_ADDRESS);
	return 1;
}

// The kernels of devicetest.PTX, done by the host.
static void run_kernel(const struct fake_launch *l) {
	uint64_t *out = (uint64_t *)(uintptr_t)l->args[0];
	if (strcmp(l->name, "echo") == 0 || strcmp(l->name, "block") == 0) {
		if (lost(out, (size_t)l->count * 8)) return;
		memcpy(out, l->args, (size_t)l->count * 8);
	} else if (strcmp(l->name, "shape") == 0) {
		if (lost(out, 7 * 8)) return;
		for (int i = 0; i < 3; i++) out[i] = l->grid[i], out[3 + i] = l->block[i];
		out[6] = l->shared;
	} else if (strcmp(l->name, "fault") == 0) {
		fake_sticky(CUDA_ERROR_ILLEGAL_ADDRESS);
	}
}

static void run(const op *o) {
	switch (o->kind) {
	case OP_COPY:
		if ((o->dst_here && lost(o->dst, o->n)) || (o->src_here && lost(o->src, o->n))) return;
		if (o->pinned != NULL && !fake_is_pinned(o->pinned, o->n)) { // freed too early
			fake_misused();
			return fake_sticky(CUDA_ERROR_ILLEGAL_ADDRESS);
		}
		memmove(o->dst, o->src, o->n);
		break;
	case OP_SET:
		if (lost(o->dst, o->n)) return;
		memset(o->dst, o->value, o->n);
		break;
	case OP_RECORD:
		o->event->at = now();
		break;
	case OP_WAIT:
		fake_drain_to(o->stream, o->until);
		break;
	case OP_LAUNCH:
		if (!o->module->open) { // its code is gone
			fake_misused();
			return fake_sticky(CUDA_ERROR_ILLEGAL_ADDRESS);
		}
		run_kernel(&o->launch);
		break;
	}
}

void fake_drain_to(object *stream, unsigned long pieces) {
	while (stream->done < pieces) {
		op *o = stream->first;
		stream->first = o->next;
		if (stream->first == NULL) stream->last = &stream->first;
		stream->done++;
		run(o);
		free(o);
	}
}

void fake_drain(object *stream) { fake_drain_to(stream, stream->pushed); }

void fake_drain_all(void) {
	for (object *o = objects; o != NULL; o = o->next)
		if (o->kind == 's') fake_drain(o);
}
