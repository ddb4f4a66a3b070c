/* driver.h: what the files of the driver API share. */
#pragma once
#include "api.h"
#include "launch.h"
#include <functional>
#include <stdint.h>

/* One call of the API: takes the lock and says why the call may not be made. */
enum Needs { NEEDS_NOTHING, NEEDS_INIT, NEEDS_CONTEXT };
struct Call {
  CUresult refused;
  explicit Call(Needs needs);
  ~Call();
};
#define CTC_CALL(needs)                                                                            \
  Call ctc_call(needs);                                                                            \
  if (ctc_call.refused) return ctc_call.refused

/* Text and number of an environment variable; `other` if it is not set. */
const char *setting(const char *name, const char *other);
long setting_number(const char *name, long other);

/* --- memory.cpp --- */

struct Allocation {
  uintptr_t begin;
  size_t bytes;
  CUmemorytype type;
  size_t mapped; /* bytes of its own pages, which end with one that nobody may touch; 0: it is a
                    malloc */
};
/* The allocation in which [address, address + bytes) lies; NULL: none. */
const Allocation *allocation_at(uintptr_t address, size_t bytes);

/* While the device works, and not else, its memory can be read and written (if it is protected). */
void device_memory_open();
void device_memory_close();

/* --- stream.cpp --- */

typedef std::function<void()> Operation;
/* Puts work into a stream: it is done when somebody waits, or kept in the graph if the stream is
 * capturing. */
CUresult stream_add(CUstream stream, Operation operation);
CUresult stream_capturing(CUstream stream, bool *capturing);
/* Does all work that waits in streams. */
void streams_finish();
/* A call that no capture may see: ends the captures it would disturb, with the error that tells. */
CUresult refuse_during_capture();
/* A call that works in the legacy default stream. */
CUresult refuse_legacy_during_capture();
/* Whether a host function that a stream called is running: it may not call the API. */
bool in_host_function();
