/* A task is one step: it does the units [first, last) of its work, which do not depend on each
 * other. `part` says which piece of the scratch memory is its own. */
typedef void (*ctc_task)(void *const *p, const int64_t *n, ctc_dim part, ctc_dim first,
                         ctc_dim last);

typedef struct {
  ctc_task task;
  void *const *p;
  const int64_t *n;
  ctc_dim units, parts;
} ctc_work;

static void ctc_part(void *context, int32_t index) {
  const ctc_work *work = (const ctc_work *)context;
  const ctc_dim first = work->units * index / work->parts;
  const ctc_dim last = work->units * (index + 1) / work->parts;
  work->task(work->p, work->n, index, first, last);
}

/* All units of a task, in at most `most_parts` contiguous parts of equal size. */
static void ctc_parallel(ctc_threads *threads, ctc_task task, void *const *p, const int64_t *n,
                         ctc_dim units, ctc_dim most_parts) {
  ctc_dim parts = threads ? threads->count : 1;
  if (parts > most_parts) parts = most_parts;
  if (parts > units) parts = units;
  if (parts > 1) {
    ctc_work work;
    work.task = task;
    work.p = p;
    work.n = n;
    work.units = units;
    work.parts = parts;
    threads->run(threads, (int32_t)parts, ctc_part, &work);
  } else {
    task(p, n, 0, 0, units);
  }
}
