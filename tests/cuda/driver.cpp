/* driver.cpp: the driver API's beginning: initialisation, the one device, contexts, and the names
 * of errors. */
#include "driver.h"
#include <mutex>
#include <stdlib.h>
#include <string.h>
#include <vector>

struct Context {
  int users; /* of the primary context */
};

static std::recursive_mutex lock;
static bool initialised;
static Context primary;
static thread_local std::vector<CUcontext> current; /* a stack; its last is the current one */

static CUcontext current_context() {
  return current.empty() ? nullptr : current.back();
}

static CUresult refusal(Needs needs) {
  if (in_host_function()) return CUDA_ERROR_NOT_PERMITTED;
  if (needs >= NEEDS_INIT && !initialised) return CUDA_ERROR_NOT_INITIALIZED;
  if (needs >= NEEDS_CONTEXT && (!current_context() || !primary.users))
    return CUDA_ERROR_INVALID_CONTEXT;
  return CUDA_SUCCESS;
}

Call::Call(Needs needs) {
  lock.lock();
  refused = refusal(needs);
}

Call::~Call() {
  lock.unlock();
}

const char *setting(const char *name, const char *other) {
  const char *text = getenv(name);
  return text && *text ? text : other;
}

long setting_number(const char *name, long other) {
  const char *text = setting(name, nullptr);
  return text ? strtol(text, nullptr, 0) : other;
}

// --- the driver and its device ---

CTC_API CUresult cuInit(unsigned flags) {
  CTC_CALL(NEEDS_NOTHING);
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  if (setting_number("CTC_CUDA_DEVICES", 1) < 1) return CUDA_ERROR_NO_DEVICE;
  initialised = true;
  return CUDA_SUCCESS;
}

CTC_API CUresult cuDriverGetVersion(int *version) {
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  *version = 13000;
  return CUDA_SUCCESS;
}

CTC_API CUresult cuDeviceGetCount(int *count) {
  CTC_CALL(NEEDS_INIT);
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  *count = 1;
  return CUDA_SUCCESS;
}

CTC_API CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  CTC_CALL(NEEDS_INIT);
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  if (ordinal) return CUDA_ERROR_INVALID_DEVICE;
  *device = 0;
  return CUDA_SUCCESS;
}

CTC_API CUresult cuDeviceGetName(char *name, int size, CUdevice device) {
  CTC_CALL(NEEDS_INIT);
  if (!name || size < 1) return CUDA_ERROR_INVALID_VALUE;
  if (device) return CUDA_ERROR_INVALID_DEVICE;
  strncpy(name, "CUDA on the CPU", (size_t)size);
  name[size - 1] = 0;
  return CUDA_SUCCESS;
}

/* CTC_CUDA_ARCH=75 makes a device of compute capability 7.5. */
static int attribute_value(int attribute, int value) {
  int arch = (int)setting_number("CTC_CUDA_ARCH", 90);
  if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) return arch / 10;
  if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR) return arch % 10;
  return value;
}

CTC_API CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
  static const struct {
    int attribute, value;
  } table[] = {
#define ROW(name, number, value) {number, value},
      CTC_DEVICE_ATTRIBUTES(ROW)};
  CTC_CALL(NEEDS_INIT);
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  if (device) return CUDA_ERROR_INVALID_DEVICE;
  for (const auto &row : table) {
    if (row.attribute != attribute) continue;
    *value = attribute_value(attribute, row.value);
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

// --- contexts ---

CTC_API CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  CTC_CALL(NEEDS_INIT);
  if (!context) return CUDA_ERROR_INVALID_VALUE;
  if (device) return CUDA_ERROR_INVALID_DEVICE;
  primary.users++;
  *context = &primary;
  return CUDA_SUCCESS;
}

CTC_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  CTC_CALL(NEEDS_INIT);
  if (device) return CUDA_ERROR_INVALID_DEVICE;
  if (!primary.users) return CUDA_ERROR_INVALID_CONTEXT;
  if (primary.users == 1) streams_finish();
  primary.users--;
  return CUDA_SUCCESS;
}

CTC_API CUresult cuCtxGetCurrent(CUcontext *context) {
  CTC_CALL(NEEDS_INIT);
  if (!context) return CUDA_ERROR_INVALID_VALUE;
  *context = current_context();
  return CUDA_SUCCESS;
}

static bool is_context(CUcontext context) {
  return context == &primary && primary.users;
}

CTC_API CUresult cuCtxSetCurrent(CUcontext context) {
  CTC_CALL(NEEDS_INIT);
  if (context && !is_context(context)) return CUDA_ERROR_INVALID_CONTEXT;
  if (!current.empty()) current.pop_back();
  if (context) current.push_back(context);
  return CUDA_SUCCESS;
}

CTC_API CUresult cuCtxPushCurrent_v2(CUcontext context) {
  CTC_CALL(NEEDS_INIT);
  if (!is_context(context)) return CUDA_ERROR_INVALID_CONTEXT;
  current.push_back(context);
  return CUDA_SUCCESS;
}

CTC_API CUresult cuCtxPopCurrent_v2(CUcontext *context) {
  CTC_CALL(NEEDS_INIT);
  if (current.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (context) *context = current.back();
  current.pop_back();
  return CUDA_SUCCESS;
}

CTC_API CUresult cuCtxGetDevice(CUdevice *device) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  *device = 0;
  return CUDA_SUCCESS;
}

CTC_API CUresult cuCtxSynchronize() {
  CTC_CALL(NEEDS_CONTEXT);
  if (CUresult refused = refuse_during_capture()) return refused;
  streams_finish();
  return CUDA_SUCCESS;
}

// --- errors ---

static const struct {
  CUresult result;
  const char *name, *text;
} results[] = {
#define RESULT_ROW(name, number, text) {name, #name, text},
    CTC_RESULTS(RESULT_ROW)};

CTC_API CUresult cuGetErrorName(CUresult result, const char **name) {
  for (const auto &row : results) {
    if (row.result != result) continue;
    *name = row.name;
    return CUDA_SUCCESS;
  }
  *name = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}

CTC_API CUresult cuGetErrorString(CUresult result, const char **text) {
  for (const auto &row : results) {
    if (row.result != result) continue;
    *text = row.text;
    return CUDA_SUCCESS;
  }
  *text = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}
