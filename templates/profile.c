/* profile.c: linked with a model that was emitted for profiling: hands on that a step has ended.
 *
 * `ctc bench` sets the hook before it runs the model; without one nothing happens. Step -1 is the start of a run. */
#include <stddef.h>
#include <stdint.h>

void *ctc_profile_context;
void (*ctc_profile_hook)(void *context, int32_t step);

void ctc_profile(int32_t step);

void ctc_profile(int32_t step) {
  if (ctc_profile_hook != NULL) ctc_profile_hook(ctc_profile_context, step);
}
