/* plugin_gradient.c: gradient.c against finite differences.
 *
 * Of a kernel, L = sum of grad_y * y over all outputs, with random grad_y, is a function of one
 * element x of an input; what gradient.c says of it is compared with
 *
 *   dL/dx = (4 c(h) - c(2h)) / 3 + O(h^4),  c(h) = (L(x + h) - L(x - h)) / 2h
 *
 * Where c(h) and c(2h) are far apart the function is not smooth: nothing is compared there. They
 * may agree by chance where it changes within h, so what differs is tried again with smaller steps,
 * and is wrong if it differs each time. Of an elementwise layer the same is done for all elements
 * at once, without grad_y. */
#include "cli/plugin_calls.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { SHIFTS = 4, MOST_PROBES = 10, RANDOM_POINTS = 8, NO_ELEMENT = -1 };
enum { ROUNDS = 3, FINER = 8, MOST_DOUBTS = 20 }; /* each round's steps are FINER times smaller */

static const double shifts[SHIFTS] = {-2, -1, 1, 2};

/* What a step and a difference are where the numbers have this type. */
typedef struct {
  DType dtype;
  double step, rtol, atol;
} Precision;

static const Precision precisions[] = {{DT_F64, 1e-3, 1e-5, 1e-7}, {DT_F32, 1.0 / 32, 2e-2, 1e-4}};

/* Inputs of the layer, and what it makes of them. */
typedef struct {
  const char *name;
  const Precision *precision;
  const Tensor **inputs;
  size_t forward; /* the call */
} Point;

/* One derivative to compare: of L by an element of an input, or of all results by all. */
typedef struct {
  size_t point, gradient, shifted; /* numbers of calls; of the first of SHIFTS */
  int input, output;               /* of the layer; of the gradient */
  int64_t element;                 /* that is moved; NO_ELEMENT: all */
  int64_t only;                    /* that is compared; NO_ELEMENT: all of them */
  double step;
  int round;
} Probe;

/* A derivative that differs. */
typedef struct {
  Probe probe;
  int64_t element;
  double got, wanted;
} Doubt;

typedef Vec(Doubt) Doubts;

typedef struct {
  Checked *k;
  Vec(Point) points;
  Vec(Probe) probes;
  Calls calls;
  int64_t compared;
} Test;

/* --- points --- */

/* That of the coarsest floats; NULL: they are too coarse for differences. */
static const Precision *precision_of(const Plugin *p, const PluginFunction *f) {
  const Precision *found = &precisions[0];
  for (size_t i = 0; i < p->inputs.count + p->outputs.count; i++) {
    const PluginTensor *tensor =
        i < p->inputs.count ? &p->inputs.items[i] : &p->outputs.items[i - p->inputs.count];
    DType dtype = plugin_dtype(f, tensor->type, tensor->dtype);
    if (dtype == DT_F32) found = &precisions[1];
    if (dtype == DT_F16 || dtype == DT_BF16) return NULL;
  }
  return found;
}

static double *reals_of(Checked *k, const Tensor *tensor) {
  double *values = ARENA_ARRAY(k->arena, double, tensor->count + 1);
  for (int64_t i = 0; i < tensor->count; i++) values[i] = tensor_real(tensor, i);
  return values;
}

static const Tensor *with_reals(Checked *k, const Tensor *like, const double *values) {
  return tensor_from_reals(k->arena, like->dtype, like->rank, like->dims, values);
}

/* Moved a little, as cases like to stand where functions have kinks. */
static const Tensor *moved(Checked *k, const Tensor *tensor, double step) {
  if (!tensor || !dtype_is_float(tensor->dtype)) return tensor;
  double *values = reals_of(k, tensor);
  for (int64_t i = 0; i < tensor->count; i++) values[i] += 3 * step * (1 + random_unit(k));
  return with_reals(k, tensor, values);
}

static void add_point(Test *t, const Trial *trial, Point point) {
  Call call;
  if (!call_of(t->k, trial, &call)) return;
  call_inputs(t->k, trial, point.inputs, &call);
  call.name = point.name;
  call.thorough = false;
  point.forward = t->calls.count;
  vec_push(t->k->arena, &t->calls, call);
  vec_push(t->k->arena, &t->points, point);
}

