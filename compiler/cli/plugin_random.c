/* plugin_random.c: calls of a plugin's functions with random sizes, attributes and data that the
 * descriptor allows.
 *
 * Sizes start from small numbers, or from those of a case with some of them changed, so that
 * plugins whose checks only few sizes satisfy are tried too. */
#include "cli/plugin_calls.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { MOST_ELEMENTS = 20000, MOST_TRIES = 60, TENSOR_RANK = 4 };

/* --- attributes --- */

static int64_t random_integer(Checked *k, const PluginAttr *attr) {
  double low = fmax(attr->minimum, -3), high = fmin(attr->maximum, fmax(low, 0) + 6);
  if (attr->is_bool) return random_int(k, 0, 1);
  if (low > high) low = high;
  return random_int(k, (int64_t)ceil(low), (int64_t)floor(high));
}

static double random_real(Checked *k, const PluginAttr *attr) {
  double low = fmax(attr->minimum, -2), high = fmin(attr->maximum, fmax(low, 0) + 4);
  return low > high ? high : low + random_unit(k) * (high - low);
}

/* One of the values that there are, or a number in the range. */
static double random_number(Checked *k, const PluginAttr *attr) {
  bool whole = attr->kind == ATTR_INT || attr->kind == ATTR_INTS;
  if (attr->choices && !attr->is_bool)
    return attr->choices->items[random_int(k, 0, (int64_t)attr->choices->count - 1)]->number;
  return whole ? (double)random_integer(k, attr) : random_real(k, attr);
}

static Attr random_list(Checked *k, const PluginAttr *attr) {
  size_t count =
      attr->required || random_unit(k) < 0.3 ? (size_t)random_int(k, 0, 4) : attr->missing.count;
  int64_t *ints = ARENA_ARRAY(k->arena, int64_t, count + 1);
  float *floats = ARENA_ARRAY(k->arena, float, count + 1);
  for (size_t i = 0; i < count; i++) {
    double number = random_number(k, attr);
    ints[i] = (int64_t)number;
    floats[i] = (float)number;
  }
  return (Attr){
      .name = attr->name, .kind = attr->kind, .count = count, .ints = ints, .floats = floats};
}

static Attr random_attr(Checked *k, const PluginAttr *attr) {
  if (attr->kind == ATTR_STRING) {
    int64_t choice = random_int(k, 0, (int64_t)attr->choices->count - 1);
    return attr_text(attr->name, attr->choices->items[choice]->string);
  }
  if (attr->kind == ATTR_INT) return attr_int(attr->name, (int64_t)random_number(k, attr));
  if (attr->kind == ATTR_FLOAT) return attr_float(attr->name, random_number(k, attr));
  return random_list(k, attr);
}

/* Each attribute is random, as in the case (if there is one), or left out. */
static int random_attrs(Checked *k, const PluginCase *from, Attr *attrs) {
  int count = 0;
  for (size_t i = 0; i < k->plugin->attrs.count; i++) {
    const PluginAttr *attr = &k->plugin->attrs.items[i];
    const Attr *given = NULL;
    for (int a = 0; from && a < from->attr_count; a++)
      if (strcmp(from->attrs[a].name, attr->name) == 0) given = &from->attrs[a];
    if (given && random_unit(k) < 0.7)
      attrs[count++] = *given;
    else if (attr->required || random_unit(k) < 0.6)
      attrs[count++] = random_attr(k, attr);
  }
  return count;
}

/* --- sizes --- */

static int64_t random_size(Checked *k) {
  static const int64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 1, 2, 3, 4, 9, 15, 16, 17, 33, 0};
  return sizes[random_int(k, 0, (int64_t)(sizeof sizes / sizeof *sizes) - 1)];
}

static void choose_dims(Checked *k, Trial *trial, const Trial *from) {
  const Plugin *p = k->plugin;
  PluginNode *n = &trial->bound;
  DimPool *pool = trial->c.dims;
  bool has_rest = p->rest >= 0;
  n->rest_rank =
      has_rest ? (int)(from ? from->bound.rest_rank : random_int(k, 0, TENSOR_RANK - 1)) : -1;
  for (int d = 0; d < n->rest_rank; d++) {
    bool keep = from && random_unit(k) < 0.7;
    n->rest[d] = dim_const(pool, keep ? dim_value(from->bound.rest[d]) : random_size(k));
  }
  for (size_t i = 0; i < p->inputs.count; i++)
    for (int d = 0; d < p->inputs.items[i].rank; d++) {
      int name = p->inputs.items[i].shape[d].binds;
      if (name < 0 || n->values[name].number) continue;
      bool keep = from && random_unit(k) < 0.7;
      n->values[name].number =
          dim_const(pool, keep ? dim_value(from->bound.values[name].number) : random_size(k));
    }
}

