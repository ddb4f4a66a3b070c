/* reports.cpp: reports by sanitizers and by signals end with the line of launch_print_current. */
#include "reports.h"
#include "launch.h"
#include "sanitizer.h"
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Each sanitizer has a callback of its own: that of the library in which `function` lies. */
static void watch_library_of(void *library, const char *function) {
  typedef void Callback(void (*)());
  Dl_info where;
  void *found = dlsym(library, function);
  if (!found || !dladdr(found, &where)) return;
  void *sanitizer = dlopen(where.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  if (!sanitizer) return;
  Callback *set = (Callback *)dlsym(sanitizer, "__sanitizer_set_death_callback");
  if (set) set(launch_print_current);
  dlclose(sanitizer);
}

void reports_by_sanitizers(void *library) {
  watch_library_of(library, "__asan_init");
  watch_library_of(library, "__ubsan_handle_out_of_bounds_abort");
}

static const struct {
  int signal;
  const char *meaning;
} watched[] = {
    {SIGSEGV, "accesses memory that is nobody's, or its stack is full"},
    {SIGBUS, "accesses memory that is not there"},
    {SIGILL, "accesses memory that is not aligned for the type, or calls __trap"},
    {SIGFPE, "divides by zero"},
};
enum { WATCHED = sizeof watched / sizeof *watched };

static struct sigaction before[WATCHED];
static stack_t stack_before;

/* The instruction is done again when the handler is back, and then the program ends as it would
 * have. */
static void on_signal(int signal) {
  for (int i = 0; i < WATCHED; i++) {
    if (watched[i].signal != signal) continue;
    launch_print_current();
    fprintf(stderr, "cuda stand-in: it %s\n", watched[i].meaning);
    sigaction(signal, &before[i], nullptr);
  }
}

/* AddressSanitizer has better reports than these. */
SignalReports::SignalReports() {
  static char stack[64 << 10];
  if (__asan_init) return;
  stack_t own = {};
  own.ss_sp = stack;
  own.ss_size = sizeof stack;
  sigaltstack(&own, &stack_before);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_ONSTACK;
  for (int i = 0; i < WATCHED; i++) sigaction(watched[i].signal, &action, &before[i]);
}

SignalReports::~SignalReports() {
  if (__asan_init) return;
  for (int i = 0; i < WATCHED; i++) sigaction(watched[i].signal, &before[i], nullptr);
  sigaltstack(&stack_before, nullptr);
}
