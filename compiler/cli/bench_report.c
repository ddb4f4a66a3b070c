/* bench_report.c: what `ctc bench` prints. */
#include "cli/bench.h"
#include "cli/steps.h"

#include <jansson.h>
#include <stdlib.h>

/* --- rates --- */

/* Bytes a second from the level of memory into which that many fit. */
static double bandwidth_for(const Processor *processor, double bytes) {
  static const double fits[MACHINE_LEVELS] = {48e3, 1e6, 24e6, 1e300};
  int level = 0;
  while (bytes > fits[level]) level++;
  return processor->bandwidth[level];
}

double bench_share(const Processor *processor, double ns, double flops, double bytes) {
  if (ns <= 0 || processor->peak <= 0) return 0;
  double by_flops = flops > 0 ? flops / ns / processor->peak : 0;
  double by_bytes = bytes > 0 ? bytes / ns / bandwidth_for(processor, bytes) : 0;
  return by_flops > by_bytes ? by_flops : by_bytes;
}

/* A rate in 10^9 a second; "-" where nothing is known. */
static const char *rate(Arena *arena, double amount, double ns) {
  return amount > 0 && ns > 0 ? arena_printf(arena, "%.1f", amount / ns) : "-";
}

static const char *percent(Arena *arena, double share) {
  return share > 0 ? arena_printf(arena, "%.0f", 100 * share) : "-";
}

/* --- tables --- */

static void print_line(const BenchResult *r, double sum, const StepTime *s) {
  Arena *arena = r->cli->arena;
  double flop_share =
      s->flops > 0 && s->ns > 0 && r->processor.peak > 0 ? s->flops / s->ns / r->processor.peak : 0;
  printf("%10.2f %6.1f %9s %6s %8s %6s", s->ns / 1e3, 100 * s->ns / sum,
         rate(arena, s->flops, s->ns), percent(arena, flop_share), rate(arena, s->bytes, s->ns),
         percent(arena, bench_share(&r->processor, s->ns, s->flops, s->bytes)));
}

static void print_head(const char *last) {
  printf("\n%10s %6s %9s %6s %8s %6s  %s\n", "us", "time %", "GFLOP/s", "peak %", "GB/s", "roof %",
         last);
}

static int slower_first(const void *a, const void *b) {
  double x = ((const StepTime *)a)->ns, y = ((const StepTime *)b)->ns;
  return (x < y) - (x > y);
}

/* The steps that call the same kernel, as one. */
static int by_kernel(const BenchResult *r, StepTime *sums, int *members) {
  int count = 0;
  for (int i = 0; i < r->step_count; i++) {
    const StepTime *s = &r->steps[i];
    int k = 0;
    while (k < count &&
           (sums[k].step->kind != s->step->kind || sums[k].step->kernel != s->step->kernel))
      k++;
    if (k == count) sums[count++] = (StepTime){.step = s->step};
    sums[k].ns += s->ns;
    sums[k].flops += s->flops > 0 ? s->flops : 0;
    sums[k].bytes += s->bytes > 0 ? s->bytes : 0;
    sums[k].calls += s->calls;
    members[k]++;
  }
  return count;
}

static void print_kernels(const BenchResult *r, double sum) {
  StepTime *sums = ARENA_ARRAY(r->cli->arena, StepTime, r->step_count + 1);
  int *members = ARENA_ARRAY(r->cli->arena, int, r->step_count + 1);
  int count = by_kernel(r, sums, members);
  /* Sorted together with their numbers of steps, which `calls` then holds. */
  for (int k = 0; k < count; k++) sums[k].calls = members[k];
  qsort(sums, (size_t)count, sizeof *sums, slower_first);
  print_head("steps  kernel");
  for (int k = 0; k < count; k++) {
    print_line(r, sum, &sums[k]);
    printf("  %5d  %s\n", (int)sums[k].calls, step_kernel_name(sums[k].step));
  }
}

static void print_summary(const BenchResult *r, double sum, double flops) {
  const Processor *p = &r->processor;
  printf("%s: %.4g ms a run (quartiles %.4g to %.4g, %d runs), %.4g GFLOP", r->cli->options.model,
         r->ns / 1e6, r->low / 1e6, r->high / 1e6, (int)r->runs, flops / 1e9);
  if (r->ns > 0) printf(", %.1f GFLOP/s", flops / r->ns);
  if (p->peak > 0) printf(", %.0f %% of the peak", 100 * flops / r->ns / p->peak);
  printf("\n%d steps take %.4g ms together\n", r->step_count, sum / 1e6);
  if (p->peak > 0)
    printf("the processor: %.0f GFLOP/s with %.0f lanes; reads %.0f, %.0f, %.0f, %.0f GB/s from 32 "
           "K, 512 K, 8 M, 256 M\n",
           p->peak, p->lanes, p->bandwidth[0], p->bandwidth[1], p->bandwidth[2], p->bandwidth[3]);
}

void bench_print(const BenchResult *r, int rows) {
  double sum = 1e-9, flops = 0;
  for (int i = 0; i < r->step_count; i++) {
    sum += r->steps[i].ns;
    flops += r->steps[i].flops > 0 ? r->steps[i].flops : 0;
  }
  print_summary(r, sum, flops);
  qsort(r->steps, (size_t)r->step_count, sizeof *r->steps, slower_first);
  print_head(" step  kernel, nodes");
  for (int i = 0; i < r->step_count && (rows <= 0 || i < rows); i++) {
    const StepTime *s = &r->steps[i];
    print_line(r, sum, s);
    printf("  %5d  %s: %s", s->step->number, step_kernel_name(s->step),
           step_nodes(r->cli->arena, s->step));
    if (s->calls > 1) printf(" (%d times)", (int)s->calls);
    putchar('\n');
  }
  if (rows > 0 && r->step_count > rows)
    printf("%10s and %d more (--rows 0 shows all)\n", "", r->step_count - rows);
  print_kernels(r, sum);
}

void bench_print_json(const BenchResult *r) {
  json_t *steps = json_array();
  for (int i = 0; i < r->step_count; i++) {
    const StepTime *s = &r->steps[i];
    json_t *entry =
        json_pack("{s:i, s:s, s:s, s:f, s:I, s:f, s:f, s:f}", "step", s->step->number, "kernel",
                  step_kernel_name(s->step), "nodes", step_nodes(r->cli->arena, s->step), "ns",
                  s->ns, "calls", (json_int_t)s->calls, "flops", s->flops, "bytes", s->bytes,
                  "roof", bench_share(&r->processor, s->ns, s->flops, s->bytes));
    json_array_append_new(steps, entry);
  }
  json_t *bandwidth = json_array();
  for (int i = 0; i < MACHINE_LEVELS; i++)
    json_array_append_new(bandwidth, json_real(r->processor.bandwidth[i]));
  json_t *all = json_pack("{s:s, s:f, s:f, s:f, s:I, s:f, s:f, s:o, s:o}", "name",
                          r->cli->options.model, "ns", r->ns, "low", r->low, "high", r->high,
                          "runs", (json_int_t)r->runs, "lanes", r->processor.lanes, "peak",
                          r->processor.peak, "bandwidth", bandwidth, "steps", steps);
  json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
  putchar('\n');
  json_decref(all);
}
