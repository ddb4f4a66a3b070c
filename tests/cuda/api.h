/* api.h: the part of CUDA's driver API and of NVRTC that the stand-in has, by its documented names
 * and numbers: no CUDA toolkit is needed to build it. tests/cuda_stand_in.py compares the numbers
 * with cuda.h where there is one. */
#pragma once
#include <stddef.h>

#define CTC_API extern "C" __attribute__((visibility("default")))

typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct Context *CUcontext;
typedef struct Module *CUmodule;
typedef struct Function *CUfunction;
typedef struct Stream *CUstream;
typedef struct Event *CUevent;
typedef struct Graph *CUgraph;
typedef struct GraphExec *CUgraphExec;
typedef void (*CUhostFn)(void *data);

/* RESULT(NAME, number, text) */
#define CTC_RESULTS(RESULT)                                                                        \
  RESULT(CUDA_SUCCESS, 0, "no error")                                                              \
  RESULT(CUDA_ERROR_INVALID_VALUE, 1, "invalid argument")                                          \
  RESULT(CUDA_ERROR_OUT_OF_MEMORY, 2, "out of memory")                                             \
  RESULT(CUDA_ERROR_NOT_INITIALIZED, 3, "initialization error")                                    \
  RESULT(CUDA_ERROR_NO_DEVICE, 100, "no CUDA-capable device is detected")                          \
  RESULT(CUDA_ERROR_INVALID_DEVICE, 101, "invalid device ordinal")                                 \
  RESULT(CUDA_ERROR_INVALID_IMAGE, 200, "device kernel image is invalid")                          \
  RESULT(CUDA_ERROR_INVALID_CONTEXT, 201, "invalid device context")                                \
  RESULT(CUDA_ERROR_NO_BINARY_FOR_GPU, 209, "no kernel image is available for the device")         \
  RESULT(CUDA_ERROR_INVALID_HANDLE, 400, "invalid resource handle")                                \
  RESULT(CUDA_ERROR_ILLEGAL_STATE, 401, "the operation cannot be performed in the present state")  \
  RESULT(CUDA_ERROR_NOT_FOUND, 500, "named symbol not found")                                      \
  RESULT(CUDA_ERROR_NOT_READY, 600, "device not ready")                                            \
  RESULT(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, 701, "too many resources requested for launch")       \
  RESULT(CUDA_ERROR_NOT_PERMITTED, 800, "operation not permitted")                                 \
  RESULT(CUDA_ERROR_NOT_SUPPORTED, 801, "operation not supported")                                 \
  RESULT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900,                                               \
         "operation not permitted when stream is capturing")                                       \
  RESULT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, 901,                                               \
         "operation failed due to a previous error during capture")                                \
  RESULT(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, 903, "the capture was not begun in this stream")     \
  RESULT(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, 906,                                                  \
         "operation would make the legacy stream depend on a capturing blocking stream")           \
  RESULT(CUDA_ERROR_CAPTURED_EVENT, 907,                                                           \
         "operation not permitted on an event last recorded in a capturing stream")                \
  RESULT(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, 908, "the capture was begun by another thread")   \
  RESULT(CUDA_ERROR_UNKNOWN, 999, "unknown error")

#define CTC_RESULT_ENUM(name, number, text) name = number,
typedef enum { CTC_RESULTS(CTC_RESULT_ENUM) } CUresult;

