/* block.cpp: runs the blocks of a launch one after the other, and the threads of a block by turns.
 *
 * A worker is a fiber that runs threads from beginning to end. While no thread waits, one worker
 * runs all of them in a plain loop. A thread that waits (at a barrier, in a warp function) keeps
 * its worker, and the next thread gets another one. A block is done in passes over its threads:
 * each that can go on does, until it waits again. The order of the threads in a pass is the
 * caller's choice, because a race shows in one of them.
 *
 * If no thread of a block can go on, some wait for others that never come: the program is stopped
 * and told who waits where for whom. */
#include "block.h"
#include "launch.h"
#include "fibers.h"
#include "races.h"
#include "sanitizer.h"
#include <algorithm>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vector>

namespace {

enum class State { fresh, ready, at_barrier, in_warp, done };

struct Thread {
  State state;
  Fiber *worker;
  cpu_index index;
  cpu_site site;
  unsigned mask;                /* in_warp */
  const cpu_exchange *exchange; /* in_warp */
};

/* The block that runs now. */
struct Block {
  const Launch *launch;
  cpu_place *place;
  std::vector<Thread> threads;
  std::vector<int> order;
  size_t next; /* position in order */
  int current; /* the thread that runs; -1: none does */
  int at_barrier, predicates, barrier_result;
  cpu_site first_site;
  bool same_barrier; /* all that wait came to first_site */
  Order by;
  uint64_t random;
};

Block now;
Fiber *scheduler;
std::vector<Fiber *> idle; /* workers without a thread */

// --- saying what is wrong ---

void print_thread(const Thread &thread) {
  fprintf(stderr, "thread (%u,%u,%u)", thread.index.x, thread.index.y, thread.index.z);
}

void print_place() {
  const cpu_index &block = now.place->block;
  fprintf(stderr, "cuda stand-in: kernel %s, block (%u,%u,%u): ", now.launch->kernel->name, block.x,
          block.y, block.z);
}

void print_state(const Thread &thread) {
  print_thread(thread);
  if (thread.state == State::done) {
    fprintf(stderr, " has ended");
    return;
  }
  fprintf(stderr, " waits at %s in %s, line %d", thread.site.what, thread.site.function,
          thread.site.line);
  if (thread.state == State::in_warp) fprintf(stderr, ", mask 0x%08x", thread.mask);
}

[[noreturn]] void stop(const char *format, ...) {
  print_place();
  if (now.current >= 0) {
    print_thread(now.threads[now.current]);
    fprintf(stderr, ": ");
  }
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fprintf(stderr, "\n");
  abort();
}

/* Mostly the same literal. */
bool same_text(const char *a, const char *b) {
  return a == b || !strcmp(a, b);
}

bool same_site(const cpu_site &a, const cpu_site &b) {
  return a.line == b.line && same_text(a.function, b.function) && same_text(a.what, b.what);
}

bool same_wait(const Thread &a, const Thread &b) {
  return a.state == b.state && same_site(a.site, b.site) &&
         (a.state == State::at_barrier || a.mask == b.mask);
}

/* The first other thread that `waiting` waits for and that is not where it is. */
const Thread *missing_for(const Thread &waiting) {
  int self = (int)(&waiting - now.threads.data()), first = 0, last = (int)now.threads.size();
  if (waiting.state == State::in_warp) {
    first = self / CPU_WARP_LANES * CPU_WARP_LANES;
    last = std::min(last, first + CPU_WARP_LANES);
  }
  for (int i = first; i < last; i++) {
    if (waiting.state == State::in_warp && !(waiting.mask >> (i - first) & 1)) continue;
    if (i != self && !same_wait(now.threads[i], waiting)) return &now.threads[i];
  }
  return nullptr;
}

/* No thread can go on: the first waiting one, and whom it waits for in vain. */
[[noreturn]] void stuck() {
  for (const Thread &thread : now.threads) {
    const Thread *missing = thread.state == State::done ? nullptr : missing_for(thread);
    if (!missing) continue;
    print_place();
    print_state(thread);
    fprintf(stderr, ", but ");
    print_state(*missing);
    fprintf(stderr, "\n");
    abort();
  }
  stop("no thread can go on");
}

// --- threads by turns ---

void take_place(int thread) {
  now.current = thread;
  now.place->thread = now.threads[thread].index;
}

/* The next thread of this pass that can go on; -1 at its end. */
int next_thread() {
  while (now.next < now.order.size()) {
    int thread = now.order[now.next++];
    State state = now.threads[thread].state;
    if (state == State::fresh || state == State::ready) return thread;
  }
  return -1;
}

/* Gives the processor to the scheduler, which comes back when the thread can go on. */
void wait_in(State state, cpu_site site) {
  int self = now.current;
  Thread &thread = now.threads[self];
  thread.state = state;
  thread.site = site;
  fiber_switch(thread.worker, scheduler);
  take_place(self);
}

void worker() {
  for (;;) {
    Fiber *self = now.threads[now.current].worker;
    now.launch->kernel->run(now.launch->arguments);
    now.threads[now.current].state = State::done;
    size_t at = now.next;
    int next = next_thread();
    if (next >= 0 && now.threads[next].state == State::fresh) {
      take_place(next);
      now.threads[next].worker = self;
      now.threads[next].state = State::ready;
      continue;
    }
    now.next = at; /* the scheduler looks again */
    idle.push_back(self);
    fiber_switch(self, scheduler);
  }
}

void resume(int number) {
  Thread &thread = now.threads[number];
  if (thread.state == State::fresh) {
    if (idle.empty()) idle.push_back(fiber_new(worker));
    thread.worker = idle.back();
    idle.pop_back();
  }
  thread.state = State::ready;
  take_place(number);
  fiber_switch(scheduler, thread.worker);
  now.current = -1;
}

// --- what kernels call ---

bool tells_accesses() {
  return now.launch->unit->tells_accesses;
}

int barrier(cpu_site site, int predicate) {
  if (now.at_barrier == 0) {
    now.first_site = site;
    now.same_barrier = true;
    now.predicates = 0;
  }
  now.same_barrier = now.same_barrier && same_site(now.first_site, site);
  now.predicates += predicate;
  if (++now.at_barrier == (int)now.threads.size() && now.same_barrier) {
    for (Thread &thread : now.threads) thread.state = State::ready;
    now.at_barrier = 0;
    now.barrier_result = now.predicates;
    if (tells_accesses()) races_barrier();
    wait_in(State::ready, site); /* so that the next part of the block begins in its own order */
  } else {
    wait_in(State::at_barrier, site);
  }
  return now.barrier_result;
}

/* Hands every lane of the mask what it asked for. */
void exchange_values(int first, unsigned mask) {
  for (int i = 0; i < CPU_WARP_LANES; i++) {
    if (!(mask >> i & 1)) continue;
    const cpu_exchange *wanted = now.threads[first + i].exchange;
    if (wanted->source == CPU_FROM_NONE) continue;
    int from = wanted->source == CPU_FROM_ALL ? 0 : wanted->source;
    int to = wanted->source == CPU_FROM_ALL ? CPU_WARP_LANES : from + 1;
    char *result = (char *)wanted->result;
    for (int j = from; j < to; j++, result += wanted->bytes) {
      if (mask >> j & 1)
        memcpy(result, now.threads[first + j].exchange->value, wanted->bytes);
      else
        memset(result, 0xff, wanted->bytes);
    }
  }
}

/* Lanes of a warp that are threads of the block. */
unsigned lanes_from(int first) {
  size_t lanes = now.threads.size() - (size_t)first;
  return lanes >= CPU_WARP_LANES ? 0xffffffffu : (1u << lanes) - 1;
}

/* Whether all lanes of `present` wait where `thread` does. The last lane mostly comes last. */
bool all_have_come(const Thread &thread, int first, unsigned present) {
  for (int i = CPU_WARP_LANES - 1; i >= 0; i--)
    if (present >> i & 1 && !same_wait(now.threads[first + i], thread)) return false;
  return true;
}

void warp(cpu_site site, unsigned mask, const cpu_exchange *exchange) {
  int self = now.current, first = self / CPU_WARP_LANES * CPU_WARP_LANES;
  Thread &thread = now.threads[self];
  if (!(mask >> (self - first) & 1))
    stop("calls %s in %s, line %d, with mask 0x%08x, in which its own lane is missing", site.what,
         site.function, site.line, mask);
  thread.state = State::in_warp;
  thread.site = site;
  thread.mask = mask;
  thread.exchange = exchange;
  unsigned present = mask & lanes_from(first);
  if (!all_have_come(thread, first, present)) {
    wait_in(State::in_warp, site);
    return;
  }
  exchange_values(first, present);
  if (exchange->source == CPU_FROM_NONE && tells_accesses()) races_warp(first, present);
  for (int i = 0; i < CPU_WARP_LANES; i++)
    if (present >> i & 1) now.threads[first + i].state = State::ready;
}

unsigned active() {
  int first = now.current / CPU_WARP_LANES * CPU_WARP_LANES;
  unsigned lanes = lanes_from(first);
  for (int i = 0; i < CPU_WARP_LANES; i++)
    if (lanes >> i & 1 && now.threads[first + i].state == State::done) lanes &= ~(1u << i);
  return lanes;
}

void access(const void *address, unsigned bytes, int kind, const void *code) {
  races_access(now.current, address, bytes, kind, code);
}

void fence() {
  if (tells_accesses()) races_fence();
}

const cpu_machine machine = {barrier, warp, active, access, fence};

// --- blocks ---

/* A step of a linear congruential generator (Knuth's MMIX constants), its high bits. */
unsigned random_below(unsigned n) {
  now.random = now.random * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)((now.random >> 33) % n);
}

