/* block.h: what compiled kernels (device.h) and the machine that runs their blocks (block.cpp) know
 * of each other. */
#pragma once

enum { CPU_WARP_LANES = 32, CPU_DYNAMIC_BYTES = 232448 };

struct cpu_index {
  unsigned x, y, z;
};

/* threadIdx, blockIdx, blockDim, gridDim: written before a thread goes on. */
struct cpu_place {
  cpu_index thread, block, threads, blocks;
};

/* Where a thread waits. Two calls are the same barrier if function and line are. */
struct cpu_site {
  const char *what, *function;
  int line;
};

/* What a lane brings to a warp function and what it gets: the value of lane `source`, of all 32
 * lanes (CPU_FROM_ALL) or nothing (CPU_FROM_NONE). Lanes that take no part read as 0xff bytes. */
enum { CPU_FROM_ALL = -1, CPU_FROM_NONE = -2 };
struct cpu_exchange {
  const void *value;
  unsigned bytes;
  int source;
  void *result;
};

/* Kinds of accesses that kernels compiled to find races tell. */
enum { CPU_READ = 0, CPU_WRITE = 1, CPU_ATOMIC = 2 };

struct cpu_machine {
  int (*barrier)(cpu_site site, int predicate); /* how many threads' predicate was true */
  void (*warp)(cpu_site site, unsigned mask, const cpu_exchange *exchange);
  unsigned (*active)(); /* lanes of the warp that have not ended */
  void (*access)(const void *address, unsigned bytes, int kind, const void *code);
  void (*fence)(); /* __threadfence */
};

/* One per compiled text, under the name cpu_the_unit. */
struct cpu_unit {
  const char *built; /* build_key() of nvrtc.cpp: stays the first */
  cpu_place *place;
  const cpu_machine **machine;
  char *shared_begin, *shared_end; /* all __shared__ variables */
  char *dynamic;                   /* the extern one: CPU_DYNAMIC_BYTES */
  bool tells_accesses;             /* machine.access is called */
};

/* One per kernel, under the name cpu_kernel_NAME. */
struct cpu_kernel {
  const char *name;
  void (*run)(void **arguments);
  int parameters;
  const unsigned *bytes; /* of each parameter */
  int max_threads;       /* __launch_bounds__; 0: not told */
};
