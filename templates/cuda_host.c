/* A function of a library that is opened when the program runs, and where its address goes in a struct of them. */
typedef struct {
  const char *name;
  size_t at;
} ctc_gpu_function;

/* The driver's functions that are used. */
typedef struct {
  int (*init)(unsigned flags);
  int (*device_count)(int *count);
  int (*device)(int *device, int ordinal);
  int (*attribute)(int *value, int attribute, int device);
  int (*retain)(void **context, int device);
  int (*release)(int device);
  int (*push)(void *context);
  int (*pop)(void **context);
  int (*wait_all)(void);
  int (*load)(void **module, const void *image);
  int (*unload)(void *module);
  int (*function)(void **function, void *module, const char *name);
  int (*allocate)(uint64_t *address, size_t bytes);
  int (*release_memory)(uint64_t address);
  int (*pointer)(void *value, int attribute, uint64_t pointer);
  int (*to_device)(uint64_t to, const void *from, size_t bytes, void *stream);
  int (*to_host)(void *to, uint64_t from, size_t bytes, void *stream);
  int (*on_device)(uint64_t to, uint64_t from, size_t bytes, void *stream);
  int (*fill)(uint64_t to, unsigned char value, size_t count, void *stream);
  int (*stream)(void **stream, unsigned flags);
  int (*end_stream)(void *stream);
  int (*wait)(void *stream);
  int (*launch)(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                unsigned block_y, unsigned block_z, unsigned shared, void *stream, void **parameters,
                void **extra);
  int (*capture)(void *stream, int mode);
  int (*end_capture)(void *stream, void **graph);
  int (*instantiate)(void **executable, void *graph, unsigned long long flags);
  int (*run_graph)(void *executable, void *stream);
  int (*end_executable)(void *executable);
  int (*end_graph)(void *graph);
  int (*error_text)(int error, const char **text);
} ctc_driver;

static const ctc_gpu_function ctc_driver_functions[] = {
    {"cuInit", offsetof(ctc_driver, init)},
    {"cuDeviceGetCount", offsetof(ctc_driver, device_count)},
    {"cuDeviceGet", offsetof(ctc_driver, device)},
    {"cuDeviceGetAttribute", offsetof(ctc_driver, attribute)},
    {"cuDevicePrimaryCtxRetain", offsetof(ctc_driver, retain)},
    {"cuDevicePrimaryCtxRelease_v2", offsetof(ctc_driver, release)},
    {"cuCtxPushCurrent_v2", offsetof(ctc_driver, push)},
    {"cuCtxPopCurrent_v2", offsetof(ctc_driver, pop)},
    {"cuCtxSynchronize", offsetof(ctc_driver, wait_all)},
    {"cuModuleLoadData", offsetof(ctc_driver, load)},
    {"cuModuleUnload", offsetof(ctc_driver, unload)},
    {"cuModuleGetFunction", offsetof(ctc_driver, function)},
    {"cuMemAlloc_v2", offsetof(ctc_driver, allocate)},
    {"cuMemFree_v2", offsetof(ctc_driver, release_memory)},
    {"cuPointerGetAttribute", offsetof(ctc_driver, pointer)},
    {"cuMemcpyHtoDAsync_v2", offsetof(ctc_driver, to_device)},
    {"cuMemcpyDtoHAsync_v2", offsetof(ctc_driver, to_host)},
    {"cuMemcpyDtoDAsync_v2", offsetof(ctc_driver, on_device)},
    {"cuMemsetD8Async", offsetof(ctc_driver, fill)},
    {"cuStreamCreate", offsetof(ctc_driver, stream)},
    {"cuStreamDestroy_v2", offsetof(ctc_driver, end_stream)},
    {"cuStreamSynchronize", offsetof(ctc_driver, wait)},
    {"cuLaunchKernel", offsetof(ctc_driver, launch)},
    {"cuStreamBeginCapture_v2", offsetof(ctc_driver, capture)},
    {"cuStreamEndCapture", offsetof(ctc_driver, end_capture)},
    {"cuGraphInstantiateWithFlags", offsetof(ctc_driver, instantiate)},
    {"cuGraphLaunch", offsetof(ctc_driver, run_graph)},
    {"cuGraphExecDestroy", offsetof(ctc_driver, end_executable)},
    {"cuGraphDestroy", offsetof(ctc_driver, end_graph)},
    {"cuGetErrorString", offsetof(ctc_driver, error_text)},
};