void put_in_order(std::vector<int> &order, size_t n) {
  if (order.size() != n || now.by == Order::shuffle) {
    order.resize(n);
    for (size_t i = 0; i < n; i++) order[i] = now.by == Order::backward ? (int)(n - 1 - i) : (int)i;
  }
  if (now.by != Order::shuffle) return;
  for (size_t i = n; i > 1; i--) std::swap(order[i - 1], order[random_below((unsigned)i)]);
}

/* 0xff bytes: NaN as a float, -1 as an integer. Byte by byte, as AddressSanitizer's margins lie
 * between the variables. */
__attribute__((no_sanitize("address"))) void fill(char *begin, char *end) {
  for (volatile char *p = begin; p < end; p++) *p = (char)0xff;
}

void begin_block() {
  const Launch *launch = now.launch;
  fill(launch->unit->shared_begin, launch->unit->shared_end);
  fill(launch->unit->dynamic, launch->unit->dynamic + launch->shared_bytes);
  const cpu_index &n = now.place->threads;
  now.threads.resize((size_t)n.x * n.y * n.z);
  size_t i = 0;
  for (unsigned z = 0; z < n.z; z++)
    for (unsigned y = 0; y < n.y; y++)
      for (unsigned x = 0; x < n.x; x++, i++) {
        now.threads[i].state = State::fresh;
        now.threads[i].index = {x, y, z};
      }
  now.at_barrier = 0;
  if (tells_accesses()) races_begin_block((unsigned)now.threads.size());
}

