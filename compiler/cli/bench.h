/* bench.h: what `ctc bench` measured, for those who print it. */
#ifndef CTC_CLI_BENCH_H
#define CTC_CLI_BENCH_H

#include "cli/cli.h"

/* What the processor can do (templates/machine.c); zeros if that could not be measured. */
enum { MACHINE_LEVELS = 4 };
typedef struct {
  double threads, lanes;
  double peak; /* 10^9 flops a second */
  /* 10^9 bytes a second, read from buffers of 32 K, 512 K, 8 M, 256 M */
  double bandwidth[MACHINE_LEVELS];
} Processor;

typedef struct {
  const Step *step;
  double ns;           /* a run, all calls of the step together */
  int64_t calls;       /* in a run */
  double flops, bytes; /* likewise; negative: not known */
} StepTime;

typedef struct {
  Cli *cli;
  const Program *program;
  double ns, low, high; /* a run: median and quartiles, without hooks */
  int64_t runs;
  StepTime *steps; /* kernel calls and loop nests only */
  int step_count;
  Processor processor;
} BenchResult;

/* The share of what the machine can do that the step reaches, by flops or by bytes, whichever says
 * more; 0 if not known. */
double bench_share(const Processor *processor, double ns, double flops, double bytes);
/* The slowest `rows` steps (0: all), and the sums by kernel. */
void bench_print(const BenchResult *result, int rows);
void bench_print_json(const BenchResult *result);

#endif
