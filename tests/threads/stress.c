/* stress.c: the pool of an emitted program (net.h, -DCTC_POOL) under load: that every part runs once,
 * and that no run hangs, while pools come and go, workers fall asleep, callers compete, and there are
 * more threads than cores. `stress ROUNDS`; exit status 1 and a line if a part was left out. */
#define _POSIX_C_SOURCE 200112L
#include "net.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_PARTS = 40 };

typedef struct {
  ctc_threads *threads;
  int32_t runs[MOST_PARTS]; /* of each part */
  int32_t inside;           /* parts of a run inside of a part, all in all */
} job;

static int failures;

static void expect(int ok, const char *what, int32_t parts, int32_t threads) {
  if (ok) return;
  printf("%s: %d parts on %d threads\n", what, (int)parts, (int)threads);
  failures++;
}

static void count_part(void *context, int32_t index) { ((job *)context)->runs[index]++; }

/* One run; each part must have been called once. */
static void run_parts(ctc_threads *threads, int32_t parts, const char *what) {
  job work;
  int32_t i, wrong = 0;
  memset(&work, 0, sizeof work);
  threads->run(threads, parts, count_part, &work);
  for (i = 0; i < MOST_PARTS; i++) wrong += work.runs[i] != (i < parts);
  expect(wrong == 0, what, parts, threads->count);
}

static void wait_ns(long nanoseconds) {
  struct timespec time;
  time.tv_sec = 0;
  time.tv_nsec = nanoseconds;
  nanosleep(&time, NULL);
}

/* Pools of all sizes that end at once, or after some runs, awake or asleep. */
static void come_and_go(int rounds) {
  int i, k;
  for (i = 0; i < rounds; i++) {
    static ctc_pool pool;
    int32_t started = net_pool_start(&pool, i % 9);
    expect(started == (i % 9 ? i % 9 : 1) && pool.threads.count == started, "start", 0, started);
    for (k = 0; k < i % 4; k++) run_parts(&pool.threads, k + 2, "come and go");
    if (i % 8 == 7) wait_ns(400000);
    net_pool_stop(&pool);
  }
}

static void many_small(ctc_pool *pool, int rounds) {
  int i;
  for (i = 0; i < rounds; i++) run_parts(&pool->threads, i % MOST_PARTS, "many small runs");
}

/* Pauses around the time after which workers fall asleep. */
static void asleep(ctc_pool *pool, int rounds) {
  int i;
  for (i = 0; i < rounds; i++) {
    wait_ns(20000 * (long)(i % 16));
    run_parts(&pool->threads, 2 + i % 3, "after a pause");
  }
}

static void inner_part(void *context, int32_t index) {
  (void)index;
  __atomic_fetch_add(&((job *)context)->inside, 1, __ATOMIC_RELAXED);
}

static void outer_part(void *context, int32_t index) {
  job *work = (job *)context;
  (void)index;
  work->threads->run(work->threads, 3, inner_part, work);
}

/* A run inside of a part of another one. */
static void nested(ctc_pool *pool, int rounds) {
  int i;
  for (i = 0; i < rounds; i++) {
    job work;
    memset(&work, 0, sizeof work);
    work.threads = &pool->threads;
    pool->threads.run(&pool->threads, 4, outer_part, &work);
    expect(work.inside == 12, "nested", 4, pool->threads.count);
  }
}

typedef struct {
  ctc_pool *pool;
  int rounds;
} competitor;

static void *compete_main(void *argument) {
  const competitor *own = (const competitor *)argument;
  int i;
  for (i = 0; i < own->rounds; i++) run_parts(&own->pool->threads, 2 + i % 5, "two callers");
  return NULL;
}

/* Two threads use one pool. */
static void compete(ctc_pool *pool, int rounds) {
  competitor own;
  pthread_t other;
  own.pool = pool;
  own.rounds = rounds;
  if (pthread_create(&other, NULL, compete_main, &own) != 0) exit(2);
  compete_main(&own);
  pthread_join(other, NULL);
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 1000;
  int32_t threads;
  come_and_go(rounds / 10);
  for (threads = 1; threads <= 8; threads += threads) {
    static ctc_pool pool;
    net_pool_start(&pool, threads);
    many_small(&pool, rounds);
    asleep(&pool, rounds / 10);
    nested(&pool, rounds / 10);
    compete(&pool, rounds);
    net_pool_stop(&pool);
  }
  return failures ? 1 : 0;
}
