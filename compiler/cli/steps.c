/* steps.c: steps as people know them, and the list of them. */
#include "cli/steps.h"

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
} Listing;

static void print_step(Listing *l, const Step *step, int depth) {
  Arena *arena = l->cli->arena;
  StepCost cost = step_cost(l->pool, step);
  if (cost.flops) l->flops = dim_add(l->pool, l->flops, cost.flops);
  l->bytes = dim_add(l->pool, l->bytes, cost.bytes);
  printf("%5d %9s %9s  %*s%-24s %s", step->number, amount_text(arena, cost.flops),
         amount_text(arena, cost.bytes), 2 * depth, "", step_kernel_name(step),
         step_nodes(arena, step));
  printf(step->why ? "; %s\n" : "\n", step->why);
}

static void print_block(Listing *l, const Block *block, int depth) {
  for (size_t i = 0; i < block->steps.count; i++) {
    const Step *step = block->steps.items[i];
    if (step->kind == STEP_KERNEL || step->kind == STEP_NEST) print_step(l, step, depth);
    if (step->kind == STEP_IF) printf("%5d %9s %9s  %*sif\n", step->number, "", "", 2 * depth, "");
    if (step->kind == STEP_LOOP)
      printf("%5d %9s %9s  %*sloop\n", step->number, "", "", 2 * depth, "");
    if (step->then_block) print_block(l, step->then_block, depth + 1);
    if (step->else_block) print_block(l, step->else_block, depth + 1);
    if (step->body) print_block(l, step->body, depth + 1);
  }
}

void steps_print(Cli *cli, const Program *program) {
  DimPool *pool = program->compilation->dims;
  Listing l = {cli, pool, dim_const(pool, 0), dim_const(pool, 0)};
  program_number_steps(program);
  printf("%5s %9s %9s  %-24s %s\n", "step", "flops", "bytes", "kernel", "nodes; why");
  print_block(&l, program->body, 0);
  printf("%5s %9s %9s  each step once\n", "sum", amount_text(cli->arena, l.flops),
         amount_text(cli->arena, l.bytes));
}
