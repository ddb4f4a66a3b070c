/* Where threads come from: OpenMP, or a pool of the program's own. */
#ifdef _OPENMP
/* The team has the same size for every step: changing it would end and start threads. */
static void ctc_openmp_run(ctc_threads *self, int32_t parts,
                           void (*part)(void *context, int32_t index), void *context) {
#pragma omp parallel for schedule(static, 1) num_threads(self->count)
  for (int32_t i = 0; i < parts; i++) part(context, i);
}

/* OpenMP's threads; one inside of a parallel region that may have no other one inside. */
static ctc_threads ctc_openmp_threads(void) {
  ctc_threads threads;
  threads.count = omp_get_active_level() < omp_get_max_active_levels() ? omp_get_max_threads() : 1;
  threads.run = ctc_openmp_run;
  return threads;
}
#endif

#ifdef CTC_POOL
/* A pool of threads that spin before they sleep. Each worker has a word in a cache line of its own:
 * the caller sets it to WORKING, the worker sets it back to IDLE, so that a fork and join of an
 * awake worker is a cache line that goes there and back. A worker that has waited long sets it to
 * ASLEEP, and who finds that wakes it up. */
enum { CTC_IDLE, CTC_WORKING, CTC_ASLEEP, CTC_ENDING };

/* A worker spins, then lets others run in between, then sleeps. The caller, whose own part is as
 * large as the others, never sleeps. Who yields late loses time where two threads of the pool share
 * a core, who yields early where programs of others wait for one. */
enum { CTC_SPIN_NS = 20000, CTC_AWAKE_NS = 150000, CTC_CLOCK_TURNS = 64, CTC_JOIN_TURNS = 500 };

typedef struct {
  int32_t state;
  int32_t index;
  void (*part)(void *context, int32_t index);
  void *context;
  struct ctc_pool_state *pool;
  pthread_t thread;
  char rest[128 - 2 * sizeof(int32_t) - 3 * sizeof(void *) - sizeof(pthread_t)];
} ctc_worker;

typedef struct ctc_pool_state {
  ctc_worker workers[CTC_POOL_MOST - 1];
  int32_t taken;        /* a run uses the workers */
  pthread_mutex_t lock; /* held by a worker from when it finds itself asleep until it waits */
  pthread_cond_t woken;
} ctc_pool_state;

typedef char ctc_pool_fits[sizeof(ctc_pool_state) + 64 <= sizeof(((ctc_pool *)0)->space) ? 1 : -1];

static void ctc_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield" ::: "memory");
#endif
}

static int64_t ctc_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int32_t ctc_worker_state(const ctc_worker *worker) {
  return __atomic_load_n(&worker->state, __ATOMIC_ACQUIRE);
}

/* Sleeps, unless the caller has changed the state meanwhile. */
static void ctc_worker_sleep(ctc_worker *worker) {
  int32_t idle = CTC_IDLE;
  if (!__atomic_compare_exchange_n(&worker->state, &idle, CTC_ASLEEP, 0, __ATOMIC_ACQ_REL,
                                   __ATOMIC_ACQUIRE))
    return;
  pthread_mutex_lock(&worker->pool->lock);
  while (ctc_worker_state(worker) == CTC_ASLEEP)
    pthread_cond_wait(&worker->pool->woken, &worker->pool->lock);
  pthread_mutex_unlock(&worker->pool->lock);
}

/* Sets WORKING or ENDING, what the worker waits for. */
static void ctc_worker_tell(ctc_worker *worker, int32_t state) {
  if (__atomic_exchange_n(&worker->state, state, __ATOMIC_ACQ_REL) != CTC_ASLEEP) return;
  pthread_mutex_lock(&worker->pool->lock);
  pthread_cond_broadcast(&worker->pool->woken);
  pthread_mutex_unlock(&worker->pool->lock);
}

