/* cost.c: flops and bytes of a step, from its arguments. */
#include "passes/cost.h"

#include <string.h>

/* flops = factor * sum. In `sum`, names of the kernel's parameters: those beside each other are
 * multiplied, '+' stands between products. An array of integers counts as the product of its
 * elements, `units` are the step's units of work. "node": what the step's node costs by its shapes,
 * for kernels whose sizes are those of a layout. */
const KernelCost kernel_costs[] = {
    {"attention", 2, "batch heads rows keys size + batch heads rows keys v_size"},
    {"average_pool", 1, "planes out kernel"},
    {"average_pool16", 16, "units out_w kernel_h kernel_w"},
    {"product", 2, "m n k"},
    {"conv", 2, "n groups ic oc out kernel"},
    {"conv16", 2, "node"},
    {"conv_columns", 2, "n groups ic oc out kernel"},
    {"conv_integer", 2, "n groups ic oc out kernel"},
    {"conv_planes", 2, "node"},
    {"conv_stem", 2, "node"},
    {"conv_transpose", 2, "n groups ic oc in kernel"},
    {"conv_transpose16", 2, "node"},
    {"conv_transpose_rows", 2, "n groups ic oc in kernel"},
    {"conv_transpose_thin", 2, "node"},
    {"depthwise16", 2, "node"},
    {"gemm", 2, "m n k"},
    {"gemm_packed", 2, "m n k"},
    {"gemm_stack", 2, "node"},
    {"gemm_unpacked", 2, "node"},
    {"gemv_dots", 2, "n k"},
    {"gemv_packed", 2, "m n k"},
    {"global_average_pool", 1, "planes n"},
    {"global_max_pool", 1, "planes n"},
    {"global_pool16", 16, "units h w"},
    {"gru", 6, "steps batch hidden hidden"},
    {"gru_reset", 128, "units batch hidden"},
    {"gru_step", 64, "units batch hidden gates"},
    {"halo16", 0, "units"},
    {"int8_conv", 2, "node"},
    {"int8_depthwise", 2, "node"},
    {"linear_attention", 96, "units length size"},
    {"lstm", 8, "steps batch hidden hidden"},
    {"lstm_step", 256, "units batch hidden"},
    {"matmul", 2, "m n k"},
    {"matmul_batch", 2, "batch m n k"},
    {"max_pool", 1, "planes out kernel"},
    {"max_pool16", 16, "units out_w kernel_h kernel_w"},
    {"max_pool_indices", 1, "planes out kernel"},
    {"pad_planes", 0, "units"},
    {"qlinear_conv", 2, "n groups ic oc out kernel"},
    {"rnn", 2, "steps batch hidden hidden"},
    {"rnn_step", 64, "units batch hidden"},
    {"winograd16", 2, "node"},
};
const int kernel_cost_count = sizeof kernel_costs / sizeof *kernel_costs;

/* Bytes, in the same form, of kernels that touch a small part of their tensors. */
static const KernelCost kernel_bytes_moved[] = {
    {"gru_reset", 256, "units hidden"},
    {"gru_step", 128, "units hidden gates"},
    {"halo16", 128, "units rows w + units rows columns + units rows columns + units h columns"},
    {"lstm_step", 512, "units hidden"},
    {"rnn_step", 128, "units hidden"},
};

/* --- kernels --- */

/* Whether it is called ctc_STEM followed by nothing but dtypes: "ctc_conv_f32". */
static bool has_stem(const Kernel *kernel, const char *stem) {
  size_t length = strlen(stem);
  const char *at = kernel_short_name(kernel);
  if (strncmp(at, stem, length) != 0) return false;
  for (at += length; *at == '_';) {
    size_t word = strcspn(at + 1, "_");
    bool is_dtype = false;
    for (int t = 1; t < DT_COUNT; t++) {
      const char *known = dtype_info((DType)t)->short_name;
      is_dtype = is_dtype || (strlen(known) == word && strncmp(known, at + 1, word) == 0);
    }
    if (!is_dtype) return false;
    at += 1 + word;
  }
  return *at == '\0';
}

static const KernelCost *find_cost(const KernelCost *rows, size_t count, const Kernel *kernel) {
  for (size_t i = 0; i < count; i++)
    if (kernel->call && has_stem(kernel, rows[i].stem)) return &rows[i];
  return NULL;
}

/* Products of which the elements of some tensor each take one: which tensor, and how many it takes.
 */
typedef enum { BY_WINDOW, BY_SCATTERED_WINDOW, BY_LAST_DIM } NodeRule;
static const struct {
  const char *op_type;
  NodeRule rule;
  int weights; /* which input they are */
} node_costs[] = {
    {"Conv", BY_WINDOW, 1},
    {"ConvInteger", BY_WINDOW, 1},
    {"ConvTranspose", BY_SCATTERED_WINDOW, 1},
    {"FusedConv", BY_WINDOW, 1},
    {"FusedMatMul", BY_LAST_DIM, 1},
    {"MatMul", BY_LAST_DIM, 1},
    {"MatMulInteger", BY_LAST_DIM, 1},
    {"QLinearConv", BY_WINDOW, 3},
    {"QLinearMatMul", BY_LAST_DIM, 3},
};

static Dim elements(DimPool *pool, const Value *value, int from) {
  return dim_product(pool, value->shape + from, (size_t)(value->rank - from));
}