/* ATTRIBUTE(NAME, number, value): those of an H100, whose figures are public. */
#define CTC_DEVICE_ATTRIBUTES(ATTRIBUTE)                                                           \
  ATTRIBUTE(MAX_THREADS_PER_BLOCK, 1, 1024)                                                        \
  ATTRIBUTE(MAX_BLOCK_DIM_X, 2, 1024)                                                              \
  ATTRIBUTE(MAX_BLOCK_DIM_Y, 3, 1024)                                                              \
  ATTRIBUTE(MAX_BLOCK_DIM_Z, 4, 64)                                                                \
  ATTRIBUTE(MAX_GRID_DIM_X, 5, 2147483647)                                                         \
  ATTRIBUTE(MAX_GRID_DIM_Y, 6, 65535)                                                              \
  ATTRIBUTE(MAX_GRID_DIM_Z, 7, 65535)                                                              \
  ATTRIBUTE(MAX_SHARED_MEMORY_PER_BLOCK, 8, 49152)                                                 \
  ATTRIBUTE(TOTAL_CONSTANT_MEMORY, 9, 65536)                                                       \
  ATTRIBUTE(WARP_SIZE, 10, 32)                                                                     \
  ATTRIBUTE(MAX_REGISTERS_PER_BLOCK, 12, 65536)                                                    \
  ATTRIBUTE(CLOCK_RATE, 13, 1980000)                                                               \
  ATTRIBUTE(MULTIPROCESSOR_COUNT, 16, 132)                                                         \
  ATTRIBUTE(INTEGRATED, 18, 0)                                                                     \
  ATTRIBUTE(CAN_MAP_HOST_MEMORY, 19, 1)                                                            \
  ATTRIBUTE(COMPUTE_MODE, 20, 0)                                                                   \
  ATTRIBUTE(CONCURRENT_KERNELS, 31, 1)                                                             \
  ATTRIBUTE(MEMORY_CLOCK_RATE, 36, 2619000)                                                        \
  ATTRIBUTE(GLOBAL_MEMORY_BUS_WIDTH, 37, 5120)                                                     \
  ATTRIBUTE(L2_CACHE_SIZE, 38, 52428800)                                                           \
  ATTRIBUTE(MAX_THREADS_PER_MULTIPROCESSOR, 39, 2048)                                              \
  ATTRIBUTE(ASYNC_ENGINE_COUNT, 40, 3)                                                             \
  ATTRIBUTE(UNIFIED_ADDRESSING, 41, 1)                                                             \
  ATTRIBUTE(COMPUTE_CAPABILITY_MAJOR, 75, 9)                                                       \
  ATTRIBUTE(COMPUTE_CAPABILITY_MINOR, 76, 0)                                                       \
  ATTRIBUTE(MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 81, 233472)                                      \
  ATTRIBUTE(MAX_REGISTERS_PER_MULTIPROCESSOR, 82, 65536)                                           \
  ATTRIBUTE(MANAGED_MEMORY, 83, 0)                                                                 \
  ATTRIBUTE(COOPERATIVE_LAUNCH, 95, 0)                                                             \
  ATTRIBUTE(MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 97, 232448)                                         \
  ATTRIBUTE(MAX_BLOCKS_PER_MULTIPROCESSOR, 106, 32)                                                \
  ATTRIBUTE(RESERVED_SHARED_MEMORY_PER_BLOCK, 111, 1024)                                           \
  ATTRIBUTE(MEMORY_POOLS_SUPPORTED, 115, 0)

#define CTC_ATTRIBUTE_ENUM(name, number, value) CU_DEVICE_ATTRIBUTE_##name = number,
typedef enum { CTC_DEVICE_ATTRIBUTES(CTC_ATTRIBUTE_ENUM) } CUdevice_attribute;

/* The limits of a launch; the same numbers as above. */
enum { MAX_BLOCK_THREADS = 1024, MAX_BLOCK_DEPTH = 64, MAX_GRID_SIDE = 65535 };
enum { SHARED_DEFAULT = 49152, SHARED_MOST = 232448 };

typedef enum {
  CU_POINTER_ATTRIBUTE_CONTEXT = 1,
  CU_POINTER_ATTRIBUTE_MEMORY_TYPE = 2,
  CU_POINTER_ATTRIBUTE_DEVICE_POINTER = 3,
  CU_POINTER_ATTRIBUTE_HOST_POINTER = 4,
  CU_POINTER_ATTRIBUTE_IS_MANAGED = 8,
  CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL = 9,
  CU_POINTER_ATTRIBUTE_RANGE_START_ADDR = 11,
  CU_POINTER_ATTRIBUTE_RANGE_SIZE = 12,
} CUpointer_attribute;

typedef enum { CU_MEMORYTYPE_HOST = 1, CU_MEMORYTYPE_DEVICE = 2 } CUmemorytype;

typedef enum {
  CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 0,
  CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES = 1,
  CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES = 2,
  CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES = 3,
  CU_FUNC_ATTRIBUTE_NUM_REGS = 4,
  CU_FUNC_ATTRIBUTE_PTX_VERSION = 5,
  CU_FUNC_ATTRIBUTE_BINARY_VERSION = 6,
  CU_FUNC_ATTRIBUTE_CACHE_MODE_CA = 7,
  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
  CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT = 9,
} CUfunction_attribute;

typedef enum {
  CU_STREAM_CAPTURE_MODE_GLOBAL = 0,
  CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1,
  CU_STREAM_CAPTURE_MODE_RELAXED = 2,
} CUstreamCaptureMode;

typedef enum {
  CU_STREAM_CAPTURE_STATUS_NONE = 0,
  CU_STREAM_CAPTURE_STATUS_ACTIVE = 1,
  CU_STREAM_CAPTURE_STATUS_INVALIDATED = 2,
} CUstreamCaptureStatus;

enum { CU_STREAM_DEFAULT = 0, CU_STREAM_NON_BLOCKING = 1 };
enum { CU_EVENT_DEFAULT = 0, CU_EVENT_BLOCKING_SYNC = 1, CU_EVENT_DISABLE_TIMING = 2 };

typedef struct Program *nvrtcProgram;
typedef enum {
  NVRTC_SUCCESS = 0,
  NVRTC_ERROR_OUT_OF_MEMORY = 1,
  NVRTC_ERROR_PROGRAM_CREATION_FAILURE = 2,
  NVRTC_ERROR_INVALID_INPUT = 3,
  NVRTC_ERROR_INVALID_PROGRAM = 4,
  NVRTC_ERROR_INVALID_OPTION = 5,
  NVRTC_ERROR_COMPILATION = 6,
} nvrtcResult;