static int32_t ctc_worker_wait(ctc_worker *worker) {
  int64_t start = 0;
  for (;;) {
    int32_t state = ctc_worker_state(worker);
    for (int i = 0; state == CTC_IDLE && i < CTC_CLOCK_TURNS; i++) {
      ctc_pause();
      state = ctc_worker_state(worker);
    }
    if (state != CTC_IDLE) return state;
    const int64_t now = ctc_nanoseconds();
    if (start == 0) start = now;
    if (now - start > CTC_AWAKE_NS)
      ctc_worker_sleep(worker);
    else if (now - start > CTC_SPIN_NS)
      sched_yield();
  }
}

static void ctc_worker_join(const ctc_worker *worker) {
  for (int turns = 0; ctc_worker_state(worker) == CTC_WORKING; turns++) {
    if (turns < CTC_JOIN_TURNS) {
      ctc_pause();
    } else {
      turns = CTC_JOIN_TURNS;
      sched_yield();
    }
  }
}

static void *ctc_worker_main(void *argument) {
  ctc_worker *worker = (ctc_worker *)argument;
  while (ctc_worker_wait(worker) == CTC_WORKING) {
    worker->part(worker->context, worker->index);
    __atomic_store_n(&worker->state, CTC_IDLE, __ATOMIC_RELEASE);
  }
  return NULL;
}

static ctc_pool_state *ctc_pool_state_of(ctc_threads *threads) {
  char *space = (char *)((ctc_pool *)(void *)threads)->space;
  return (ctc_pool_state *)(void *)(space + (64 - (uintptr_t)space % 64) % 64);
}

/* Part 0 is the caller's, and so are those beyond the workers; all of them while another thread
 * uses the workers. */
static void ctc_pool_run(ctc_threads *self, int32_t parts,
                         void (*part)(void *context, int32_t index), void *context) {
  ctc_pool_state *pool = ctc_pool_state_of(self);
  const int32_t taken = __atomic_exchange_n(&pool->taken, 1, __ATOMIC_ACQUIRE);
  const int32_t wanted = parts < self->count ? parts : self->count;
  const int32_t workers = taken ? 0 : wanted - 1;
  for (int32_t i = 0; i < workers; i++) {
    ctc_worker *worker = &pool->workers[i];
    worker->part = part;
    worker->context = context;
    ctc_worker_tell(worker, CTC_WORKING);
  }
  if (parts > 0) part(context, 0);
  for (int32_t i = workers + 1; i < parts; i++) part(context, i);
  for (int32_t i = 0; i < workers; i++) ctc_worker_join(&pool->workers[i]);
  if (!taken) __atomic_store_n(&pool->taken, 0, __ATOMIC_RELEASE);
}

int32_t $model_pool_start(ctc_pool *pool, int32_t threads) {
  ctc_pool_state *state = ctc_pool_state_of(&pool->threads);
  int32_t count = 1;
  memset(pool, 0, sizeof *pool);
  pthread_mutex_init(&state->lock, NULL);
  pthread_cond_init(&state->woken, NULL);
  for (; count < threads && count < CTC_POOL_MOST; count++) {
    ctc_worker *worker = &state->workers[count - 1];
    worker->index = count;
    worker->pool = state;
    if (pthread_create(&worker->thread, NULL, ctc_worker_main, worker) != 0) break;
  }
  pool->threads.count = count;
  pool->threads.run = ctc_pool_run;
  return count;
}

void $model_pool_stop(ctc_pool *pool) {
  ctc_pool_state *state = ctc_pool_state_of(&pool->threads);
  const int32_t workers = pool->threads.count - 1;
  for (int32_t i = 0; i < workers; i++) ctc_worker_tell(&state->workers[i], CTC_ENDING);
  for (int32_t i = 0; i < workers; i++) pthread_join(state->workers[i].thread, NULL);
  pthread_cond_destroy(&state->woken);
  pthread_mutex_destroy(&state->lock);
  pool->threads.count = 1;
}
#endif