/* False if a size is negative or too large. */
static bool choose_input(Checked *k, const Trial *trial, const PluginFunction *f, int i,
                         TrialTensor *made) {
  const PluginTensor *tensor = &k->plugin->inputs.items[i];
  Dim shape[MAX_RANK];
  *made = (TrialTensor){.dtype = DT_NONE};
  if (tensor->optional && random_unit(k) < 0.4) return true;
  made->dtype = plugin_dtype(f, tensor->type, tensor->dtype);
  made->rank = plugin_shape(&trial->bound, tensor, shape);
  int64_t count = 1;
  for (int d = 0; d < made->rank; d++) {
    if (!dim_is_const(shape[d]) || dim_value(shape[d]) > MOST_ELEMENTS) return false;
    made->dims[d] = dim_value(shape[d]);
    count *= made->dims[d] ? made->dims[d] : 1;
    if (count > MOST_ELEMENTS) return false;
  }
  return made->rank >= 0;
}

static bool is_small(const TrialCall *call) {
  for (int i = 0; i < call->count; i++)
    if (call->arguments[i].kind <= BIND_SCRATCH &&
        trial_count(&call->arguments[i].tensor) > 8 * (int64_t)MOST_ELEMENTS)
      return false;
  return true;
}

/* Another kernel for an operator is not called where it does not replace that one's nodes. */
static bool may_be_called(const Plugin *p, const Trial *trial) {
  bool another = false, may = false;
  for (size_t i = 0; i < p->patterns.count; i++) {
    if (p->patterns.items[i].nodes.count != 1) return true;
    another = true;
    may = may || plugin_holds(&trial->bound, p->patterns.items[i].condition);
  }
  return may || !another;
}

/* One attempt at a call of `f` that the descriptor allows. */
static bool attempt(Checked *k, const PluginFunction *f, Trial *trial, Call *call) {
  Diag silent = {0};
  const Plugin *p = k->plugin;
  Attr *attrs = ARENA_ARRAY(k->arena, Attr, p->attrs.count + 1);
  TrialTensor *inputs = ARENA_ARRAY(k->arena, TrialTensor, p->inputs.count + 1);
  Trial base;
  const PluginCase *from = NULL;
  if (k->cases.count && random_unit(k) < 0.6) {
    from = &k->cases.items[random_int(k, 0, (int64_t)k->cases.count - 1)];
    if (!case_trial(k, from, &silent, &base)) from = NULL;
  }
  int attr_count = random_attrs(k, from, attrs);
  if (!trial_begin(trial, k->arena, &silent, p, "", attrs, attr_count)) return false;
  choose_dims(k, trial, from ? &base : NULL);
  if (!plugin_bind_sizes(&trial->bound)) return false;
  for (size_t i = 0; i < p->inputs.count; i++)
    if (!choose_input(k, trial, f, (int)i, &inputs[i])) return false;
  if (!trial_inputs(trial, inputs) || !may_be_called(p, trial) || !call_of(k, trial, call))
    return false;
  trial->c.diag = &k->cli->diag;
  return call->call.function == f && is_small(&call->call);
}

bool random_trial(Checked *k, const PluginFunction *f, Trial *trial, Call *call) {
  for (int i = 0; i < MOST_TRIES; i++)
    if (attempt(k, f, trial, call)) return true;
  return false;
}

/* --- data --- */

/* About normal. */
static double random_normal(Checked *k) {
  return random_unit(k) + random_unit(k) + random_unit(k) + random_unit(k) - 2;
}

static double random_element(Checked *k, DType dtype, DataKind kind) {
  static const double special[] = {0, -0.0, 1e30, -1e30, INFINITY, -INFINITY, NAN, 1e-38};
  static const double large[] = {127, 255, 32767, 1e9, 2147483647.0, 1e15};
  const DTypeInfo *info = dtype_info(dtype);
  if (info->kind == KIND_BOOL) return random_unit(k) < 0.5;
  if (info->kind == KIND_FLOAT) {
    if (kind == DATA_POSITIVE) return 0.5 + random_unit(k);
    if (kind == DATA_WILD && random_unit(k) < 0.2) return special[random_int(k, 0, 7)];
    return random_normal(k);
  }
  if (kind == DATA_WILD && random_unit(k) < 0.3) {
    double sign = info->kind == KIND_INT && random_unit(k) < 0.5 ? -1 : 1;
    double value = large[random_int(k, 0, 5)];
    return info->bytes == 8 || value < ldexp(1, (int)info->bytes * 8 - 1) ? sign * value : 1;
  }
  return (double)random_int(k, info->kind == KIND_INT && kind != DATA_POSITIVE ? -1 : 0, 5);
}

