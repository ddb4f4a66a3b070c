/* memory.cpp: device memory and pinned memory, which both are memory of the process: copies, fills
 * and what a pointer points to.
 *
 * An allocation is one malloc, so that AddressSanitizer knows its ends, and begins full of 0xff
 * bytes (NaN): reading what nobody wrote shows. Protected device memory can be accessed only while
 * the device works, so that a host program that takes a device address for its own is stopped: by
 * AddressSanitizer, or with CTC_CUDA_PROTECT=1 because its pages are closed. */
#include "driver.h"
#include "sanitizer.h"
#include <map>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static std::map<uintptr_t, Allocation> allocations; /* by the first address */
static size_t device_bytes;

enum { ALIGNMENT = 256 };

static size_t device_total() {
  return (size_t)setting_number("CTC_CUDA_MEMORY", 64L << 30);
}

const Allocation *allocation_at(uintptr_t address, size_t bytes) {
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin()) return nullptr;
  const Allocation &found = std::prev(after)->second;
  size_t offset = address - found.begin;
  return offset < found.bytes && bytes <= found.bytes - offset ? &found : nullptr;
}

static bool is_device(CUdeviceptr address, size_t bytes) {
  const Allocation *found = allocation_at((uintptr_t)address, bytes);
  return found && found->type == CU_MEMORYTYPE_DEVICE;
}

/* Memory that a stream may read or write later: a copy of anything else is over when the call
 * returns. */
static bool is_known(const void *p, size_t bytes) {
  return allocation_at((uintptr_t)p, bytes) != nullptr;
}

// --- protection ---

static int times_open;

static size_t pages(size_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  return (bytes + page - 1) / page * page;
}

static bool is_protected() {
  return setting_number("CTC_CUDA_PROTECT", __asan_init != nullptr) != 0;
}

static void protect(const Allocation &one, bool open) {
  if (one.mapped)
    mprotect((void *)(one.begin / pages(1) * pages(1)), one.mapped,
             open ? PROT_READ | PROT_WRITE : PROT_NONE);
  else if (!__asan_init)
    return;
  else if (open)
    __asan_unpoison_memory_region((void *)one.begin, one.bytes);
  else
    __asan_poison_memory_region((void *)one.begin, one.bytes);
}

static void protect_all(bool open) {
  if (!is_protected()) return;
  for (auto &entry : allocations)
    if (entry.second.type == CU_MEMORYTYPE_DEVICE) protect(entry.second, open);
}

void device_memory_open() {
  if (!times_open++) protect_all(true);
}

void device_memory_close() {
  if (!--times_open) protect_all(false);
}

// --- allocations ---

/* Pages of its own: the last byte, up to the alignment, lies before a page that nobody may touch.
 */
static bool map_allocation(Allocation *made) {
  size_t used = (made->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  made->mapped = pages(used);
  char *place = (char *)mmap(nullptr, made->mapped + pages(1), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED || mprotect(place + made->mapped, pages(1), PROT_NONE)) return false;
  made->begin = (uintptr_t)place + made->mapped - used;
  return true;
}

static bool malloc_allocation(Allocation *made) {
  void *memory;
  if (posix_memalign(&memory, ALIGNMENT, made->bytes)) return false;
  made->begin = (uintptr_t)memory;
  return true;
}

static void free_allocation(const Allocation &one) {
  if (one.mapped) {
    munmap((void *)(one.begin / pages(1) * pages(1)), one.mapped + pages(1));
    return;
  }
  protect(one, true);
  free((void *)one.begin);
}

static CUresult allocate(uintptr_t *address, size_t bytes, CUmemorytype type) {
  if (!address || !bytes) return CUDA_ERROR_INVALID_VALUE;
  if (CUresult refused = refuse_during_capture()) return refused;
  bool on_device = type == CU_MEMORYTYPE_DEVICE;
  if (on_device && bytes > device_total() - device_bytes) return CUDA_ERROR_OUT_OF_MEMORY;
  Allocation made = {0, bytes, type, 0};
  bool own_pages = on_device && is_protected() && !__asan_init;
  if (!(own_pages ? map_allocation(&made) : malloc_allocation(&made)))
    return CUDA_ERROR_OUT_OF_MEMORY;
  memset((void *)made.begin, 0xff, bytes);
  if (on_device) device_bytes += bytes;
  if (on_device && is_protected()) protect(made, false);
  allocations[made.begin] = made;
  *address = made.begin;
  return CUDA_SUCCESS;
}

static CUresult release(uintptr_t address, CUmemorytype type) {
  if (!address) return CUDA_SUCCESS;
  auto found = allocations.find(address);
  if (found == allocations.end() || found->second.type != type) return CUDA_ERROR_INVALID_VALUE;
  if (CUresult refused = refuse_during_capture()) return refused;
  streams_finish();
  if (type == CU_MEMORYTYPE_DEVICE) device_bytes -= found->second.bytes;
  free_allocation(found->second);
  allocations.erase(found);
  return CUDA_SUCCESS;
}

CTC_API CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  CTC_CALL(NEEDS_CONTEXT);
  uintptr_t place;
  CUresult result = allocate(address ? &place : nullptr, bytes, CU_MEMORYTYPE_DEVICE);
  if (!result) *address = place;
  return result;
}

