/* stream.cpp: streams, events, captures and graphs.
 *
 * Work that is put into a stream waits there until somebody waits for it (a synchronising call, a
 * copy of pageable memory, a free): a host program that forgets to wait reads what was there
 * before. All streams share one queue, in the order of the calls, which is one of the orders that
 * CUDA may take. A capturing stream keeps its work instead, and a graph is that list. */
#include "driver.h"
#include <chrono>
#include <set>
#include <thread>
#include <vector>

typedef std::vector<Operation> Operations;

struct Stream {
  unsigned flags;
  CUstreamCaptureStatus capture;
  CUstreamCaptureMode mode;
  std::thread::id owner; /* of the capture */
  Operations captured;
};

struct Graph {
  Operations operations;
};

struct GraphExec {
  Operations operations;
};

struct Event {
  unsigned flags;
  bool recorded, done, captured;
  std::chrono::steady_clock::time_point time;
};

static Operations queue;
static std::set<Stream *> streams;
static std::set<Event *> events;
static std::set<Graph *> graphs;
static std::set<GraphExec *> executables;
static Stream legacy;
static bool calls_host;

template <class T> static bool is_one_of(const std::set<T *> &all, T *one) {
  return all.count(one) != 0;
}

/* The stream of a handle: 0, 1 (legacy) and 2 (per thread) are the default one. NULL: no stream. */
static Stream *stream_of(CUstream handle) {
  if ((uintptr_t)handle <= 2) return &legacy;
  return is_one_of(streams, handle) ? handle : nullptr;
}

// --- work ---

bool in_host_function() {
  return calls_host;
}

void streams_finish() {
  if (queue.empty()) return;
  device_memory_open();
  Operations work;
  work.swap(queue);
  for (Operation &operation : work) operation();
  device_memory_close();
}

CUresult stream_add(CUstream handle, Operation operation) {
  Stream *stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture == CU_STREAM_CAPTURE_STATUS_INVALIDATED)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (stream->capture == CU_STREAM_CAPTURE_STATUS_ACTIVE) {
    stream->captured.push_back(std::move(operation));
    return CUDA_SUCCESS;
  }
  if (stream == &legacy)
    if (CUresult refused = refuse_legacy_during_capture()) return refused;
  queue.push_back(std::move(operation));
  return CUDA_SUCCESS;
}

CUresult stream_capturing(CUstream handle, bool *capturing) {
  Stream *stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  *capturing = stream->capture != CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}

// --- what a capture forbids ---

static bool is_active(const Stream *stream) {
  return stream->capture == CU_STREAM_CAPTURE_STATUS_ACTIVE;
}

/* Ends the captures that `disturbed` says; whether there was one. */
template <class Disturbed> static bool invalidate(Disturbed disturbed) {
  bool any = false;
  for (Stream *stream : streams) {
    if (!is_active(stream) || !disturbed(stream)) continue;
    stream->capture = CU_STREAM_CAPTURE_STATUS_INVALIDATED;
    any = true;
  }
  return any;
}

CUresult refuse_during_capture() {
  bool any = invalidate([](const Stream *stream) {
    return stream->mode == CU_STREAM_CAPTURE_MODE_GLOBAL ||
           (stream->mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL &&
            stream->owner == std::this_thread::get_id());
  });
  return any ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
}

CUresult refuse_legacy_during_capture() {
  bool any =
      invalidate([](const Stream *stream) { return !(stream->flags & CU_STREAM_NON_BLOCKING); });
  return any ? CUDA_ERROR_STREAM_CAPTURE_IMPLICIT : refuse_during_capture();
}

// --- streams ---

CTC_API CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!stream || flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
  *stream = new Stream();
  (*stream)->flags = flags;
  streams.insert(*stream);
  return CUDA_SUCCESS;
}

CTC_API CUresult cuStreamDestroy_v2(CUstream stream) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!is_one_of(streams, stream)) return CUDA_ERROR_INVALID_HANDLE;
  streams_finish();
  streams.erase(stream);
  delete stream;
  return CUDA_SUCCESS;
}

/* What waiting for a stream needs; invalidates its own capture. */
static CUresult may_wait(CUstream handle) {
  Stream *stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream == &legacy) return refuse_legacy_during_capture();
  if (stream->capture == CU_STREAM_CAPTURE_STATUS_INVALIDATED)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!is_active(stream)) return CUDA_SUCCESS;
  stream->capture = CU_STREAM_CAPTURE_STATUS_INVALIDATED;
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CTC_API CUresult cuStreamSynchronize(CUstream stream) {
  CTC_CALL(NEEDS_CONTEXT);
  CUresult refused = may_wait(stream);
  if (!refused) streams_finish();
  return refused;
}

/* As CUDA may: what waits has not been done until it is waited for. */
CTC_API CUresult cuStreamQuery(CUstream stream) {
  CTC_CALL(NEEDS_CONTEXT);
  if (CUresult refused = may_wait(stream)) return refused;
  bool waits = !queue.empty();
  streams_finish();
  return waits ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

CTC_API CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void *data) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!function) return CUDA_ERROR_INVALID_VALUE;
  return stream_add(stream, [=] {
    device_memory_close();
    calls_host = true;
    function(data);
    calls_host = false;
    device_memory_open();
  });
}

/* Not of CUDA: work of the device's that is no kernel, for stand-ins of libraries. */
CTC_API CUresult ctcStandInWork(CUstream stream, CUhostFn function, void *data) {
  CTC_CALL(NEEDS_CONTEXT);
  return stream_add(stream, [=] { function(data); });
}