bool all_done() {
  for (const Thread &thread : now.threads)
    if (thread.state != State::done) return false;
  return true;
}

void run_block() {
  begin_block();
  for (bool went_on = true; !all_done();) {
    if (!went_on) stuck();
    went_on = false;
    put_in_order(now.order, now.threads.size());
    now.next = 0;
    for (int thread; (thread = next_thread()) >= 0; went_on = true) resume(thread);
  }
}

cpu_index block_index(size_t number, const cpu_index &n) {
  return {(unsigned)(number % n.x), (unsigned)(number / n.x % n.y), (unsigned)(number / n.x / n.y)};
}

} // namespace

/* Blocks in turn, in the order that the threads have too. */
void launch_run(const Launch &launch, Order by, uint64_t seed) {
  static thread_local Fiber *caller = fiber_of_caller();
  scheduler = caller;
  now.launch = &launch;
  now.place = launch.unit->place;
  *launch.unit->machine = &machine;
  now.by = by;
  now.random = seed;
  now.order.clear();
  now.current = -1;
  *now.place = {{0, 0, 0}, {0, 0, 0}, launch.threads, launch.blocks};
  if (tells_accesses()) races_begin_launch(launch);
  size_t blocks = (size_t)launch.blocks.x * launch.blocks.y * launch.blocks.z;
  std::vector<int> order;
  put_in_order(order, blocks);
  for (int block : order) {
    now.place->block = block_index((size_t)block, launch.blocks);
    run_block();
  }
  now.launch = nullptr;
}

/* For a report by somebody else (AddressSanitizer, a signal): which thread was running. */
void launch_print_current() {
  if (!now.launch || now.current < 0) return;
  print_place();
  print_thread(now.threads[now.current]);
  fprintf(stderr, " was running\n");
}