/* Puts the library's functions into the struct `to`; the name of one that it does not have, or NULL. */
static const char *ctc_gpu_functions(void *library, const ctc_gpu_function *functions, size_t count, void *to) {
  for (size_t i = 0; i < count; i++) {
    void *function = dlsym(library, functions[i].name);
    if (!function) return functions[i].name;
    memcpy((char *)to + functions[i].at, &function, sizeof function);
  }
  return NULL;
}

/* A __global__ function of the kernel text and the threads of its blocks. */
typedef struct {
  const char *name;
  unsigned threads;
} ctc_gpu_kernel;

//$ if libraries
enum { CTC_LIBRARIES = $library_count, CTC_LIBRARY_STEPS = $library_step_count };

//$ end
/* A model on a device. */
typedef struct ctc_gpu {
  ctc_driver cu;
  void *driver, *context, *module, *own_stream, *stream; /* stream: that of the current run */
  int device;
  const void *weights; /* the bytes of the weights file */
  const ctc_gpu_kernel *kernels;
  void **functions; /* of the kernels */
  int kernel_count;
  uint64_t constants;
  /* One piece of memory: workspace, inputs and outputs of the host's, a status. */
  uint64_t memory, memory_bytes, workspace, status;
  char *mirror; /* the same on the host, for steps that run there */
  void *executable; /* the graph of the last run */
  uint64_t *key;    /* what it was recorded for: addresses and dims */
  int key_count;
  int skip; /* launches are in the graph already */
//$ if libraries
  ctc_library libraries[CTC_LIBRARIES];
  ctc_library_step library_steps[CTC_LIBRARY_STEPS + 1]; /* those that a library may do */
  uint64_t library_workspace;
  char library_text[1024];
//$ end
  char message[4096];
} ctc_gpu;

#define CTC_TRY(call)                     \
  do {                                    \
    const int status_ = (call);           \
    if (status_ != CTC_OK) return status_; \
  } while (0)

static int ctc_gpu_fail(ctc_gpu *gpu, int status, const char *what, const char *detail) {
  snprintf(gpu->message, sizeof gpu->message, "%s%s%s", what, detail[0] ? ": " : "", detail);
  return status;
}

/* A status for what the driver answered. */
static int ctc_gpu_check(ctc_gpu *gpu, int error, const char *what) {
  const char *text = NULL;
  char number[32];
  if (error == 0) return CTC_OK;
  snprintf(number, sizeof number, "CUDA error %d", error);
  if (gpu->cu.error_text && gpu->cu.error_text(error, &text) != 0) text = NULL;
  return ctc_gpu_fail(gpu, error == 2 ? CTC_GPU_MEMORY : CTC_GPU_FAILED, what, text ? text : number);
}

/* --- steps --- */

#ifdef CTC_PROFILE
/* For measuring: told that launches of a kernel begin (1), of which it wants so many, and that they have ended (0). */
int (*ctc_profile_hook)(const char *kernel, void *stream, int begins);
#endif

static int ctc_launch_once(ctc_gpu *gpu, int kernel, int64_t blocks, void **parameters) {
  return ctc_gpu_check(gpu,
                       gpu->cu.launch(gpu->functions[kernel], (unsigned)blocks, 1, 1,
                                      gpu->kernels[kernel].threads, 1, 1, 0, gpu->stream, parameters, NULL),
                       gpu->kernels[kernel].name);
}

