/* How a caller lends threads to a model; the same in every emitted header. `run` calls
 * part(context, i) once for each i < parts, at the same time where it can, and returns when all of
 * them are done. `count` is how many it can run at the same time, the caller's own thread among
 * them. Any pool of threads can stand behind it. */
#ifndef CTC_THREADS
#define CTC_THREADS 1
typedef struct ctc_threads {
  int32_t count;
  void (*run)(struct ctc_threads *self, int32_t parts, void (*part)(void *context, int32_t index),
              void *context);
} ctc_threads;

/* The pool that comes with the program, in memory of the caller's; `threads` is what a run takes. */
enum { CTC_POOL_MOST = 64 };
typedef struct {
  ctc_threads threads;
  int64_t space[CTC_POOL_MOST * 16 + 64]; /* its own */
} ctc_pool;
#endif