static void add_case_points(Test *t) {
  Checked *k = t->k;
  Diag silent = {0};
  for (size_t i = 0; i < k->cases.count; i++) {
    const PluginCase *given = &k->cases.items[i];
    Point point = {.name = given->name};
    Trial trial;
    if (!case_trial(k, given, &silent, &trial)) continue;
    point.precision = precision_of(k->plugin, plugin_function(&trial.bound));
    if (!point.precision) continue;
    point.inputs = ARENA_ARRAY(k->arena, const Tensor *, k->plugin->inputs.count + 1);
    for (size_t n = 0; n < k->plugin->inputs.count; n++)
      point.inputs[n] = moved(k, given->inputs[n], point.precision->step);
    add_point(t, &trial, point);
  }
}

static void add_random_points(Test *t, const PluginFunction *f) {
  Checked *k = t->k;
  for (int i = 0; i < RANDOM_POINTS; i++) {
    Point point = {.precision = precision_of(k->plugin, f),
                   .name = arena_printf(k->arena, "random point %zu (--seed %.0f)", t->points.count,
                                        k->cli->seed)};
    Trial trial;
    Call call;
    if (!point.precision || !random_trial(k, f, &trial, &call)) continue;
    point.inputs = random_inputs(k, &trial, i % 2 ? DATA_USUAL : DATA_POSITIVE);
    add_point(t, &trial, point);
  }
}

/* --- the calls at a point --- */

/* The inputs of a gradient: of a kernel, those of the layer, its outputs, and gradients of the
 * outputs that are real. */
static const Tensor **gradient_inputs(Test *t, const Point *point, const Plugin *g) {
  Checked *k = t->k;
  const Plugin *p = k->plugin;
  const Call *forward = &t->calls.items[point->forward];
  const Tensor **inputs = ARENA_ARRAY(k->arena, const Tensor *, g->inputs.count + 1);
  size_t n = 0;
  for (; n < p->inputs.count; n++) inputs[n] = point->inputs[n];
  for (size_t i = 0; n < g->inputs.count && i < p->outputs.count; i++)
    inputs[n++] = call_output(forward, (int)i);
  for (size_t i = 0; n < g->inputs.count && i < p->outputs.count; i++) {
    TrialTensor type = trial_type(call_output(forward, (int)i));
    if (dtype_is_float(type.dtype)) inputs[n++] = random_tensor(k, &type, DATA_USUAL);
  }
  return inputs;
}

/* The call of a gradient; false if the descriptor does not allow it, which is reported. */
static bool add_gradient_call(Test *t, const Point *point, const Plugin *g, const Tensor **inputs) {
  Checked *k = t->k;
  const Call *forward = &t->calls.items[point->forward];
  Trial trial;
  Call call;
  TrialTensor *types = ARENA_ARRAY(k->arena, TrialTensor, g->inputs.count + 1);
  for (size_t i = 0; i < g->inputs.count; i++) types[i] = trial_type(inputs[i]);
  if (!trial_begin(&trial, k->arena, &k->cli->diag, g, point->name, forward->attrs,
                   forward->attr_count) ||
      !trial_inputs(&trial, types) || !call_of(k, &trial, &call))
    return false;
  call_inputs(k, &trial, inputs, &call);
  call.name = point->name;
  vec_push(k->arena, &t->calls, call);
  return true;
}

/* The input with one element, or all, moved by `shift` steps. */
static const Tensor *shifted_input(Test *t, const Tensor *input, const Probe *probe, double shift) {
  double *values = reals_of(t->k, input);
  if (probe->element != NO_ELEMENT) values[probe->element] += shift * probe->step;
  for (int64_t i = 0; probe->element == NO_ELEMENT && i < input->count; i++)
    values[i] += shift * probe->step;
  return with_reals(t->k, input, values);
}

static void add_probe(Test *t, const Point *point, Probe probe) {
  Checked *k = t->k;
  const Call forward = t->calls.items[point->forward];
  const Tensor *input = forward.inputs[probe.input];
  size_t count = k->plugin->inputs.count;
  probe.shifted = t->calls.count;
  for (int s = 0; s < SHIFTS; s++) {
    Call call = forward;
    const Tensor **inputs = ARENA_ARRAY(k->arena, const Tensor *, count + 1);
    memcpy(inputs, forward.inputs, count * sizeof *inputs);
    inputs[probe.input] = shifted_input(t, input, &probe, shifts[s]);
    call.inputs = inputs;
    vec_push(k->arena, &t->calls, call);
  }
  vec_push(k->arena, &t->probes, probe);
}