static int ctc_launch(ctc_gpu *gpu, int kernel, int64_t blocks, const uint64_t *p, size_t pointers,
                      const int64_t *n, size_t sizes) {
  void *parameters[CTC_GPU_PARAMETERS];
  if (blocks <= 0 || gpu->skip) return CTC_OK;
  if (blocks > 2147483647) return ctc_gpu_fail(gpu, CTC_BAD_SHAPE, "too many blocks", gpu->kernels[kernel].name);
  for (size_t i = 0; i < pointers; i++) parameters[i] = (void *)(uintptr_t)&p[i];
  for (size_t i = 0; i < sizes; i++) parameters[pointers + i] = (void *)(uintptr_t)&n[i];
#ifdef CTC_PROFILE
  if (ctc_profile_hook) {
    for (int more = ctc_profile_hook(gpu->kernels[kernel].name, gpu->stream, 1); more > 0; more--)
      CTC_TRY(ctc_launch_once(gpu, kernel, blocks, parameters));
    (void)ctc_profile_hook(gpu->kernels[kernel].name, gpu->stream, 0);
  }
#endif
  return ctc_launch_once(gpu, kernel, blocks, parameters);
}

$cuda_libraries
static int ctc_upload(ctc_gpu *gpu, int64_t at, const void *data, int64_t bytes) {
  return ctc_gpu_check(gpu,
                       gpu->cu.to_device(gpu->constants + (uint64_t)at, data, (size_t)bytes, gpu->own_stream),
                       "copying constants to the device");
}

static int ctc_wait(ctc_gpu *gpu) {
  return ctc_gpu_check(gpu, gpu->cu.wait(gpu->stream), "running the model");
}

//$ if fetches
/* A number that the host has to know before it can go on. */
static int ctc_fetch(ctc_gpu *gpu, void *to, uint64_t from, size_t bytes) {
  CTC_TRY(ctc_gpu_check(gpu, gpu->cu.to_host(to, from, bytes, gpu->stream), "reading a number"));
  return ctc_wait(gpu);
}

//$ end
//$ if host_steps
/* Where the host's copy of a place in the device's memory is. */
static void *ctc_mirror(const ctc_gpu *gpu, uint64_t address) {
  return gpu->mirror + (address - gpu->memory);
}

static int ctc_copy_to_host(ctc_gpu *gpu, uint64_t address, int64_t bytes) {
  if (bytes <= 0) return CTC_OK;
  return ctc_gpu_check(gpu, gpu->cu.to_host(ctc_mirror(gpu, address), address, (size_t)bytes, gpu->stream),
                       "copying to the host");
}

static int ctc_copy_back(ctc_gpu *gpu, uint64_t address, int64_t bytes) {
  if (bytes <= 0) return CTC_OK;
  return ctc_gpu_check(gpu, gpu->cu.to_device(address, ctc_mirror(gpu, address), (size_t)bytes, gpu->stream),
                       "copying to the device");
}

//$ end
/* --- memory of a run --- */

/* Of a tensor; a count that subtracts may come out negative for a capacity that is too small, which a step will tell. */
static uint64_t ctc_gpu_bytes(int64_t count, uint64_t element) {
  return count > 0 ? (uint64_t)count * element : 0;
}

static uint64_t ctc_gpu_round(uint64_t bytes) {
  return (bytes + 255) / 256 * 256;
}

/* Whether a pointer of the caller's is of the device's memory. */
static int ctc_gpu_is_device(const ctc_gpu *gpu, const void *pointer) {
  unsigned kind = 0;
  enum { MEMORY_TYPE = 2, DEVICE = 2 };
  return gpu->cu.pointer(&kind, MEMORY_TYPE, (uint64_t)(uintptr_t)pointer) == 0 && kind == DEVICE;
}

static void ctc_gpu_forget_graph(ctc_gpu *gpu) {
  if (gpu->executable) gpu->cu.end_executable(gpu->executable);
  gpu->executable = NULL;
}

/* Memory for `bytes`; grows only. */
static int ctc_gpu_reserve(ctc_gpu *gpu, uint64_t bytes) {
  if (bytes <= gpu->memory_bytes) return CTC_OK;
  ctc_gpu_forget_graph(gpu);
  if (gpu->memory) {
    CTC_TRY(ctc_gpu_check(gpu, gpu->cu.wait_all(), "running the model")); /* runs on other streams, too */
    gpu->cu.release_memory(gpu->memory);
  }
  gpu->memory = gpu->memory_bytes = 0;
  free(gpu->mirror);
  gpu->mirror = NULL;
  CTC_TRY(ctc_gpu_check(gpu, gpu->cu.allocate(&gpu->memory, (size_t)bytes), "allocating memory"));
  gpu->memory_bytes = bytes;
//$ if host_steps
  gpu->mirror = (char *)malloc((size_t)bytes);
  if (!gpu->mirror) return ctc_gpu_fail(gpu, CTC_GPU_MEMORY, "out of memory", "");
//$ end
  return CTC_OK;
}

