/* steps.c: steps as people know them, and the list of them. */
#include "cli/steps.h"

#include "backends/cuda/emit_cuda.h"
#include "ir/target.h"
#include "passes/cost.h"

#include <string.h>

const char *step_kernel_name(const Step *step) {
  return step->kind == STEP_KERNEL ? kernel_short_name(step->kernel) : "loop nest";
}

static void add_node(Str *out, const Node *node) {
  str_addf(out, out->length ? " + %s" : "%s", node->op_type);
}

const char *step_nodes(Arena *arena, const Step *step) {
  Str out = str_in(arena);
  for (size_t i = 0; i < step->fused.count; i++) add_node(&out, step->fused.items[i]);
  if (step->node) add_node(&out, step->node);
  if (step->node && step->node->name[0]) str_addf(&out, " '%s'", step->node->name);
  return str_text(&out);
}

/* --- the list --- */

/* As large numbers are read: in thousands and millions; expressions as they are. */
static const char *amount_text(Arena *arena, Dim amount) {
  if (!amount) return "?";
  if (!dim_is_const(amount)) {
    Str text = str_in(arena);
    dim_print(&text, amount);
    return str_text(&text);
  }
  double value = (double)dim_value(amount);
  if (value < 1e4) return arena_printf(arena, "%.0f", value);
  return value < 1e7 ? arena_printf(arena, "%.1fK", value / 1e3)
                     : arena_printf(arena, "%.1fM", value / 1e6);
}

typedef struct {
  Cli *cli;
  DimPool *pool;
  Dim flops, bytes; /* sums */
  bool device;      /* for a GPU: there is a column that says where a step runs */
} Listing;

/* The columns before the kernel. */
static void print_start(const Listing *l, const char *number, const char *flops, const char *bytes,
                        const char *place) {
  printf("%5s %9s %9s  ", number, flops, bytes);
  if (l->device) printf("%-6s  ", place);
}

static void print_step(Listing *l, const Step *step, int depth) {
  Arena *arena = l->cli->arena;
  StepCost cost = step_cost(l->pool, step);
  if (cost.flops) l->flops = dim_add(l->pool, l->flops, cost.flops);
  l->bytes = dim_add(l->pool, l->bytes, cost.bytes);
  print_start(l, arena_printf(arena, "%d", step->number), amount_text(arena, cost.flops),
              amount_text(arena, cost.bytes), cuda_place_names[cuda_place(step)]);
  printf("%*s%-24s %s", 2 * depth, "", step_kernel_name(step), step_nodes(arena, step));
  printf(step->why ? "; %s\n" : "\n", step->why);
}

/* An if or a loop, which the host decides on. */
static void print_control(const Listing *l, const Step *step, const char *what, int depth) {
  print_start(l, arena_printf(l->cli->arena, "%d", step->number), "", "",
              cuda_place_names[PLACE_HOST]);
  printf("%*s%s\n", 2 * depth, "", what);
}

static void print_block(Listing *l, const Block *block, int depth) {
  for (size_t i = 0; i < block->steps.count; i++) {
    const Step *step = block->steps.items[i];
    if (step->kind == STEP_KERNEL || step->kind == STEP_NEST) print_step(l, step, depth);
    if (step->kind == STEP_IF) print_control(l, step, "if", depth);
    if (step->kind == STEP_LOOP) print_control(l, step, "loop", depth);
    if (step->then_block) print_block(l, step->then_block, depth + 1);
    if (step->else_block) print_block(l, step->else_block, depth + 1);
    if (step->body) print_block(l, step->body, depth + 1);
  }
}

void steps_print(Cli *cli, const Program *program) {
  DimPool *pool = program->compilation->dims;
  Listing l = {cli, pool, dim_const(pool, 0), dim_const(pool, 0),
               target_of(program->compilation)->device};
  program_number_steps(program);
  print_start(&l, "step", "flops", "bytes", "runs");
  printf("%-24s %s\n", "kernel", "nodes; why");
  print_block(&l, program->body, 0);
  print_start(&l, "sum", amount_text(cli->arena, l.flops), amount_text(cli->arena, l.bytes), "");
  printf("each step once\n");
}