const Tensor *random_tensor(Checked *k, const TrialTensor *type, DataKind kind) {
  int64_t count = trial_count(type);
  double *values = ARENA_ARRAY(k->arena, double, count + 1);
  if (type->dtype == DT_NONE) return NULL;
  for (int64_t i = 0; i < count; i++) values[i] = random_element(k, type->dtype, kind);
  return tensor_from_reals(k->arena, type->dtype, type->rank, type->dims, values);
}

const Tensor **random_inputs(Checked *k, const Trial *trial, DataKind kind) {
  size_t count = trial->plugin->inputs.count;
  const Tensor **inputs = ARENA_ARRAY(k->arena, const Tensor *, count + 1);
  for (size_t i = 0; i < count; i++) {
    TrialTensor type = trial_input(trial, (int)i);
    inputs[i] = random_tensor(k, &type, kind);
  }
  return inputs;
}

/* --- the test --- */

/* Numbers like 1e15 only where they may be indices, which the function checks. */
static DataKind data_kind(Checked *k, const PluginFunction *f) {
  bool indices = f->kernel.returns_status || k->plugin->elementwise;
  if (random_unit(k) < 0.3) return DATA_POSITIVE;
  return indices && random_unit(k) < 0.2 ? DATA_WILD : DATA_USUAL;
}

static bool add_calls(Checked *k, const PluginFunction *f, Calls *calls) {
  int64_t wanted = (int64_t)k->cli->calls;
  size_t before = calls->count;
  for (int64_t i = 0; i < wanted; i++) {
    Trial trial;
    Call call;
    if (!random_trial(k, f, &trial, &call)) continue;
    call_inputs(k, &trial, random_inputs(k, &trial, data_kind(k, f)), &call);
    call.name = arena_printf(k->arena, "random call %zu (--seed %.0f)", calls->count, k->cli->seed);
    vec_push(k->arena, calls, call);
  }
  if (calls->count > before || wanted < 1) return true;
  diag_error(&k->cli->diag, k->plugin->file.path,
             "random: no sizes were found that %s may be called with", f->kernel.name);
  return diag_hint(&k->cli->diag,
                   "a case of these element types in cases.json gives some to start from");
}

/* --- vector forms --- */

/* The same calls again, of the vector form. Numbers that are not finite are another matter. */
static void add_vector_calls(Checked *k, const PluginFunction *f, Calls *calls) {
  enum { COUNT = 40 };
  for (int i = 0; i < COUNT && call_has_vector(f); i++) {
    Trial trial;
    Call call;
    if (!random_trial(k, f, &trial, &call)) continue;
    call_inputs(k, &trial, random_inputs(k, &trial, DATA_USUAL), &call);
    call.name = arena_printf(k->arena, "random call %zu (--seed %.0f)", calls->count, k->cli->seed);
    vec_push(k->arena, calls, call);
    call.vector = true;
    vec_push(k->arena, calls, call);
  }
}

static bool same_vector(Checked *k, const Call *scalar, const Call *vector) {
  const Tensor *wanted = call_output(scalar, 0), *got = call_output(vector, 0);
  for (int64_t i = 0; wanted && got && i < wanted->count; i++) {
    double a = tensor_real(got, i), b = tensor_real(wanted, i);
    if (a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-4 + 1e-3 * fabs(b)) continue;
    diag_error(&k->cli->diag, vector->where,
               "%s: element %" PRId64 " is %.9g of the vector form %s, and %.9g of %s",
               vector->name, i, a, vector->call.function->kernel.vector, b,
               vector->call.function->kernel.name);
    call_note(k, vector);
    return false;
  }
  return true;
}

bool check_random(Checked *k, const char **summary) {
  enum { MOST_REPORTS = 3 };
  Calls calls = {0};
  bool ok = true;
  int reports = 0;
  for (size_t i = 0; i < k->plugin->functions.count; i++) {
    ok = add_calls(k, &k->plugin->functions.items[i], &calls) && ok;
    add_vector_calls(k, &k->plugin->functions.items[i], &calls);
  }
  if (!calls_run(k, calls.items, calls.count)) return false;
  for (size_t i = 0; i < calls.count && reports < MOST_REPORTS; i++) {
    const Call *call = &calls.items[i];
    bool good = call_report(k, call) && (!call->vector || same_vector(k, call - 1, call));
    reports += !good;
    ok = ok && good;
  }
  *summary = arena_printf(k->arena, "ok: %zu calls of %zu function%s, --seed %.0f", calls.count,
                          k->plugin->functions.count, k->plugin->functions.count == 1 ? "" : "s",
                          k->cli->seed);
  return ok;
}
