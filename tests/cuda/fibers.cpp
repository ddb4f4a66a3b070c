/* fibers.cpp: fibers: a few instructions on x86-64, ucontext elsewhere. Every stack has a page
 * below it that may not be touched, and AddressSanitizer, where the program has it, is told of
 * every switch. */
#include "fibers.h"
#include "sanitizer.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__x86_64__) && !defined(CTC_UCONTEXT)
#define OWN_SWITCH
#else
#include <ucontext.h>
#endif

namespace {
/* AddressSanitizer's frames are several times larger than plain ones. */
const size_t STACK_BYTES = 256 << 10;
} // namespace

struct Fiber {
#if defined(OWN_SWITCH)
  void *stack_pointer;
#else
  ucontext_t context;
#endif
  void (*entry)();
  const void *bottom; /* unknown for a caller's stack until another one is entered */
  size_t size;
  void *fake_stack;
  Fiber *came_from;
};

static Fiber *arriving; /* the fiber that a switch goes to */

/* On the new stack: AddressSanitizer gets to know it, and says what it knew of the old one. */
static void arrive() {
  Fiber *here = arriving, *old = here->came_from;
  if (!__sanitizer_finish_switch_fiber) return;
  const void *bottom;
  size_t size;
  __sanitizer_finish_switch_fiber(here->fake_stack, &bottom, &size);
  if (!old->bottom) {
    old->bottom = bottom;
    old->size = size;
  }
}

static void start() {
  arrive();
  arriving->entry();
  abort();
}

#if defined(OWN_SWITCH)
/* Saves what a called function must keep, exchanges the stack pointers and returns on the other
 * stack. */
extern "C" void ctc_fiber_exchange(void **save, void *stack_pointer);
asm(R"(
.text
.local ctc_fiber_exchange
.type ctc_fiber_exchange, @function
ctc_fiber_exchange:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size ctc_fiber_exchange, .-ctc_fiber_exchange
)");

/* What ctc_fiber_exchange will pop: six registers and where to return to; at the entry of a
 * function the stack is 8 off a multiple of 16. */
static void prepare(Fiber *fiber, char *top) {
  void **stack = (void **)top;
  *--stack = nullptr;
  *--stack = (void *)start;
  for (int i = 0; i < 6; i++) *--stack = nullptr;
  fiber->stack_pointer = stack;
}

static void exchange(Fiber *from, Fiber *to) {
  ctc_fiber_exchange(&from->stack_pointer, to->stack_pointer);
}
#else
static void prepare(Fiber *fiber, char *) {
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = (void *)fiber->bottom;
  fiber->context.uc_stack.ss_size = fiber->size;
  fiber->context.uc_link = nullptr;
  makecontext(&fiber->context, start, 0);
}

static void exchange(Fiber *from, Fiber *to) {
  swapcontext(&from->context, &to->context);
}
#endif

Fiber *fiber_of_caller() {
  return (Fiber *)calloc(1, sizeof(Fiber));
}

Fiber *fiber_new(void (*entry)()) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  void *place = mmap(nullptr, page + STACK_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  Fiber *fiber = (Fiber *)calloc(1, sizeof(Fiber));
  if (place == MAP_FAILED || !fiber || mprotect(place, page, PROT_NONE)) {
    perror("cuda stand-in: no memory for a stack");
    abort();
  }
  fiber->entry = entry;
  fiber->bottom = (char *)place + page;
  fiber->size = STACK_BYTES;
  prepare(fiber, (char *)place + page + STACK_BYTES);
  return fiber;
}

void fiber_switch(Fiber *from, Fiber *to) {
  to->came_from = from;
  arriving = to;
  if (__sanitizer_start_switch_fiber)
    __sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, to->size);
  exchange(from, to);
  arrive();
}
