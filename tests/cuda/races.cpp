/* races.cpp: which accesses are ordered, and who accessed what last.
 *
 * Kernels that are compiled with CTC_CUDA_RACES=1 tell every access (device.h). Two accesses to the
 * same bytes, at least one a write and not both atomic, are a race unless
 *   - the same thread makes both, or
 *   - a barrier of the block lies between them: the block's `epoch` counts barriers, or
 *   - both threads are lanes of a warp and __syncwarp orders them: each lane has a clock for each
 * lane of its warp, its own goes on at every
 *     __syncwarp, and those that meet take the larger ones (shuffles and votes order no memory, so
 * they do nothing here). Threads of two blocks are never ordered inside of a launch, unless the
 * kernel uses __threadfence.
 *
 * For each word of memory the last write, the last atomic and two reads, of two warps if there
 * were, are kept: a later write meets a reader other than itself. Words are split into bytes when
 * somebody accesses a part of one. A write that leaves the value as it was (several threads that
 * store the same) is none. */
#include "races.h"
#include "driver.h"
#include <dlfcn.h>
#include <memory>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <unistd.h>
#include <unordered_map>
#include <vector>

namespace {

/* One access. Blocks are numbered from 1 through all launches; 0: no access. */
struct Access {
  unsigned block, epoch;
  unsigned short thread, clock;
  int code; /* distance from the unit's entry: where in the program */
};

struct Cell {
  Access write, atomic, read, other_read;
};

enum { PAGE = 4096 };

/* What is known of PAGE bytes: by words of 4, or by bytes. */
struct Page {
  bool tracked, by_bytes;
  std::vector<Cell> cells;
};

struct Warp {
  unsigned short clock[CPU_WARP_LANES][CPU_WARP_LANES]; /* [whose][of whom] */
};

/* A conflicting write that counts only if it changes the value. */
struct Doubt {
  bool open;
  const void *address;
  unsigned bytes;
  unsigned char before[16];
  Access self, other;
  bool other_wrote;
};

const Launch *launch;
unsigned first_block, block, epoch;
bool fenced;
std::vector<Warp> warps;
std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages;
uintptr_t last_number;
Page *last_page;
Doubt doubt;

// --- reports ---

cpu_index index_of(unsigned number, const cpu_index &n) {
  return {number % n.x, number / n.x % n.y, number / n.x / n.y};
}

void print_thread(const Access &access) {
  cpu_index t = index_of(access.thread, launch->threads);
  fprintf(stderr, "thread (%u,%u,%u)", t.x, t.y, t.z);
  if (access.block != block) fprintf(stderr, " of another block");
}

/* FUNCTION at FILE:LINE of an instruction, by addr2line. */
std::string source_of(const Access &access) {
  Dl_info unit;
  if (!dladdr(launch->unit, &unit)) return "?";
  size_t offset =
      (size_t)((const char *)launch->unit + access.code - (const char *)unit.dli_fbase) - 1;
  std::string file = unit.dli_fname, self = "/proc/self/";
  if (!file.compare(0, self.size(), self))
    file = "/proc/" + std::to_string(getpid()) + "/" + file.substr(self.size());
  char command[512], line[512] = "?\n";
  snprintf(command, sizeof command, "addr2line -s -e '%s' %#zx 2>/dev/null", file.c_str(), offset);
  FILE *pipe = popen(command, "r");
  if (pipe && !fgets(line, sizeof line, pipe)) strcpy(line, "?\n");
  if (pipe) pclose(pipe);
  std::string text(line, strcspn(line, "\n("));
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

bool in_shared(uintptr_t address) {
  const cpu_unit *unit = launch->unit;
  return (address >= (uintptr_t)unit->shared_begin && address < (uintptr_t)unit->shared_end) ||
         (address >= (uintptr_t)unit->dynamic &&
          address < (uintptr_t)unit->dynamic + CPU_DYNAMIC_BYTES);
}

[[noreturn]] void report(const void *address, unsigned bytes, const Access &self, bool writes,
                         const Access &other, bool other_wrote) {
  cpu_index b = index_of(block - first_block, launch->blocks);
  fprintf(stderr,
          "cuda stand-in: kernel %s, block (%u,%u,%u): race in %s memory: ", launch->kernel->name,
          b.x, b.y, b.z, in_shared((uintptr_t)address) ? "shared" : "global");
  print_thread(self);
  fprintf(stderr, " %s %u bytes at %s that ", writes ? "writes" : "reads", bytes,
          source_of(self).c_str());
  print_thread(other);
  fprintf(stderr, " has %s at %s, with no barrier in between", other_wrote ? "written" : "read",
          source_of(other).c_str());
  const Allocation *found = allocation_at((uintptr_t)address, 1);
  if (found)
    fprintf(stderr, " (byte %zu of an allocation of %zu)",
            (size_t)((uintptr_t)address - found->begin), found->bytes);
  fprintf(stderr, "\n");
  abort();
}

// --- memory ---

/* Shared memory and allocations; what else a kernel accesses (its stack, tables) is nobody else's.
 */
bool is_tracked(uintptr_t address) {
  return in_shared(address) || allocation_at(address, 1);
}

Page *page_of(uintptr_t address) {
  uintptr_t number = address / PAGE;
  if (number == last_number && last_page) return last_page;
  std::unique_ptr<Page> &page = pages[number];
  if (!page) page.reset(new Page());
  if (!page->tracked && is_tracked(address)) {
    page->tracked = true;
    page->cells.resize(PAGE / 4);
  }
  last_number = number;
  return last_page = page.get();
}

void split_into_bytes(Page *page) {
  if (page->by_bytes) return;
  std::vector<Cell> bytes(PAGE);
  for (size_t i = 0; i < PAGE; i++) bytes[i] = page->cells[i / 4];
  page->cells.swap(bytes);
  page->by_bytes = true;
}

// --- order ---

bool is_known(const Access &old, bool shared) {
  return old.block == block || (old.block >= first_block && old.block != 0 && !shared);
}

bool is_before(const Access &old, const Access &now) {
  if (old.block != now.block) return fenced;
  if (old.thread == now.thread || old.epoch != now.epoch) return true;
  int warp = now.thread / CPU_WARP_LANES, lane = now.thread % CPU_WARP_LANES;
  return old.thread / CPU_WARP_LANES == warp &&
         warps[warp].clock[lane][old.thread % CPU_WARP_LANES] > old.clock;
}

bool conflicts(const Access &old, const Access &now, bool shared) {
  return is_known(old, shared) && !is_before(old, now);
}

void doubt_write(const void *address, unsigned bytes, const Access &self, const Access &other,
                 bool other_wrote) {
  doubt = {true, address, bytes < 16 ? bytes : 16, {}, self, other, other_wrote};
  memcpy(doubt.before, address, doubt.bytes);
}

void note_read(Cell &cell, const Access &now, bool shared) {
  if (!is_known(cell.read, shared) || is_before(cell.read, now)) {
    cell.read = now;
    return;
  }
  bool other_warp = cell.read.thread / CPU_WARP_LANES != now.thread / CPU_WARP_LANES ||
                    cell.read.block != now.block;
  if (other_warp || !is_known(cell.other_read, shared) || is_before(cell.other_read, now))
    cell.other_read = now;
}

struct Place {
  const void *address;
  unsigned bytes;
  bool shared;
};

void visit(Cell &cell, const Access &now, int kind, const Place &place) {
  bool writes = kind & CPU_WRITE, atomic = kind & CPU_ATOMIC;
  for (const Access *written : {&cell.write, &cell.atomic}) {
    if ((atomic && written == &cell.atomic) || !conflicts(*written, now, place.shared)) continue;
    if (!writes) report(place.address, place.bytes, now, writes, *written, true);
    doubt_write(place.address, place.bytes, now, *written, true);
  }
  for (const Access *read : {&cell.read, &cell.other_read})
    if (writes && conflicts(*read, now, place.shared))
      doubt_write(place.address, place.bytes, now, *read, false);
  if (writes)
    (atomic ? cell.atomic : cell.write) = now;
  else
    note_read(cell, now, place.shared);
}

void visit_part(uintptr_t from, uintptr_t to, const Access &now, int kind, const Place &place) {
  Page *page = page_of(from);
  if (!page->tracked) return;
  if ((from | to) % 4) split_into_bytes(page);
  unsigned step = page->by_bytes ? 1 : 4;
  for (uintptr_t at = from; at < to; at += step)
    visit(page->cells[at % PAGE / step], now, kind, place);
}

} // namespace

void races_begin_launch(const Launch &begun) {
  launch = &begun;
  first_block = block + 1;
  fenced = false;
  for (auto at = pages.begin(); at != pages.end();)
    at = at->second->tracked ? std::next(at) : pages.erase(at);
  last_page = nullptr;
}

void races_begin_block(unsigned threads) {
  block++;
  epoch = 0;
  warps.assign((threads + CPU_WARP_LANES - 1) / CPU_WARP_LANES, Warp());
}

void races_barrier() {
  races_settle();
  epoch++;
}

void races_fence() {
  fenced = true;
}

void races_warp(int first, unsigned mask) {
  races_settle();
  Warp &warp = warps[first / CPU_WARP_LANES];
  unsigned short latest[CPU_WARP_LANES] = {0};
  for (int i = 0; i < CPU_WARP_LANES; i++) {
    if (!(mask >> i & 1)) continue;
    warp.clock[i][i]++;
    for (int j = 0; j < CPU_WARP_LANES; j++)
      if (warp.clock[i][j] > latest[j]) latest[j] = warp.clock[i][j];
  }
  for (int i = 0; i < CPU_WARP_LANES; i++)
    if (mask >> i & 1) memcpy(warp.clock[i], latest, sizeof latest);
}

void races_access(int thread, const void *address, unsigned bytes, int kind, const void *code) {
  races_settle();
  int lane = thread % CPU_WARP_LANES;
  Access now = {block, epoch, (unsigned short)thread,
                warps[thread / CPU_WARP_LANES].clock[lane][lane],
                (int)((const char *)code - (const char *)launch->unit)};
  uintptr_t from = (uintptr_t)address, end = from + bytes;
  Place place = {address, bytes, in_shared(from)};
  while (from < end) {
    uintptr_t to = (from / PAGE + 1) * PAGE;
    if (to > end) to = end;
    visit_part(from, to, now, kind, place);
    from = to;
  }
}

void races_settle() {
  if (!doubt.open) return;
  doubt.open = false;
  if (memcmp(doubt.before, doubt.address, doubt.bytes))
    report(doubt.address, doubt.bytes, doubt.self, true, doubt.other, doubt.other_wrote);
}