/* Multiply-adds of a node by its rule. */
static Dim node_products(DimPool *pool, const Node *node) {
  for (size_t i = 0; node && i < sizeof node_costs / sizeof *node_costs; i++) {
    if (strcmp(node_costs[i].op_type, node->op_type) != 0) continue;
    const Value *x = node->inputs[0], *w = node->inputs[node_costs[i].weights],
                *y = node->outputs[0];
    switch (node_costs[i].rule) {
    case BY_WINDOW: return dim_mul(pool, elements(pool, y, 0), elements(pool, w, 1));
    case BY_SCATTERED_WINDOW: return dim_mul(pool, elements(pool, x, 0), elements(pool, w, 1));
    case BY_LAST_DIM: return dim_mul(pool, elements(pool, y, 0), elements(pool, x, x->rank - 1));
    }
  }
  return NULL;
}

/* Of the node among those of the step that has a rule. */
static Dim step_products(DimPool *pool, const Step *step) {
  Dim products = node_products(pool, step->node);
  for (size_t i = 0; i < step->fused.count && !products; i++)
    products = node_products(pool, step->fused.items[i]);
  return products;
}

/* The argument of that name as a number; NULL if the kernel has none. */
static Dim argument(DimPool *pool, const Step *step, const char *name, size_t length) {
  if (strncmp(name, "units", length) == 0) return step->units;
  for (size_t i = 0; i < step->args.count; i++) {
    const KernelParam *param = &step->kernel->params[i];
    const Arg *arg = &step->args.items[i];
    if (strlen(param->name) != length || strncmp(param->name, name, length) != 0) continue;
    return arg->kind == PARAM_DIMS ? dim_product(pool, arg->dims, (size_t)arg->dim_count)
                                   : arg->dim;
  }
  return NULL;
}

static Dim evaluate(DimPool *pool, const Step *step, const KernelCost *cost) {
  if (!cost) return NULL;
  Dim sum = dim_const(pool, 0), product = dim_const(pool, 1);
  for (const char *at = cost->sum; *at;) {
    size_t length = strcspn(at, " ");
    if (*at == '+') {
      sum = dim_add(pool, sum, product);
      product = dim_const(pool, 1);
    } else {
      bool by_node = strcmp(cost->sum, "node") == 0;
      Dim factor = by_node ? step_products(pool, step) : argument(pool, step, at, length);
      if (!factor) return NULL;
      product = dim_mul(pool, product, factor);
    }
    at += length + (at[length] == ' ');
  }
  return dim_muli(pool, dim_add(pool, sum, product), cost->factor);
}

static Dim kernel_flops(DimPool *pool, const Step *step) {
  if (step->flops) return step->flops;
  return evaluate(pool, step, find_cost(kernel_costs, (size_t)kernel_cost_count, step->kernel));
}

static Dim buffer_bytes(DimPool *pool, const Buffer *buffer) {
  return dim_muli(pool, buffer->count, (int64_t)dtype_info(buffer->dtype)->bytes);
}

static Dim kernel_bytes(DimPool *pool, const Step *step) {
  size_t rows = sizeof kernel_bytes_moved / sizeof *kernel_bytes_moved;
  Dim moved = evaluate(pool, step, find_cost(kernel_bytes_moved, rows, step->kernel));
  if (moved) return moved;
  Dim sum = dim_const(pool, 0);
  for (size_t i = 0; i < step->args.count; i++) {
    const Arg *arg = &step->args.items[i];
    bool tensor = (arg->kind == PARAM_IN || arg->kind == PARAM_OUT) && arg->buffer;
    for (size_t k = 0; tensor && k < i; k++)
      if (step->args.items[k].buffer == arg->buffer) tensor = false;
    if (tensor) sum = dim_add(pool, sum, buffer_bytes(pool, arg->buffer));
  }
  return sum;
}

/* --- loop nests --- */

static Dim nest_flops(DimPool *pool, const LoopNest *nest) {
  Dim trips = dim_product(pool, nest->extent, (size_t)nest->rank);
  return dim_muli(pool, trips, (int64_t)nest->ops.count);
}

/* Elements that differ: loops over which the access does not move do not count. */
static Dim access_bytes(DimPool *pool, const LoopNest *nest, const Access *access) {
  Dim count = dim_const(pool, (int64_t)dtype_info(access->dtype)->bytes);
  for (int d = 0; d < nest->rank; d++)
    if (!dim_is(access->stride[d], 0)) count = dim_mul(pool, count, nest->extent[d]);
  return count;
}

static Dim nest_bytes(DimPool *pool, const LoopNest *nest) {
  Dim sum = dim_const(pool, 0);
  for (size_t i = 0; i < nest->loads.count; i++)
    sum = dim_add(pool, sum, access_bytes(pool, nest, &nest->loads.items[i]));
  for (size_t i = 0; i < nest->stores.count; i++)
    sum = dim_add(pool, sum, access_bytes(pool, nest, &nest->stores.items[i].access));
  return sum;
}

/* What the epilogue adds: its arithmetic, and the tensors that only it reads. */
static StepCost with_epilogue(DimPool *pool, const Step *step, StepCost cost) {
  const LoopNest *nest = step->epilogue;
  if (cost.flops) cost.flops = dim_add(pool, cost.flops, nest_flops(pool, nest));
  for (size_t i = 0; i < nest->loads.count; i++)
    if (!epilogue_loads_result(nest, &nest->loads.items[i]))
      cost.bytes = dim_add(pool, cost.bytes, access_bytes(pool, nest, &nest->loads.items[i]));
  return cost;
}

StepCost step_cost(DimPool *pool, const Step *step) {
  Dim zero = dim_const(pool, 0);
  if (step->kind == STEP_NEST)
    return (StepCost){nest_flops(pool, step->nest), nest_bytes(pool, step->nest)};
  if (step->kind != STEP_KERNEL) return (StepCost){zero, zero};
  StepCost cost = {kernel_flops(pool, step), kernel_bytes(pool, step)};
  return step->epilogue ? with_epilogue(pool, step, cost) : cost;
}