/* Gives each input and output an address on the device: the caller's, or one in the model's memory;
 * inputs are copied there. */
static int ctc_gpu_place(ctc_gpu *gpu, uint64_t workspace, void *const *pointers, const uint64_t *bytes,
                         int inputs, int ports, uint64_t *address) {
  uint64_t total = ctc_gpu_round(workspace) + 256;
  for (int i = 0; i < ports; i++) total += ctc_gpu_round(bytes[i]);
  CTC_TRY(ctc_gpu_reserve(gpu, total));
  gpu->workspace = gpu->memory;
  gpu->status = gpu->memory + ctc_gpu_round(workspace);
  uint64_t at = gpu->status + 256;
  for (int i = 0; i < ports; i++) {
    const int device = ctc_gpu_is_device(gpu, pointers[i]);
//$ if host_steps
    address[i] = at; /* what the host's steps use is in the model's own memory */
//$ else
    address[i] = device ? (uint64_t)(uintptr_t)pointers[i] : at;
//$ end
    at += ctc_gpu_round(bytes[i]);
    if (i >= inputs || bytes[i] == 0 || address[i] == (uint64_t)(uintptr_t)pointers[i]) continue;
    CTC_TRY(ctc_gpu_check(
        gpu,
        device ? gpu->cu.on_device(address[i], (uint64_t)(uintptr_t)pointers[i], (size_t)bytes[i], gpu->stream)
               : gpu->cu.to_device(address[i], pointers[i], (size_t)bytes[i], gpu->stream),
        "copying an input"));
  }
//$ if statuses
  CTC_TRY(ctc_gpu_check(gpu, gpu->cu.fill(gpu->status, 0, sizeof(int), gpu->stream), "clearing the status"));
//$ end
  return CTC_OK;
}

/* Copies the outputs to where the caller wants them, and waits unless all is on the device. */
static int ctc_gpu_return(ctc_gpu *gpu, void *const *pointers, const uint64_t *bytes, int inputs, int ports,
                          const uint64_t *address) {
  int waits = gpu->stream == gpu->own_stream, status = CTC_OK;
  for (int i = inputs; i < ports; i++) {
    if (bytes[i] == 0 || address[i] == (uint64_t)(uintptr_t)pointers[i]) continue;
    const int device = ctc_gpu_is_device(gpu, pointers[i]);
    waits = waits || !device;
    CTC_TRY(ctc_gpu_check(
        gpu,
        device ? gpu->cu.on_device((uint64_t)(uintptr_t)pointers[i], address[i], (size_t)bytes[i], gpu->stream)
               : gpu->cu.to_host(pointers[i], address[i], (size_t)bytes[i], gpu->stream),
        "copying an output"));
  }
//$ if statuses
  CTC_TRY(ctc_gpu_check(gpu, gpu->cu.to_host(&status, gpu->status, sizeof status, gpu->stream), "reading the status"));
  waits = 1;
//$ end
  if (waits) CTC_TRY(ctc_wait(gpu));
  if (status != CTC_OK) return ctc_gpu_fail(gpu, status, "a step on the device failed", "");
  return CTC_OK;
}

//$ if capture
/* --- the graph --- */

//$ if library_steps
/* Whether the last run was one of this. */
//$ else
/* Whether the last run's graph was recorded for this. */
//$ end
static int ctc_gpu_same_key(const ctc_gpu *gpu, const uint64_t *port, int ports, const int64_t *dims, int count) {
//$ if library_steps
  if (gpu->key_count != ports + count + 1 || gpu->key[0] != gpu->memory) return 0;
//$ else
  if (!gpu->executable || gpu->key_count != ports + count + 1 || gpu->key[0] != gpu->memory) return 0;
//$ end
  for (int i = 0; i < ports; i++)
    if (gpu->key[1 + i] != port[i]) return 0;
  for (int i = 0; i < count; i++)
    if (gpu->key[1 + ports + i] != (uint64_t)dims[i]) return 0;
  return 1;
}

