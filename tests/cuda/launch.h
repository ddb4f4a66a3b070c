/* launch.h: one launch of a kernel, and the order in which its threads run. */
#pragma once
#include "block.h"
#include <stdint.h>

struct Launch {
  const cpu_kernel *kernel;
  const cpu_unit *unit;
  cpu_index blocks, threads;
  unsigned shared_bytes; /* of extern __shared__ memory */
  void **arguments;      /* the address of each */
};

enum class Order { forward, backward, shuffle };

void launch_run(const Launch &launch, Order order, uint64_t seed);
void launch_print_current();