// --- captures ---

CTC_API CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
  CTC_CALL(NEEDS_CONTEXT);
  Stream *stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (mode < CU_STREAM_CAPTURE_MODE_GLOBAL || mode > CU_STREAM_CAPTURE_MODE_RELAXED)
    return CUDA_ERROR_INVALID_VALUE;
  if (stream == &legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream->capture != CU_STREAM_CAPTURE_STATUS_NONE) return CUDA_ERROR_ILLEGAL_STATE;
  stream->capture = CU_STREAM_CAPTURE_STATUS_ACTIVE;
  stream->mode = mode;
  stream->owner = std::this_thread::get_id();
  stream->captured.clear();
  return CUDA_SUCCESS;
}

CTC_API CUresult cuStreamEndCapture(CUstream handle, CUgraph *graph) {
  CTC_CALL(NEEDS_CONTEXT);
  Stream *stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (!graph) return CUDA_ERROR_INVALID_VALUE;
  *graph = nullptr;
  CUstreamCaptureStatus status = stream->capture;
  if (status == CU_STREAM_CAPTURE_STATUS_NONE) return CUDA_ERROR_ILLEGAL_STATE;
  if (stream->mode != CU_STREAM_CAPTURE_MODE_RELAXED && stream->owner != std::this_thread::get_id())
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  stream->capture = CU_STREAM_CAPTURE_STATUS_NONE;
  if (status == CU_STREAM_CAPTURE_STATUS_INVALIDATED) {
    stream->captured.clear();
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  *graph = new Graph{std::move(stream->captured)};
  stream->captured.clear();
  graphs.insert(*graph);
  return CUDA_SUCCESS;
}

CTC_API CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *status) {
  CTC_CALL(NEEDS_CONTEXT);
  Stream *stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (!status) return CUDA_ERROR_INVALID_VALUE;
  *status = stream->capture;
  return CUDA_SUCCESS;
}

// --- graphs ---

CTC_API CUresult cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph,
                                             unsigned long long) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!executable || !is_one_of(graphs, graph)) return CUDA_ERROR_INVALID_VALUE;
  *executable = new GraphExec{graph->operations};
  executables.insert(*executable);
  return CUDA_SUCCESS;
}

CTC_API CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!is_one_of(executables, executable)) return CUDA_ERROR_INVALID_VALUE;
  for (const Operation &operation : executable->operations)
    if (CUresult refused = stream_add(stream, operation)) return refused;
  return CUDA_SUCCESS;
}

CTC_API CUresult cuGraphExecDestroy(CUgraphExec executable) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!is_one_of(executables, executable)) return CUDA_ERROR_INVALID_VALUE;
  executables.erase(executable);
  delete executable;
  return CUDA_SUCCESS;
}

CTC_API CUresult cuGraphDestroy(CUgraph graph) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!is_one_of(graphs, graph)) return CUDA_ERROR_INVALID_VALUE;
  graphs.erase(graph);
  delete graph;
  return CUDA_SUCCESS;
}

// --- events ---

CTC_API CUresult cuEventCreate(CUevent *event, unsigned flags) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!event) return CUDA_ERROR_INVALID_VALUE;
  *event = new Event();
  (*event)->flags = flags;
  events.insert(*event);
  return CUDA_SUCCESS;
}

CTC_API CUresult cuEventDestroy_v2(CUevent event) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!is_one_of(events, event)) return CUDA_ERROR_INVALID_HANDLE;
  streams_finish();
  events.erase(event);
  delete event;
  return CUDA_SUCCESS;
}

CTC_API CUresult cuEventRecord(CUevent event, CUstream stream) {
  CTC_CALL(NEEDS_CONTEXT);
  bool capturing;
  if (!is_one_of(events, event)) return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult refused = stream_capturing(stream, &capturing)) return refused;
  CUresult result = stream_add(stream, [=] {
    event->done = true;
    event->time = std::chrono::steady_clock::now();
  });
  if (result) return result;
  event->recorded = true;
  event->captured = capturing;
  event->done = false;
  return CUDA_SUCCESS;
}

CTC_API CUresult cuEventSynchronize(CUevent event) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!is_one_of(events, event)) return CUDA_ERROR_INVALID_HANDLE;
  if (event->captured) return CUDA_ERROR_CAPTURED_EVENT;
  if (CUresult refused = refuse_during_capture()) return refused;
  streams_finish();
  return CUDA_SUCCESS;
}

CTC_API CUresult cuEventQuery(CUevent event) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!is_one_of(events, event)) return CUDA_ERROR_INVALID_HANDLE;
  if (event->captured) return CUDA_ERROR_CAPTURED_EVENT;
  bool waits = event->recorded && !event->done;
  streams_finish();
  return waits ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

CTC_API CUresult cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!milliseconds) return CUDA_ERROR_INVALID_VALUE;
  for (CUevent event : {from, to}) {
    if (!is_one_of(events, event) || !event->recorded || event->flags & CU_EVENT_DISABLE_TIMING)
      return CUDA_ERROR_INVALID_HANDLE;
    if (event->captured) return CUDA_ERROR_CAPTURED_EVENT;
    if (!event->done) return CUDA_ERROR_NOT_READY;
  }
  *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return CUDA_SUCCESS;
}

CTC_API CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent from, CUevent to) {
  return cuEventElapsedTime(milliseconds, from, to);
}

/* All streams share one queue, so the event has come before. */
CTC_API CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!stream_of(stream) || !is_one_of(events, event)) return CUDA_ERROR_INVALID_HANDLE;
  return CUDA_SUCCESS;
}