/* Which input of the layer output `output` of a gradient is the gradient of. */
static int input_of(const Plugin *p, const Plugin *g, int output) {
  const char *name = p->elementwise ? g->stem + strlen(p->prefix) + strlen("_grad_")
                                    : g->outputs.items[output].name + strlen("grad_");
  return plugin_find_tensor(p->inputs.items, p->inputs.count, name);
}

static void add_probes(Test *t, size_t number, const Plugin *g, size_t gradient) {
  Checked *k = t->k;
  const Point *point = &t->points.items[number];
  for (size_t o = 0; o < g->outputs.count; o++) {
    Probe probe = {.point = number,
                   .gradient = gradient,
                   .output = (int)o,
                   .input = input_of(k->plugin, g, (int)o),
                   .element = NO_ELEMENT,
                   .only = NO_ELEMENT,
                   .step = point->precision->step};
    const Tensor *input = point->inputs[probe.input];
    if (k->plugin->elementwise) add_probe(t, point, probe);
    for (int i = 0; !k->plugin->elementwise && input && input->count && i < MOST_PROBES; i++) {
      probe.element = random_int(k, 0, input->count - 1);
      probe.step = point->precision->step * fmax(1, fabs(tensor_real(input, probe.element)));
      if (isfinite(probe.step)) add_probe(t, point, probe);
    }
  }
}

static bool add_point_calls(Test *t, size_t number) {
  const Plugin *p = t->k->plugin;
  bool ok = true;
  for (size_t i = 0; i < p->gradients.count; i++) {
    const Plugin *g = p->gradients.items[i];
    const Point *point = &t->points.items[number];
    size_t gradient = t->calls.count;
    if (t->calls.items[point->forward].status != 0) continue;
    if (add_gradient_call(t, point, g, gradient_inputs(t, point, g)))
      add_probes(t, number, g, gradient);
    else
      ok = false;
  }
  return ok;
}

/* --- comparing --- */

/* L of a kernel, and the sum of its terms' sizes; of elementwise layers element `i` of the result.
 */
static double value_at(const Test *t, const Probe *probe, const Call *call, int64_t i,
                       double *size) {
  const Plugin *p = t->k->plugin;
  const Call *gradient = &t->calls.items[probe->gradient];
  double sum = 0;
  if (p->elementwise) {
    *size = fabs(tensor_real(call_output(call, 0), i));
    return tensor_real(call_output(call, 0), i);
  }
  size_t at = p->inputs.count + p->outputs.count;
  *size = 0;
  for (size_t o = 0; o < p->outputs.count; o++) {
    const Tensor *y = call_output(call, (int)o);
    if (!dtype_is_float(y->dtype)) continue;
    const Tensor *grad = gradient->inputs[at++];
    for (int64_t k = 0; k < y->count; k++) {
      double term = tensor_real(grad, k) * tensor_real(y, k);
      sum += term;
      *size += fabs(term);
    }
  }
  return sum;
}

/* The derivative by differences, and how far it may be off; NaN where there is none. */
static double difference(const Test *t, const Probe *probe, int64_t i, double *allowed) {
  const Precision *precision = t->points.items[probe->point].precision;
  double values[SHIFTS], size = 0;
  for (int s = 0; s < SHIFTS; s++) {
    const Call *call = &t->calls.items[probe->shifted + (size_t)s];
    if (call->fault != FAULT_NONE || call->status != 0) return NAN;
    values[s] = value_at(t, probe, call, i, &size);
    if (!isfinite(values[s])) return NAN;
  }
  double near = (values[2] - values[1]) / (2 * probe->step);
  double far = (values[3] - values[0]) / (4 * probe->step);
  double apart = fabs(near - far), noise = precision->atol * (1 + size) * pow(FINER, probe->round);
  if (apart > 0.05 * (fabs(near) + fabs(far)) + noise) return NAN;
  *allowed = noise + precision->rtol * fabs(near) + apart / 3;
  return (4 * near - far) / 3;
}

