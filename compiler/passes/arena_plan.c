/* arena_plan.c: packing blocks with lifetimes into as little memory as possible.
 *
 * Exact packing is NP-hard; in practice the sum of what is live at the worst position is nearly
 * always reached:
 *   1. Place the blocks one by one, each into the lowest gap that fits (or the tightest one) among
 * those placed before that are live at the same time. The order decides: several good ones are
 * tried (largest first, longest first …).
 *   2. Small blocks (together at most 1/SMALL_SHARE of the bound) are left out at first: they only
 * get in the way of the search.
 *   3. Starting from the best order, blocks that stick out above the lower bound are moved forward
 * in the order by random amounts, so that they find room earlier; orders that are no worse are kept
 * ("squeaky wheel"). The random numbers have a fixed seed and the number of rounds a fixed budget
 * of work, so that equal input gives equal output. */
#include "passes/arena_plan.h"

#include "base/diag.h"

#include <stdlib.h>
#include <string.h>

enum {
  MAX_ROUNDS = 20000,     /* of local improvement */
  WORK_BUDGET = 20000000, /* neighbours looked at, over all placements of one search */
  SMALL_SHARE = 40
};

typedef struct {
  int64_t begin, end;
} Span;

typedef struct {
  ArenaBlock *blocks;
  int count;
  ArenaConflicts conflicts;
  int64_t bound;
  int64_t work;   /* left of the budget */
  uint64_t seed;  /* of the random numbers */
  bool *placed;   /* in the placement at hand */
  int *by_offset; /* the placed blocks, by rising offset */
  int placed_count;
  Span *spans;   /* room for the placed neighbours of one block */
  int64_t *best; /* offsets of the best placement so far */
  int64_t best_total;
} Planner;

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (!memory) {
    fprintf(stderr, "ctc: out of memory\n");
    exit(70);
  }
  return memory;
}

/* --- the lower bound --- */

int64_t arena_plan_bound(const ArenaBlock *blocks, int count, int *position) {
  int last = 0;
  for (int i = 0; i < count; i++)
    if (blocks[i].last > last) last = blocks[i].last;
  int64_t *change = allocate((size_t)last + 2, sizeof *change);
  for (int i = 0; i < count; i++) {
    change[blocks[i].first] += blocks[i].size;
    change[blocks[i].last + 1] -= blocks[i].size;
  }
  int64_t live = 0, most = 0;
  int where = 0;
  for (int p = 0; p <= last; p++) {
    live += change[p];
    if (live <= most) continue;
    most = live;
    where = p;
  }
  free(change);
  if (position) *position = where;
  return most;
}

/* --- conflicts --- */

typedef struct {
  int first, index;
} Start;