static int ctc_gpu_set_key(ctc_gpu *gpu, const uint64_t *port, int ports, const int64_t *dims, int count) {
  gpu->key_count = ports + count + 1;
  free(gpu->key);
  gpu->key = (uint64_t *)malloc((size_t)gpu->key_count * sizeof *gpu->key);
  if (!gpu->key) return ctc_gpu_fail(gpu, CTC_GPU_MEMORY, "out of memory", "");
  gpu->key[0] = gpu->memory;
  for (int i = 0; i < ports; i++) gpu->key[1 + i] = port[i];
  for (int i = 0; i < count; i++) gpu->key[1 + ports + i] = (uint64_t)dims[i];
  return CTC_OK;
}

//$ end
/* --- the kernels --- */

/* NVRTC's functions. */
typedef struct {
  int (*version)(int *major, int *minor);
  int (*create)(void **program, const char *text, const char *name, int count, const char *const *headers,
                const char *const *names);
  int (*compile)(void *program, int count, const char *const *options);
  int (*log_size)(void *program, size_t *bytes);
  int (*log)(void *program, char *text);
  int (*cubin_size)(void *program, size_t *bytes);
  int (*cubin)(void *program, char *image);
  int (*destroy)(void **program);
} ctc_nvrtc;

static const ctc_gpu_function ctc_nvrtc_functions[] = {
    {"nvrtcVersion", offsetof(ctc_nvrtc, version)},
    {"nvrtcCreateProgram", offsetof(ctc_nvrtc, create)},
    {"nvrtcCompileProgram", offsetof(ctc_nvrtc, compile)},
    {"nvrtcGetProgramLogSize", offsetof(ctc_nvrtc, log_size)},
    {"nvrtcGetProgramLog", offsetof(ctc_nvrtc, log)},
    {"nvrtcGetCUBINSize", offsetof(ctc_nvrtc, cubin_size)},
    {"nvrtcGetCUBIN", offsetof(ctc_nvrtc, cubin)},
    {"nvrtcDestroyProgram", offsetof(ctc_nvrtc, destroy)},
};

/* The library, and in *missing the first function that it does not have. */
static void *ctc_gpu_nvrtc(ctc_nvrtc *rtc, const char **missing) {
  static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"};
  void *library = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++) library = dlopen(names[i], RTLD_NOW);
  *missing = library ? ctc_gpu_functions(library, ctc_nvrtc_functions,
                                         sizeof ctc_nvrtc_functions / sizeof *ctc_nvrtc_functions, rtc)
                     : "libnvrtc.so";
  return library;
}

/* The lines of the kernel text behind each other; to be freed. */
static char *ctc_gpu_text(const char *const *lines, size_t count) {
  size_t bytes = 1;
  for (size_t i = 0; i < count; i++) bytes += strlen(lines[i]) + 1;
  char *text = (char *)malloc(bytes), *at = text;
  for (size_t i = 0; text && i < count; i++) {
    const size_t length = strlen(lines[i]);
    memcpy(at, lines[i], length);
    at[length] = '\n';
    at += length + 1;
  }
  if (text) *at = '\0';
  return text;
}

/* Where a compiled kernel text is kept: a name from its hash, the architecture and NVRTC's version. */
static int ctc_gpu_cache_path(char *path, size_t size, const char *folder, const char *text, int arch, int version) {
  const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  uint64_t hash = UINT64_C(14695981039346656037);
  char place[2048];
  if (folder && !folder[0]) return 0;
  if (folder)
    snprintf(place, sizeof place, "%s", folder);
  else if (base && base[0])
    snprintf(place, sizeof place, "%s/ctc", base);
  else if (home && home[0])
    snprintf(place, sizeof place, "%s/.cache/ctc", home);
  else
    return 0;
  for (char *at = place + 1; *at; at++) {
    if (*at != '/') continue;
    *at = '\0';
    (void)mkdir(place, 0777);
    *at = '/';
  }
  (void)mkdir(place, 0777);
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
  return snprintf(path, size, "%s/%08lx%08lx-sm_%d-%d.cubin", place, (unsigned long)(hash >> 32),
                  (unsigned long)(hash & 0xffffffffu), arch, version) < (int)size;
}