/* Notes element `i` if it differs. */
static void compare_element(Test *t, const Probe *probe, int64_t i, Doubts *doubts) {
  const Call *gradient = &t->calls.items[probe->gradient];
  double allowed = 0, wanted = difference(t, probe, i, &allowed);
  if (isnan(wanted)) return;
  int64_t element = probe->element == NO_ELEMENT ? i : probe->element;
  double got = tensor_real(call_output(gradient, probe->output), element);
  t->compared++;
  Doubt doubt = {*probe, element, got, wanted};
  if (!(fabs(got - wanted) <= allowed)) vec_push(t->k->arena, doubts, doubt);
}

static void compare_probe(Test *t, const Probe *probe, Doubts *doubts) {
  const Call *gradient = &t->calls.items[probe->gradient];
  const Tensor *found = call_output(gradient, probe->output);
  if (!found || gradient->status != 0) return;
  if (probe->element != NO_ELEMENT || probe->only != NO_ELEMENT) {
    compare_element(t, probe, probe->only, doubts);
    return;
  }
  for (int64_t i = 0; i < found->count; i++) compare_element(t, probe, i, doubts);
}

/* Makes the calls from number `first` on. */
static bool run_calls(Test *t, size_t first) {
  size_t count = t->calls.count - first;
  return !count || calls_run(t->k, &t->calls.items[first], count);
}

/* The first doubts once more, with finer steps; those that stay. */
static bool try_again(Test *t, Doubts *doubts) {
  size_t first_call = t->calls.count, first_probe = t->probes.count;
  for (size_t i = 0; i < doubts->count && i < MOST_DOUBTS; i++) {
    Probe probe = doubts->items[i].probe;
    if (probe.element == NO_ELEMENT) probe.only = doubts->items[i].element;
    probe.step /= FINER;
    probe.round++;
    add_probe(t, &t->points.items[probe.point], probe);
  }
  if (!run_calls(t, first_call)) return false;
  doubts->count = 0;
  for (size_t i = first_probe; i < t->probes.count; i++)
    compare_probe(t, &t->probes.items[i], doubts);
  return true;
}

static void report_doubt(Test *t, const Doubt *doubt) {
  const Call *gradient = &t->calls.items[doubt->probe.gradient];
  diag_error(&t->k->cli->diag, gradient->where,
             "%s: the derivative by element %" PRId64 " of '%s' is %.9g, differences give %.9g",
             gradient->name, doubt->element, t->k->plugin->inputs.items[doubt->probe.input].name,
             doubt->got, doubt->wanted);
  call_note(t->k, gradient);
}

static bool report_nothing(Test *t) {
  const Plugin *p = t->k->plugin;
  diag_error(&t->k->cli->diag, arena_printf(t->k->arena, "%s/gradient.c", p->folder),
             "no derivative could be compared: there was no place where %s is finite and smooth",
             p->name);
  return diag_hint(&t->k->cli->diag, "a case in cases.json gives one to start from");
}

static bool compare_all(Test *t) {
  enum { MOST_REPORTS = 3 };
  Doubts doubts = {0};
  size_t reports = 0;
  for (size_t i = 0; i < t->calls.count && reports < MOST_REPORTS; i++)
    reports += !call_report(t->k, &t->calls.items[i]);
  if (reports) return false;
  for (size_t i = 0; i < t->probes.count; i++) compare_probe(t, &t->probes.items[i], &doubts);
  if (!t->compared) return report_nothing(t);
  for (int round = 1; round < ROUNDS && doubts.count; round++)
    if (!try_again(t, &doubts)) return false;
  for (size_t i = 0; i < doubts.count && i < MOST_REPORTS; i++) report_doubt(t, &doubts.items[i]);
  return doubts.count == 0;
}

bool check_gradient(Checked *k, const char **summary) {
  Test t = {.k = k};
  bool ok = true;
  *summary = "none: there is no gradient.c";
  if (!k->plugin->gradients.count) return true;
  add_case_points(&t);
  for (size_t i = 0; i < k->plugin->functions.count; i++)
    add_random_points(&t, &k->plugin->functions.items[i]);
  if (!run_calls(&t, 0)) return false;
  size_t forward = t.calls.count;
  for (size_t i = 0; i < t.points.count; i++) ok = add_point_calls(&t, i) && ok;
  if (!ok || !run_calls(&t, forward)) return false;
  ok = compare_all(&t);
  *summary = arena_printf(k->arena, "ok: %" PRId64 " derivatives at %zu points", t.compared,
                          t.points.count);
  return ok;
}