static int compare_starts(const void *a, const void *b) {
  const Start *x = a, *y = b;
  if (x->first != y->first) return x->first < y->first ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

/* Walks the blocks by their first position with the list of those still live. Without
 * `conflicts->neighbours` it only counts, into start[i + 1]; with it, it appends, advancing
 * next[i]. */
static void sweep(const ArenaBlock *blocks, int count, const Start *starts, int *live,
                  ArenaConflicts *conflicts, int64_t *next) {
  int live_count = 0;
  for (int s = 0; s < count; s++) {
    int i = starts[s].index, kept = 0;
    for (int k = 0; k < live_count; k++) {
      int j = live[k];
      if (blocks[j].last < blocks[i].first) continue;
      live[kept++] = j;
      if (conflicts->neighbours) {
        conflicts->neighbours[next[i]++] = j;
        conflicts->neighbours[next[j]++] = i;
      } else {
        conflicts->start[i + 1]++;
        conflicts->start[j + 1]++;
      }
    }
    live[kept] = i;
    live_count = kept + 1;
  }
}

ArenaConflicts arena_conflicts(const ArenaBlock *blocks, int count) {
  size_t n = (size_t)count;
  ArenaConflicts conflicts = {.start = allocate(n + 1, sizeof(int64_t))};
  Start *starts = allocate(n, sizeof *starts);
  int *live = allocate(n, sizeof *live);
  for (int i = 0; i < count; i++) starts[i] = (Start){blocks[i].first, i};
  qsort(starts, n, sizeof *starts, compare_starts);
  sweep(blocks, count, starts, live, &conflicts, NULL);
  for (int i = 0; i < count; i++) conflicts.start[i + 1] += conflicts.start[i];
  int64_t *next = allocate(n + 1, sizeof *next);
  memcpy(next, conflicts.start, n * sizeof *next);
  conflicts.neighbours = allocate((size_t)conflicts.start[count], sizeof(int));
  sweep(blocks, count, starts, live, &conflicts, next);
  free(next);
  free(live);
  free(starts);
  return conflicts;
}

void arena_conflicts_free(ArenaConflicts *conflicts) {
  free(conflicts->start);
  free(conflicts->neighbours);
  *conflicts = (ArenaConflicts){0};
}

/* --- one placement --- */

static int compare_spans(const void *a, const void *b) {
  const Span *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

static void sort_spans(Span *spans, int count) {
  enum { SMALL = 24 };
  if (count > SMALL) {
    qsort(spans, (size_t)count, sizeof *spans, compare_spans);
    return;
  }
  for (int i = 1; i < count; i++) {
    Span span = spans[i];
    int k = i;
    for (; k > 0 && spans[k - 1].begin > span.begin; k--) spans[k] = spans[k - 1];
    spans[k] = span;
  }
}

/* The lowest offset for `size` bytes between sorted spans (which may overlap each other), or with
 * `tightest` the one in the smallest gap that is large enough; above all of them if there is none.
 */
static int64_t find_gap(const Span *spans, int count, int64_t size, bool tightest) {
  int64_t end = 0, found = -1, found_room = INT64_MAX;
  for (int i = 0; i < count; i++) {
    int64_t room = spans[i].begin - end;
    if (room >= size && room < found_room) {
      if (!tightest) return end;
      found = end;
      found_room = room;
    }
    if (spans[i].end > end) end = spans[i].end;
  }
  return found >= 0 ? found : end;
}

/* Where a block at `offset` belongs in by_offset: behind those that are not higher. */
static int rank_of_offset(const Planner *p, int64_t offset) {
  int low = 0, high = p->placed_count;
  while (low < high) {
    int middle = low + (high - low) / 2;
    if (p->blocks[p->by_offset[middle]].offset <= offset)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void mark_placed(Planner *p, int i) {
  int rank = rank_of_offset(p, p->blocks[i].offset);
  memmove(p->by_offset + rank + 1, p->by_offset + rank,
          (size_t)(p->placed_count - rank) * sizeof *p->by_offset);
  p->by_offset[rank] = i;
  p->placed_count++;
  p->placed[i] = true;
}

static Span span_of(const ArenaBlock *block) {
  return (Span){block->offset, block->offset + block->size};
}

/* The spans of the placed blocks that conflict with block i, by rising offset, in p->spans; returns
 * how many. Few are sorted; many are picked from all that were placed. */
static int placed_neighbours(Planner *p, int i) {
  enum { MANY = 256 };
  const ArenaBlock *block = &p->blocks[i];
  int64_t begin = p->conflicts.start[i], end = p->conflicts.start[i + 1];
  int spans = 0;
  p->work -= end - begin + 1;
  if (end - begin > MANY) {
    for (int k = 0; k < p->placed_count; k++) {
      const ArenaBlock *other = &p->blocks[p->by_offset[k]];
      if (other->first <= block->last && block->first <= other->last)
        p->spans[spans++] = span_of(other);
    }
    return spans;
  }
  for (int64_t e = begin; e < end; e++) {
    int j = p->conflicts.neighbours[e];
    if (p->placed[j]) p->spans[spans++] = span_of(&p->blocks[j]);
  }
  sort_spans(p->spans, spans);
  return spans;
}

/* Places all blocks in `order`; keeps the result if it is the best so far. Returns the total. */
static int64_t place(Planner *p, const int *order, bool tightest) {
  int64_t total = 0;
  memset(p->placed, 0, (size_t)p->count * sizeof *p->placed);
  p->placed_count = 0;
  for (int k = 0; k < p->count; k++) {
    int i = order[k], spans = placed_neighbours(p, i);
    p->blocks[i].offset = find_gap(p->spans, spans, p->blocks[i].size, tightest);
    mark_placed(p, i);
    int64_t end = p->blocks[i].offset + p->blocks[i].size;
    if (end > total) total = end;
  }
  if (total < p->best_total) {
    p->best_total = total;
    for (int i = 0; i < p->count; i++) p->best[i] = p->blocks[i].offset;
  }
  return total;
}

/* --- orders --- */

typedef struct {
  double key; /* larger is earlier */
  int index;
} Ranked;

static int compare_ranked(const void *a, const void *b) {
  const Ranked *x = a, *y = b;
  if (x->key != y->key) return x->key > y->key ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

typedef double OrderKey(const Planner *p, int i);

static double lifetime(const Planner *p, int i) {
  return (double)p->blocks[i].last - p->blocks[i].first + 1;
}
static double by_size(const Planner *p, int i) {
  return (double)p->blocks[i].size;
}
static double by_area(const Planner *p, int i) {
  return by_size(p, i) * lifetime(p, i);
}
static double by_lifetime(const Planner *p, int i) {
  return lifetime(p, i) + by_size(p, i) / ((double)p->bound + 1);
}
static double by_start(const Planner *p, int i) {
  return -(double)p->blocks[i].first + by_size(p, i) / ((double)p->bound + 1);
}
static double by_end(const Planner *p, int i) {
  return (double)p->blocks[i].last + by_size(p, i) / ((double)p->bound + 1);
}
static double by_pressure(const Planner *p, int i) {
  double sum = by_size(p, i);
  for (int64_t e = p->conflicts.start[i]; e < p->conflicts.start[i + 1]; e++)
    sum += by_size(p, p->conflicts.neighbours[e]);
  return sum;
}

static OrderKey *const order_keys[] = {by_size,     by_area,  by_lifetime,
                                       by_pressure, by_start, by_end};
enum { ORDER_COUNT = sizeof order_keys / sizeof *order_keys };

static void sort_order(const Planner *p, Ranked *ranked, int *order) {
  qsort(ranked, (size_t)p->count, sizeof *ranked, compare_ranked);
  for (int i = 0; i < p->count; i++) order[i] = ranked[i].index;
}

/* Tries the fixed orders. If one is better than the best placement so far it is left in `order`,
 * and how it was placed in *best_tightest. */
static void try_fixed_orders(Planner *p, Ranked *ranked, int *order, bool *best_tightest) {
  int *trial = allocate((size_t)p->count, sizeof *trial);
  for (int k = 0; k < ORDER_COUNT * 2 && p->best_total > p->bound; k++) {
    bool tightest = k % 2 == 1;
    if (k >= 2 && p->work < 0) break;
    for (int i = 0; i < p->count; i++) ranked[i] = (Ranked){order_keys[k / 2](p, i), i};
    sort_order(p, ranked, trial);
    int64_t before = p->best_total;
    if (place(p, trial, tightest) >= before) continue;
    *best_tightest = tightest;
    memcpy(order, trial, (size_t)p->count * sizeof *order);
  }
  free(trial);
}

/* --- local improvement --- */

/* A number in [0, 1), by xorshift. */
static double random_unit(Planner *p) {
  p->seed ^= p->seed << 13;
  p->seed ^= p->seed >> 7;
  p->seed ^= p->seed << 17;
  return (double)(p->seed >> 11) / 9007199254740992.0;
}

/* `order` with some blocks moved forward, as `trial`: of those that end above the bound (with
 * `offsets`, those of `order`) most, of the neighbours of one of them a few, for it is their places
 * that leave it no room. */
static void promote(Planner *p, const int *order, const int64_t *offsets, Ranked *ranked,
                    int *trial) {
  int highs = 0, culprit = -1;
  for (int k = 0; k < p->count; k++) {
    int i = order[k];
    ranked[i] = (Ranked){-(double)k, i};
    if (offsets[i] + p->blocks[i].size <= p->bound) continue;
    if (random_unit(p) * ++highs < 1) culprit = i;
    if (random_unit(p) < 0.5) ranked[i].key = -k * random_unit(p) + 0.5;
  }
  if (culprit >= 0) {
    int64_t begin = p->conflicts.start[culprit], end = p->conflicts.start[culprit + 1];
    double share = 4.0 / (double)(end - begin + 1);
    for (int64_t e = begin; e < end; e++) {
      if (random_unit(p) >= share) continue;
      int j = p->conflicts.neighbours[e];
      ranked[j].key = ranked[j].key * (0.25 + 1.25 * random_unit(p)) + 0.5;
    }
  }
  sort_order(p, ranked, trial);
}

/* How far blocks stick out above the bound, summed: unlike the total it tells when one of several
 * crowded places got better. */
static double overshoot(const Planner *p) {
  double sum = 0;
  for (int i = 0; i < p->count; i++) {
    int64_t end = p->blocks[i].offset + p->blocks[i].size;
    if (end > p->bound) sum += (double)(end - p->bound);
  }
  return sum;
}

static void improve(Planner *p, int *order, bool tightest, Ranked *ranked) {
  size_t n = (size_t)p->count;
  int *trial = allocate(n, sizeof *trial);
  int64_t *offsets = allocate(n, sizeof *offsets);
  memcpy(offsets, p->best, n * sizeof *offsets);
  for (int i = 0; i < p->count; i++) p->blocks[i].offset = p->best[i];
  double current = overshoot(p);
  for (int round = 0; round < MAX_ROUNDS && p->work > 0 && p->best_total > p->bound; round++) {
    promote(p, order, offsets, ranked, trial);
    place(p, trial, tightest);
    double score = overshoot(p);
    /* A little worse is taken now and then, so that the search leaves dead ends. */
    if (score > current * (1 + 0.02 * random_unit(p) * random_unit(p))) continue;
    current = score;
    memcpy(order, trial, n * sizeof *order);
    for (int i = 0; i < p->count; i++) offsets[i] = p->blocks[i].offset;
  }
  free(offsets);
  free(trial);
}

/* --- the search --- */

static Planner planner_create(ArenaBlock *blocks, int count) {
  size_t n = (size_t)count;
  return (Planner){.blocks = blocks,
                   .count = count,
                   .conflicts = arena_conflicts(blocks, count),
                   .bound = arena_plan_bound(blocks, count, NULL),
                   .work = WORK_BUDGET,
                   .seed = 0x9E3779B97F4A7C15u,
                   .placed = allocate(n, sizeof(bool)),
                   .by_offset = allocate(n, sizeof(int)),
                   .spans = allocate(n, sizeof(Span)),
                   .best = allocate(n, sizeof(int64_t)),
                   .best_total = INT64_MAX};
}

static void planner_free(Planner *p) {
  free(p->best);
  free(p->spans);
  free(p->by_offset);
  free(p->placed);
  arena_conflicts_free(&p->conflicts);
}

/* Packs the blocks; `order` (room for count) gets the order that was best, *tightest how it was
 * placed. If `start_order` is set, that order (placed as *tightest says) competes with the fixed
 * ones. Returns the total. */
static int64_t search(ArenaBlock *blocks, int count, const int *start_order, int *order,
                      bool *tightest) {
  size_t n = (size_t)count;
  Planner p = planner_create(blocks, count);
  Ranked *ranked = allocate(n, sizeof *ranked);
  if (start_order) {
    memcpy(order, start_order, n * sizeof *order);
    place(&p, order, *tightest);
  }
  try_fixed_orders(&p, ranked, order, tightest);
  improve(&p, order, *tightest, ranked);
  for (int i = 0; i < count; i++) blocks[i].offset = p.best[i];
  free(ranked);
  planner_free(&p);
  return p.best_total;
}

/* The largest size at which all blocks up to it together need no more than 1/SMALL_SHARE of the
 * bound; -1 if there is none. Halving from the largest size finds it to within a factor of two,
 * which is enough. */
static int64_t small_size(const ArenaBlock *blocks, int count) {
  int64_t limit = arena_plan_bound(blocks, count, NULL) / SMALL_SHARE;
  ArenaBlock *small = allocate((size_t)count, sizeof *small);
  int64_t size = limit;
  for (; size > 0; size /= 2) {
    int found = 0;
    for (int i = 0; i < count; i++)
      if (blocks[i].size <= size) small[found++] = blocks[i];
    if (arena_plan_bound(small, found, NULL) <= limit) break;
  }
  free(small);
  return size > 0 ? size : -1;
}

/* Searches without the blocks up to `small` bytes; then places those too, largest first, and
 * searches on from there. */
static int64_t search_large_first(ArenaBlock *blocks, int count, int64_t small) {
  size_t n = (size_t)count;
  ArenaBlock *large = allocate(n, sizeof *large);
  Ranked *rest = allocate(n, sizeof *rest);
  int *index = allocate(n, sizeof *index), *order = allocate(n, sizeof *order);
  int *start = allocate(n, sizeof *start);
  int larges = 0, rests = 0;
  for (int i = 0; i < count; i++) {
    if (blocks[i].size <= small) {
      rest[rests++] = (Ranked){(double)blocks[i].size, i};
    } else {
      large[larges] = blocks[i];
      index[larges++] = i;
    }
  }
  bool tightest = false;
  search(large, larges, NULL, order, &tightest);
  for (int k = 0; k < larges; k++) start[k] = index[order[k]];
  qsort(rest, (size_t)rests, sizeof *rest, compare_ranked);
  for (int k = 0; k < rests; k++) start[larges + k] = rest[k].index;
  int64_t total = search(blocks, count, start, order, &tightest);
  free(start);
  free(order);
  free(index);
  free(rest);
  free(large);
  return total;
}

int64_t arena_plan(ArenaBlock *blocks, int count) {
  if (count == 0) return 0;
  int64_t small = small_size(blocks, count);
  if (small > 0) return search_large_first(blocks, count, small);
  int *order = allocate((size_t)count, sizeof *order);
  bool tightest = false;
  int64_t total = search(blocks, count, NULL, order, &tightest);
  free(order);
  return total;
}