/* The bytes of a file, to be freed, or NULL. */
static char *ctc_gpu_read(const char *path, size_t *bytes) {
  FILE *file = fopen(path, "rb");
  char *data = NULL;
  long length;
  if (!file) return NULL;
  if (fseek(file, 0, SEEK_END) == 0 && (length = ftell(file)) > 0 && fseek(file, 0, SEEK_SET) == 0)
    data = (char *)malloc((size_t)length);
  if (data && fread(data, 1, (size_t)length, file) != (size_t)length) {
    free(data);
    data = NULL;
  }
  if (data) *bytes = (size_t)length;
  fclose(file);
  return data;
}

/* Written beside and renamed: another program may do the same. A cache that cannot be written is none. */
static void ctc_gpu_write(const char *path, const char *data, size_t bytes) {
  char beside[2200];
  snprintf(beside, sizeof beside, "%s.%ld", path, (long)getpid());
  FILE *file = fopen(beside, "wb");
  if (!file) return;
  const int whole = fwrite(data, 1, bytes, file) == bytes;
  if (fclose(file) != 0 || !whole || rename(beside, path) != 0) (void)remove(beside);
}

static int ctc_gpu_log(ctc_gpu *gpu, const ctc_nvrtc *rtc, void *program) {
  size_t bytes = 0;
  char *log = NULL;
  if (rtc->log_size(program, &bytes) == 0 && bytes > 0) log = (char *)malloc(bytes + 1);
  if (log && rtc->log(program, log) != 0) log[0] = '\0';
  if (log) log[bytes] = '\0';
  const int status = ctc_gpu_fail(gpu, CTC_GPU_COMPILE, "NVRTC cannot compile the kernels", log ? log : "");
  free(log);
  return status;
}

/* Compiles the text for an architecture; *image is to be freed. */
static int ctc_gpu_compile(ctc_gpu *gpu, const ctc_nvrtc *rtc, const char *text, int arch, char **image, size_t *bytes) {
  char option[32];
//$ if strict
  const char *options[] = {option, "-std=c++17", "--fmad=false"};
//$ else
  const char *options[] = {option, "-std=c++17"};
//$ end
  void *program = NULL;
  int status;
  snprintf(option, sizeof option, "-arch=sm_%d", arch);
  if (rtc->create(&program, text, "$model.cu", 0, NULL, NULL) != 0)
    return ctc_gpu_fail(gpu, CTC_GPU_COMPILE, "NVRTC cannot make a program", "");
  if (rtc->compile(program, (int)(sizeof options / sizeof *options), options) != 0) {
    status = ctc_gpu_log(gpu, rtc, program);
  } else {
    *image = rtc->cubin_size(program, bytes) == 0 && *bytes > 0 ? (char *)malloc(*bytes) : NULL;
    status = *image && rtc->cubin(program, *image) == 0 ? CTC_OK
                                                        : ctc_gpu_fail(gpu, CTC_GPU_COMPILE, "NVRTC gives no code", "");
  }
  rtc->destroy(&program);
  return status;
}

/* The kernel text as code for this device: from the cache, or compiled and kept there. */
static int ctc_gpu_image(ctc_gpu *gpu, const char *text, const char *cache, int arch, char **image) {
  ctc_nvrtc rtc;
  const char *missing;
  char path[2100];
  size_t bytes = 0;
  int major = 0, minor = 0;
  void *library = ctc_gpu_nvrtc(&rtc, &missing);
  if (missing) return ctc_gpu_fail(gpu, CTC_GPU_NO_COMPILER, "NVRTC is missing, and no code for this device is in the program", missing);
  (void)library;
  rtc.version(&major, &minor);
  const int kept = ctc_gpu_cache_path(path, sizeof path, cache, text, arch, major * 1000 + minor);
  *image = kept ? ctc_gpu_read(path, &bytes) : NULL;
  if (*image && gpu->cu.load(&gpu->module, *image) == 0) return CTC_OK;
  free(*image);
  *image = NULL;
  CTC_TRY(ctc_gpu_compile(gpu, &rtc, text, arch, image, &bytes));
  if (kept) ctc_gpu_write(path, *image, bytes);
  return ctc_gpu_check(gpu, gpu->cu.load(&gpu->module, *image), "loading the kernels");
}

