// Declarations of the fake libcuda: functions other than CUDA's, which tests use (fakedriver.go looks them up by name), and those shared
// by its source files.
#ifndef FAKE_H
#define FAKE_H

#include <cuda.h>
#include <pthread.h>
#include <stdint.h>

// The number of objects of each kind that exist. All must be 0 after everything is closed.
enum { FAKE_MEMORY, FAKE_STREAM, FAKE_EVENT, FAKE_MODULE, FAKE_CONTEXT, FAKE_PINNED, FAKE_GRAPH, FAKE_KINDS };

struct fake_launch {
	char name[128];
	unsigned grid[3], block[3], shared;
	int stream; // 0: the default stream; 1: a stream that was created non-blocking; 2: one that was created otherwise
	int count;
	uint64_t args[128]; // 4-byte parameters in the low half; of a struct passed by value, its words
};

void fake_reset(void);                                  // forgets calls, planned failures, and what fake_driver and fake_idle said
void fake_driver(const char *refused, int version, int code); // a driver of a version, and the code for PTX with one of the targets
void fake_fail(const char *call, int nth, int code);    // the nth call from now (1: the next) fails; "": whatever it is
void fake_idle(void);                                   // until fake_reset, the calls of a training step return at once, and do nothing
int fake_calls(const char *call);                       // calls since fake_reset; "": all
int fake_live(int kind);                                // things that exist
int fake_depth(void);                                   // contexts on this thread's stack
int fake_misuse(void);                                  // calls with a handle or address that does not exist
void fake_last_launch(struct fake_launch *last);        // as the kernel received it

// Internal to the files.
extern int fake_idles;
typedef struct object object;
typedef struct op op;

struct op {
	op *next;
	enum { OP_COPY, OP_SET, OP_RECORD, OP_WAIT, OP_LAUNCH } kind;
	unsigned char *dst;
	const unsigned char *src;
	size_t n;
	int value;
	int dst_here, src_here; // of a copy: which end is device memory
	const void *pinned; // of a copy: the end that is page-locked, or NULL
	object *event;
	object *stream;      // of a wait: where the event was recorded
	unsigned long until; // and after how much of that stream's work
	object *module; // of a launch
	struct fake_launch launch;
};

// A stream, event, module, function, captured graph or executable graph. It is never freed, in order to detect uses after it is closed.
struct object {
	object *next;
	char kind; // 's', 'e', 'm', 'f', 'c', 'g'
	char open;
	op *first, **last; // of a stream: the work not yet done; of a graph: its work
	unsigned long pushed, done; // of a stream: pieces of work; of an event: pushed, where in its stream it was recorded last; of a graph: done, the end of its last launch
	unsigned flags;
	object *stream;   // of an event: where it was recorded last; of a graph: where it was launched last
	double at;        // of an event: when it happened; 0: not yet
	const char *text; // of a module: its PTX; of a function: where its parameters begin
	object *module;   // of a function
	enum { CAPTURE_NONE, CAPTURE_VALID, CAPTURE_INVALID } capture; // of a stream
	pthread_t thread;      // of a stream being captured: the thread that does so
	object *graph;         // of a stream being captured: the graph; of an event: the one in which it was recorded last, or NULL
	object *next_capture;
	char name[128];
};

object *fake_object(void *handle, char kind);
object *fake_new(char kind);
op *fake_push(object *stream, int kind);
void fake_copy(object *to, const op *o); // adds a copy of o to the work of a stream or graph
void fake_drain(object *stream);
void fake_drain_to(object *stream, unsigned long pieces);
void fake_drain_all(void);
int fake_is_memory(const void *p, size_t n); // memory that kernels can use: the device's, or page-locked
int fake_is_device(const void *p, size_t n);
int fake_is_mapped(const void *p, size_t n); // page-locked memory, by its address for kernels
int fake_is_pinned(const void *host, size_t n); // page-locked memory, by its address on the host
CUresult fake_refuses(const char *ptx);
void fake_sticky(CUresult code);
void fake_count(int kind, int by);
void fake_misused(void);

CUresult enter(const char *call);      // the start of each call; holds the lock until leave
CUresult in_context(const char *call); // enter for a call that needs a current context
CUresult fake_waiting(const char *call, int whole); // in_context for a call that waits, for the whole context or less, or that allocates or frees
CUresult leave(CUresult r);
CUresult sticky(void);              // the fault of the current context
object *stream_of(CUstream s);      // NULL: no such stream

#endif
