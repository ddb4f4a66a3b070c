/* races.h: finds accesses of two threads to the same memory, one of them a write, with no
 * synchronisation in between. */
#pragma once
#include "launch.h"

/* A launch begins: its blocks have numbers of their own. */
void races_begin_launch(const Launch &launch);
void races_begin_block(unsigned threads);
/* All threads of the block have met. */
void races_barrier();
/* The lanes of `mask` of the warp that begins with thread `first` have met. */
void races_warp(int first, unsigned mask);
/* Some thread of the launch has called __threadfence: blocks may wait for each other's data. */
void races_fence();
/* Thread `thread` of the block is about to access memory; kind: CPU_READ … */
void races_access(int thread, const void *address, unsigned bytes, int kind, const void *code);
/* The thread that made the last access does something else: its write is done. */
void races_settle();
