/* trace.c: linked with a model that was emitted for tracing: hands on what each step wrote.
 *
 * `ctc verify` sets the hook before it runs the model; without one nothing happens. */
#include <stddef.h>
#include <stdint.h>

void *ctc_trace_context;
void (*ctc_trace_hook)(void *context, int32_t step, int32_t buffer, const void *data, int64_t bytes);

void ctc_trace(int32_t step, int32_t buffer, const void *data, int64_t bytes);

void ctc_trace(int32_t step, int32_t buffer, const void *data, int64_t bytes) {
  if (ctc_trace_hook != NULL) ctc_trace_hook(ctc_trace_context, step, buffer, data, bytes);
}
