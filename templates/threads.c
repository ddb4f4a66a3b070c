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

/* Where part `index` of the units begins. Many units may be elements of an array: then the parts
 * begin at whole cache lines of it. */
static ctc_dim ctc_part_begin(const ctc_work *work, ctc_dim index) {
  const ctc_dim begin = work->units * index / work->parts;
  return work->units / work->parts < 256 || index == work->parts ? begin : begin / 64 * 64;
}

static void ctc_part(void *context, int32_t index) {
  const ctc_work *work = (const ctc_work *)context;
  work->task(work->p, work->n, index, ctc_part_begin(work, index), ctc_part_begin(work, index + 1));
}

/* All units of a task, in at most `most_parts` contiguous parts of about the same size. */
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
