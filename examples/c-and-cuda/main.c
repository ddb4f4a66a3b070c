/* main.c: one model as C for the processor and as CUDA for a GPU: gives both the same input,
 * compares what they say, and times them.
 *
 *   c-and-cuda FILE…
 *
 * The model (Magika, compiled to cpu.c and gpu.cu) sees the first and the last 1024 bytes of a file
 * and gives a score to each of some two hundred types of files. */
#define _POSIX_C_SOURCE 199309L

#include "cpu.h"
#include "gpu.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { INPUTS = CPU_IN_BYTES_ELEMENTS, TYPES = CPU_OUT_TARGET_LABEL_ELEMENTS };
enum { HALF = INPUTS / 2, PADDING = 256 };

/* Scores are probabilities; two programs add in different orders. With products of f16 or tf32 on
 * the GPU (--precision) it is 1e-2. */
#ifndef TOLERANCE
#define TOLERANCE 1e-4
#endif

static int32_t input[INPUTS];
static float cpu_scores[TYPES], gpu_scores[TYPES];

/* The begin of a file, padded behind, then its end, padded in front; 0: it cannot be read. */
static int read_input(const char *path) {
  unsigned char begin[HALF], end[HALF];
  FILE *file = fopen(path, "rb");
  if (!file) return 0;
  const size_t begins = fread(begin, 1, HALF, file);
  size_t ends = begins;
  memcpy(end, begin, begins);
  if (begins == HALF && !fseek(file, -(long)HALF, SEEK_END)) ends = fread(end, 1, HALF, file);
  const int good = !ferror(file);
  fclose(file);
  for (size_t i = 0; i < INPUTS; i++) input[i] = PADDING;
  for (size_t i = 0; i < begins; i++) input[i] = begin[i];
  for (size_t i = 0; i < ends; i++) input[INPUTS - ends + i] = end[i];
  return good;
}

/* --- the two programs --- */

/* The C program works in memory that it is given. */
static int run_cpu(void *unused) {
  static union {
    char bytes[CPU_WORKSPACE_BYTES + CPU_ALIGNMENT];
    double align;
  } memory;
  char *workspace = memory.bytes;
  (void)unused;
  while ((size_t)workspace % CPU_ALIGNMENT) workspace++;
  return cpu_run(input, cpu_scores, workspace, CPU_WORKSPACE_BYTES);
}

/* The CUDA program has its own, on the GPU. Input and output may be there, too; these are copied.
 * The first run records its steps as a graph, and further ones launch that. */
static int run_gpu(void *model) {
  return gpu_cuda_run((gpu_cuda *)model, input, gpu_scores, NULL);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Runs for half a second, at least once after the first time; the time of the fastest run, or
 * -1. */
static double fastest(int (*run)(void *model), void *model) {
  double least = 1e9;
  if (run(model) != 0) return -1;
  for (const double end = seconds() + 0.5; least == 1e9 || seconds() < end;) {
    const double start = seconds();
    if (run(model) != 0) return -1;
    const double time = seconds() - start;
    if (time < least) least = time;
  }
  return least;
}

/* --- what they say --- */

static int best_of(const float *scores) {
  int best = 0;
  for (int i = 1; i < TYPES; i++)
    if (scores[i] > scores[best]) best = i;
  return best;
}

static void print_line(const char *name, const float *scores, double time) {
  const int best = best_of(scores);
  printf("  %-4s type %3d, %5.1f %%  %9.3f ms\n", name, best, 100 * (double)scores[best],
         1e3 * time);
}

/* 0 if the largest difference is small enough. */
static int print_difference(void) {
  double largest = 0;
  for (int i = 0; i < TYPES; i++) {
    const double difference = fabs((double)cpu_scores[i] - (double)gpu_scores[i]);
    if (!(difference <= largest)) largest = difference; /* NaN, too */
  }
  printf("  largest difference of a score: %.1e\n", largest);
  if (largest <= TOLERANCE) return 0;
  return fputs("c-and-cuda: C and CUDA disagree\n", stderr), 1;
}

/* Does a file on both, or on the processor alone if there is no GPU (NULL); 1 if that failed. */
static int do_file(const char *path, gpu_cuda *gpu) {
  if (!read_input(path)) return fprintf(stderr, "c-and-cuda: %s cannot be read\n", path), 1;
  printf("%s\n", path);
  const double cpu_time = fastest(run_cpu, NULL);
  if (cpu_time < 0) return fputs("c-and-cuda: the C program failed\n", stderr), 1;
  print_line("C", cpu_scores, cpu_time);
  if (!gpu) return 0;
  const double gpu_time = fastest(run_gpu, gpu);
  if (gpu_time < 0) return fprintf(stderr, "c-and-cuda: %s\n", gpu_cuda_message(gpu)), 1;
  print_line("CUDA", gpu_scores, gpu_time);
  return print_difference();
}

int main(int argc, char **argv) {
  if (argc < 2) return fputs("usage: c-and-cuda FILE...\n", stderr), 2;
  gpu_cuda *gpu = NULL;
  const double start = seconds();
  int status = gpu_cuda_init(&gpu, NULL);
  if (status == GPU_OK)
    printf("the GPU is ready after %.2f s\n", seconds() - start);
  else
    printf("no run on a GPU: %s\n", gpu_cuda_message(gpu));
  /* A machine without a GPU is nothing wrong; the C program does the work there. */
  int failed = status != GPU_OK && status != GPU_NO_DRIVER && status != GPU_NO_DEVICE;
  for (int i = 1; i < argc; i++) failed |= do_file(argv[i], status == GPU_OK ? gpu : NULL);
  gpu_cuda_free(gpu);
  return failed;
}