CTC_API CUresult cuMemFree_v2(CUdeviceptr address) {
  CTC_CALL(NEEDS_CONTEXT);
  return release((uintptr_t)address, CU_MEMORYTYPE_DEVICE);
}

CTC_API CUresult cuMemAllocHost_v2(void **address, size_t bytes) {
  CTC_CALL(NEEDS_CONTEXT);
  uintptr_t place;
  CUresult result = allocate(address ? &place : nullptr, bytes, CU_MEMORYTYPE_HOST);
  if (!result) *address = (void *)place;
  return result;
}

CTC_API CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  return cuMemAllocHost_v2(address, bytes);
}

CTC_API CUresult cuMemFreeHost(void *address) {
  CTC_CALL(NEEDS_CONTEXT);
  return release((uintptr_t)address, CU_MEMORYTYPE_HOST);
}

CTC_API CUresult cuMemGetInfo_v2(size_t *available, size_t *total) {
  CTC_CALL(NEEDS_CONTEXT);
  if (available) *available = device_total() - device_bytes;
  if (total) *total = device_total();
  return CUDA_SUCCESS;
}

// --- copies ---

/* A copy that is over when the call returns. */
static CUresult copy_now(void *to, const void *from, size_t bytes) {
  if (CUresult refused = refuse_legacy_during_capture()) return refused;
  streams_finish();
  device_memory_open();
  memmove(to, from, bytes);
  device_memory_close();
  return CUDA_SUCCESS;
}

/* A copy in a stream. Memory that is neither pinned nor the device's is copied before the call
 * returns, as CUDA does by way of a buffer of its own. */
static CUresult copy_in_stream(void *to, const void *from, size_t bytes, CUstream stream) {
  bool capturing;
  if (CUresult refused = stream_capturing(stream, &capturing)) return refused;
  CUresult result = stream_add(stream, [=] { memmove(to, from, bytes); });
  if (!result && !capturing && !(is_known(to, bytes) && is_known(from, bytes))) streams_finish();
  return result;
}

CTC_API CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!bytes) return CUDA_SUCCESS;
  if (!from || !is_device(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
  return copy_now((void *)to, from, bytes);
}

CTC_API CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!bytes) return CUDA_SUCCESS;
  if (!to || !is_device(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
  return copy_now(to, (void *)from, bytes);
}

CTC_API CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!bytes) return CUDA_SUCCESS;
  if (!is_device(to, bytes) || !is_device(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
  return copy_now((void *)to, (void *)from, bytes);
}

CTC_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes,
                                      CUstream stream) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!bytes) return CUDA_SUCCESS;
  if (!from || !is_device(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
  return copy_in_stream((void *)to, from, bytes, stream);
}

CTC_API CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!bytes) return CUDA_SUCCESS;
  if (!to || !is_device(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
  return copy_in_stream(to, (void *)from, bytes, stream);
}

CTC_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes,
                                      CUstream stream) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!bytes) return CUDA_SUCCESS;
  if (!is_device(to, bytes) || !is_device(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
  return copy_in_stream((void *)to, (void *)from, bytes, stream);
}

/* Any direction: what the addresses are tells it. A range that begins in an allocation must end in
 * it. */
CTC_API CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!bytes) return CUDA_SUCCESS;
  for (CUdeviceptr end : {to, from})
    if (!end || (allocation_at((uintptr_t)end, 1) && !allocation_at((uintptr_t)end, bytes)))
      return CUDA_ERROR_INVALID_VALUE;
  return copy_in_stream((void *)to, (void *)from, bytes, stream);
}

CTC_API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes,
                                 CUstream stream) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!bytes) return CUDA_SUCCESS;
  if (!is_device(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
  return stream_add(stream, [=] { memset((void *)to, value, bytes); });
}

CTC_API CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t bytes) {
  return cuMemsetD8Async(to, value, bytes, nullptr);
}

// --- pointers ---

CTC_API CUresult cuPointerGetAttribute(void *value, CUpointer_attribute attribute,
                                       CUdeviceptr address) {
  CTC_CALL(NEEDS_CONTEXT);
  const Allocation *found = allocation_at((uintptr_t)address, 1);
  if (!value || !found) return CUDA_ERROR_INVALID_VALUE;
  switch (attribute) {
  case CU_POINTER_ATTRIBUTE_MEMORY_TYPE: *(unsigned *)value = found->type; return CUDA_SUCCESS;
  case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: *(CUdeviceptr *)value = address; return CUDA_SUCCESS;
  case CU_POINTER_ATTRIBUTE_HOST_POINTER:
    if (found->type != CU_MEMORYTYPE_HOST) return CUDA_ERROR_INVALID_VALUE;
    *(void **)value = (void *)address;
    return CUDA_SUCCESS;
  case CU_POINTER_ATTRIBUTE_IS_MANAGED: *(unsigned *)value = 0; return CUDA_SUCCESS;
  case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: *(int *)value = 0; return CUDA_SUCCESS;
  case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    *(void **)value = (void *)found->begin;
    return CUDA_SUCCESS;
  case CU_POINTER_ATTRIBUTE_RANGE_SIZE: *(size_t *)value = found->bytes; return CUDA_SUCCESS;
  default: return CUDA_ERROR_INVALID_VALUE;
  }
}
