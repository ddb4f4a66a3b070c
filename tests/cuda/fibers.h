/* fibers.h: stacks to switch between inside one thread of the system. */
#pragma once
#include <stddef.h>

struct Fiber;

/* A fiber for the stack that is running now. */
Fiber *fiber_of_caller();

/* A fiber with a stack of its own that will run entry(), which never returns. */
Fiber *fiber_new(void (*entry)());

/* Stops `from`, which is running, and goes on in `to`. */
void fiber_switch(Fiber *from, Fiber *to);
