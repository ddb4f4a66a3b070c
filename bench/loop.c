/* loop.c: runs a model again and again and takes the time, for ctc's programs and for the peers alike.
 *
 * bench/worker.py loads it as a library, prepares a call with ctypes, and has bench_time make it: so nobody's
 * time holds a call from Python. The peers are called through their C interfaces. */
#define _POSIX_C_SOURCE 200809L
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* An emitted program (ctc_model of templates/model.h), on the caller's thread or, unless `threads` is NULL, on those. */
typedef struct {
  int (*run)(const void *const *inputs, void *const *outputs, int64_t *dims, void *workspace,
             int64_t workspace_bytes, const void *weights);
  const void *const *inputs;
  void *const *outputs;
  int64_t *dims;
  void *workspace;
  int64_t workspace_bytes;
  const void *weights;
  int (*run_threads)(void *threads, const void *const *inputs, void *const *outputs, int64_t *dims, void *workspace,
                     int64_t workspace_bytes, const void *weights);
  void *threads;
} CtcCall;

/* OrtApi.RunWithBinding of onnxruntime: NULL is success. */
typedef struct {
  void *(*run)(void *session, const void *options, const void *binding);
  void *session;
  void *binding;
} OrtCall;

/* ov_infer_request_infer of OpenVINO: 0 is success. */
typedef struct {
  int (*infer)(void *request);
  void *request;
} OpenvinoCall;

enum { CALL_CTC, CALL_ORT, CALL_OPENVINO };

static int call_once(int kind, const void *call) {
  const CtcCall *ctc = call;
  const OrtCall *ort = call;
  const OpenvinoCall *openvino = call;
  switch (kind) {
  case CALL_CTC:
    if (ctc->threads)
      return ctc->run_threads(ctc->threads, ctc->inputs, ctc->outputs, ctc->dims, ctc->workspace, ctc->workspace_bytes,
                              ctc->weights);
    return ctc->run(ctc->inputs, ctc->outputs, ctc->dims, ctc->workspace, ctc->workspace_bytes, ctc->weights);
  case CALL_ORT: return ort->run(ort->session, NULL, ort->binding) != NULL;
  case CALL_OPENVINO: return openvino->infer(openvino->request);
  default: return -1;
  }
}

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int bench_time(int kind, const void *call, int64_t calls, int64_t samples, int use_cpu_time, double *ns);

/* Fills ns[samples]: nanoseconds a run, each the mean of `calls` runs, of wall or of the process's CPU time.
 * Returns the status of the first run that fails, or 0. */
int bench_time(int kind, const void *call, int64_t calls, int64_t samples, int use_cpu_time, double *ns) {
  clockid_t clock = use_cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
  for (int64_t s = 0; s < samples; s++) {
    double start = now(clock);
    for (int64_t i = 0; i < calls; i++) {
      int status = call_once(kind, call);
      if (status != 0) return status;
    }
    ns[s] = (now(clock) - start) / (double)calls;
  }
  return 0;
}