/* The number of the device's architecture: 90 for sm_90. */
static int ctc_gpu_arch(ctc_gpu *gpu, int *arch) {
  enum { MAJOR = 75, MINOR = 76 };
  int major = 0, minor = 0;
  CTC_TRY(ctc_gpu_check(gpu, gpu->cu.attribute(&major, MAJOR, gpu->device), "asking for the architecture"));
  CTC_TRY(ctc_gpu_check(gpu, gpu->cu.attribute(&minor, MINOR, gpu->device), "asking for the architecture"));
  *arch = major * 10 + minor;
  return CTC_OK;
}

/* Compiles the text for the device, or takes what was kept. */
static int ctc_gpu_load_text(ctc_gpu *gpu, const char *const *lines, size_t count, const char *cache, int arch) {
  char *image = NULL, *text = ctc_gpu_text(lines, count);
  if (!text) return ctc_gpu_fail(gpu, CTC_GPU_MEMORY, "out of memory", "");
  const int status = ctc_gpu_image(gpu, text, cache, arch, &image);
  free(image);
  free(text);
  return status;
}

static int ctc_gpu_find_kernels(ctc_gpu *gpu) {
  for (int i = 0; i < gpu->kernel_count; i++)
    CTC_TRY(ctc_gpu_check(gpu, gpu->cu.function(&gpu->functions[i], gpu->module, gpu->kernels[i].name),
                          gpu->kernels[i].name));
  return CTC_OK;
}

/* --- the device --- */

static int ctc_gpu_driver(ctc_gpu *gpu) {
  gpu->driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (!gpu->driver) return ctc_gpu_fail(gpu, CTC_GPU_NO_DRIVER, "no CUDA driver", "libcuda.so.1 is not there");
  const char *missing = ctc_gpu_functions(gpu->driver, ctc_driver_functions,
                                          sizeof ctc_driver_functions / sizeof *ctc_driver_functions, &gpu->cu);
  return missing ? ctc_gpu_fail(gpu, CTC_GPU_NO_DRIVER, "the CUDA driver is too old: it has no function", missing)
                 : CTC_OK;
}

static int ctc_gpu_open(ctc_gpu *gpu, int ordinal) {
  int count = 0;
  CTC_TRY(ctc_gpu_driver(gpu));
  if (gpu->cu.init(0) != 0 || gpu->cu.device_count(&count) != 0 || ordinal < 0 || ordinal >= count)
    return ctc_gpu_fail(gpu, CTC_GPU_NO_DEVICE, "there is no such CUDA device", "");
  CTC_TRY(ctc_gpu_check(gpu, gpu->cu.device(&gpu->device, ordinal), "opening the device"));
  return ctc_gpu_check(gpu, gpu->cu.retain(&gpu->context, gpu->device), "opening the device");
}

static int ctc_gpu_enter(ctc_gpu *gpu, void *stream) {
  gpu->message[0] = '\0';
  if (!gpu->module) return ctc_gpu_fail(gpu, CTC_BAD_ARGUMENT, "the model was not initialised", "");
  CTC_TRY(ctc_gpu_check(gpu, gpu->cu.push(gpu->context), "using the device"));
  gpu->stream = stream ? stream : gpu->own_stream;
  return CTC_OK;
}

static void ctc_gpu_leave(ctc_gpu *gpu) {
  void *context;
  gpu->cu.pop(&context);
}

static void ctc_gpu_close(ctc_gpu *gpu) {
  if (gpu->context && gpu->cu.push(gpu->context) == 0) {
    gpu->cu.wait_all();
    ctc_gpu_forget_graph(gpu);
//$ if libraries
    ctc_libraries_close(gpu);
//$ end
    if (gpu->memory) gpu->cu.release_memory(gpu->memory);
    if (gpu->constants) gpu->cu.release_memory(gpu->constants);
    if (gpu->module) gpu->cu.unload(gpu->module);
    if (gpu->own_stream) gpu->cu.end_stream(gpu->own_stream);
    ctc_gpu_leave(gpu);
    gpu->cu.release(gpu->device);
  }
  free(gpu->mirror);
  free(gpu->key);
  free(gpu->functions);
}
