/* machine.c: what the processor can do: the peak of multiply-adds and the bandwidth of reading.
 *
 * `ctc bench` compiles it with the flags of the model, as a library, and calls ctc_measure_machine. By itself:
 *
 *   cc -O2 -march=native -DCTC_MACHINE_MAIN machine.c -o machine -lpthread && ./machine [THREADS]
 *
 * Multiply-adds: independent chains of vector FMAs in registers, as many as hide the latency. Reading: sums over a
 * buffer that fits into a level of the caches, or into none. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif
typedef float vec __attribute__((vector_size(4 * LANES)));

enum { CHAINS = 12, MOST_THREADS = 64 };

/* Of this thread alone, so that what else runs does not count. */
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* --- multiply-adds --- */

#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)

/* `count` times CHAINS vector FMAs; the empty asm keeps the compiler from working any of them out. */
static double chains(int64_t count) {
  vec factor = (vec){0} + 0.999f, term = (vec){0} + 1e-3f, sum = {0};
#define DECLARE(i) vec a##i = (vec){0} + (float)(i);
#define STEP(i) a##i = a##i * factor + term;
#define KEEP(i) sum += a##i;
  EACH(DECLARE)
  for (int64_t n = 0; n < count; n++) {
    EACH(STEP)
#if defined(__x86_64__)
    __asm__ volatile("" : "+x"(a0), "+x"(a1), "+x"(a2), "+x"(a3), "+x"(a4), "+x"(a5));
    __asm__ volatile("" : "+x"(a6), "+x"(a7), "+x"(a8), "+x"(a9), "+x"(a10), "+x"(a11));
#elif defined(__aarch64__)
    __asm__ volatile("" : "+w"(a0), "+w"(a1), "+w"(a2), "+w"(a3), "+w"(a4), "+w"(a5));
    __asm__ volatile("" : "+w"(a6), "+w"(a7), "+w"(a8), "+w"(a9), "+w"(a10), "+w"(a11));
#endif
  }
  EACH(KEEP)
  float total = 0;
  for (int i = 0; i < LANES; i++) total += sum[i];
  return total;
}

/* --- reading --- */

static float read_all(const vec *data, int64_t count) {
  vec a = {0}, b = {0}, c = {0}, d = {0};
  for (int64_t i = 0; i + 8 <= count; i += 8) {
    a += data[i] + data[i + 4];
    b += data[i + 1] + data[i + 5];
    c += data[i + 2] + data[i + 6];
    d += data[i + 3] + data[i + 7];
  }
  a += b + c + d;
  float total = 0;
  for (int i = 0; i < LANES; i++) total += a[i];
  return total;
}

/* --- the best rate of several turns, over all threads --- */

typedef struct {
  int core;
  int64_t bytes; /* 0: multiply-adds */
  pthread_barrier_t *barrier;
  double seconds, rate, result;
} Job;

static void *run(void *argument) {
  Job *job = argument;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)job->core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  vec *data = NULL;
  int64_t amount = job->bytes ? 1 + (int64_t)(64 << 20) / job->bytes : 1 << 20;
  if (job->bytes && posix_memalign((void **)&data, 4096, (size_t)job->bytes) == 0)
    memset(data, 0, (size_t)job->bytes);
  if (job->bytes && !data) return NULL;
  pthread_barrier_wait(job->barrier);
  for (double end = now() + job->seconds; now() < end;) {
    double start = now(), work;
    if (job->bytes) {
      for (int64_t i = 0; i < amount; i++) job->result += (double)read_all(data, job->bytes / (int64_t)sizeof(vec));
      work = (double)amount * (double)job->bytes;
    } else {
      job->result += chains(amount);
      work = (double)amount * CHAINS * LANES * 2;
    }
    double rate = work / (now() - start) * 1e-9;
    if (rate > job->rate) job->rate = rate;
  }
  free(data);
  return NULL;
}

/* Sum of the threads' best rates, in 10^9 a second. */
static double measure(const int *cores, int threads, int64_t bytes, double seconds) {
  pthread_t thread[MOST_THREADS];
  pthread_barrier_t barrier;
  Job jobs[MOST_THREADS];
  double total = 0;
  pthread_barrier_init(&barrier, NULL, (unsigned)threads);
  for (int i = 0; i < threads; i++) {
    jobs[i] = (Job){.core = cores[i], .bytes = bytes, .barrier = &barrier, .seconds = seconds};
    pthread_create(&thread[i], NULL, run, &jobs[i]);
  }
  for (int i = 0; i < threads; i++) {
    pthread_join(thread[i], NULL);
    total += jobs[i].rate;
  }
  pthread_barrier_destroy(&barrier);
  return total;
}

/* Bytes that are read again and again: what fits into the caches of most processors, and what fits into none. */
enum { LEVELS = 4 };
static const int64_t level_bytes[LEVELS] = {32 << 10, 512 << 10, 8 << 20, 256 << 20};

void ctc_measure_machine(int32_t threads, double seconds, double *figures);

/* figures[0]: the threads that were used, figures[1]: lanes of a vector, figures[2]: 10^9 floating-point operations a
 * second, figures[3…6]: 10^9 bytes a second from buffers of 32 K, 512 K, 8 M and 256 M. Each takes `seconds`. */
void ctc_measure_machine(int32_t threads, double seconds, double *figures) {
  int cores[MOST_THREADS], found = 0;
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  for (int core = CPU_SETSIZE - 1; core >= 0 && found < threads && found < MOST_THREADS; core--)
    if (CPU_ISSET((size_t)core, &allowed)) cores[found++] = core;
  figures[0] = found;
  figures[1] = LANES;
  figures[2] = measure(cores, found, 0, seconds);
  for (int i = 0; i < LEVELS; i++) figures[3 + i] = measure(cores, found, level_bytes[i], seconds);
}

#ifdef CTC_MACHINE_MAIN
int main(int count, char **arguments) {
  double f[3 + LEVELS];
  ctc_measure_machine(count > 1 ? atoi(arguments[1]) : 1, 0.25, f);
  printf("{\"threads\": %.0f, \"lanes\": %.0f, \"fma\": %.1f, \"read_32k\": %.1f, \"read_512k\": %.1f, \"read_8m\": %.1f, "
         "\"read_256m\": %.1f}\n",
         f[0], f[1], f[2], f[3], f[4], f[5], f[6]);
  return 0;
}
#endif
