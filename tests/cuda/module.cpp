/* module.cpp: modules, functions and launches. A "cubin" is a shared object that nvrtc.cpp
 * compiled, "PTX" a line that names its file. */
#include "driver.h"
#include "image.h"
#include "reports.h"
#include "sanitizer.h"
#include <dlfcn.h>
#include <elf.h>
#include <map>
#include <memory>
#include <set>
#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

struct Function {
  const cpu_kernel *kernel;
  const cpu_unit *unit;
  unsigned most_shared; /* dynamic bytes of a launch */
};

struct Module {
  void *library;
  int file; /* stays open: the loader knows a library by its name, which is the number of the file
             */
  const cpu_unit *unit;
  std::map<std::string, Function> functions;
};

static std::set<Module *> modules;

// --- loading ---

/* Bytes of a shared object: the table of sections is its end. */
static size_t elf_size(const unsigned char *image) {
  Elf64_Ehdr header;
  memcpy(&header, image, sizeof header);
  return header.e_shoff + (size_t)header.e_shnum * header.e_shentsize;
}

/* The shared object in memory, as an open file; -1: the system refuses. */
static int file_of_image(const void *image, size_t bytes) {
  int file = memfd_create("cubin", MFD_CLOEXEC);
  for (size_t done = 0; file >= 0 && done < bytes;) {
    ssize_t n = write(file, (const char *)image + done, bytes - done);
    if (n <= 0) {
      close(file);
      return -1;
    }
    done += (size_t)n;
  }
  return file;
}

static CUresult load(Module *module, const char *path) {
  module->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!module->library) {
    fprintf(stderr, "cuda stand-in: %s\n", dlerror());
    return CUDA_ERROR_INVALID_IMAGE;
  }
  reports_by_sanitizers(module->library);
  module->unit = (const cpu_unit *)dlsym(module->library, "cpu_the_unit");
  if (module->unit && module->unit->built == build_key()) return CUDA_SUCCESS;
  fprintf(stderr, "cuda stand-in: a cubin that was compiled under other settings is refused\n");
  return CUDA_ERROR_NO_BINARY_FOR_GPU;
}

static CUresult load_image(Module *module, const void *image) {
  const char *text = (const char *)image;
  if (!strncmp(text, PTX_BEGIN, strlen(PTX_BEGIN))) {
    const char *path = text + strlen(PTX_BEGIN);
    return load(module, std::string(path, strcspn(path, "\n")).c_str());
  }
  if (memcmp(image, ELFMAG, SELFMAG)) return CUDA_ERROR_INVALID_IMAGE;
  module->file = file_of_image(image, elf_size((const unsigned char *)image));
  if (module->file < 0) return CUDA_ERROR_OUT_OF_MEMORY;
  return load(module, ("/proc/self/fd/" + std::to_string(module->file)).c_str());
}

static void unload(Module *module) {
  if (module->library) dlclose(module->library);
  if (module->file >= 0) close(module->file);
  delete module;
}

CTC_API CUresult cuModuleLoadData(CUmodule *handle, const void *image) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!handle || !image) return CUDA_ERROR_INVALID_VALUE;
  if (CUresult refused = refuse_during_capture()) return refused;
  Module *module = new Module();
  module->file = -1;
  if (CUresult result = load_image(module, image)) {
    unload(module);
    return result;
  }
  modules.insert(module);
  *handle = module;
  return CUDA_SUCCESS;
}

CTC_API CUresult cuModuleLoadDataEx(CUmodule *handle, const void *image, unsigned, void *,
                                    void **) {
  return cuModuleLoadData(handle, image);
}

CTC_API CUresult cuModuleUnload(CUmodule module) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!modules.count(module)) return CUDA_ERROR_INVALID_HANDLE;
  streams_finish();
  modules.erase(module);
  unload(module);
  return CUDA_SUCCESS;
}

CTC_API CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!function || !name) return CUDA_ERROR_INVALID_VALUE;
  if (!modules.count(module)) return CUDA_ERROR_INVALID_HANDLE;
  void *kernel = dlsym(module->library, (std::string("cpu_kernel_") + name).c_str());
  if (!kernel) return CUDA_ERROR_NOT_FOUND;
  Function &made = module->functions[name];
  if (!made.kernel) made = {(const cpu_kernel *)kernel, module->unit, SHARED_DEFAULT};
  *function = &made;
  return CUDA_SUCCESS;
}

// --- functions ---

static bool is_function(CUfunction function) {
  for (Module *module : modules)
    for (auto &entry : module->functions)
      if (&entry.second == function) return true;
  return false;
}

static int most_threads(CUfunction function) {
  return function->kernel->max_threads ? function->kernel->max_threads : MAX_BLOCK_THREADS;
}

CTC_API CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute,
                                    int value) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!is_function(function)) return CUDA_ERROR_INVALID_HANDLE;
  if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT) return CUDA_SUCCESS;
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 ||
      value > SHARED_MOST)
    return CUDA_ERROR_INVALID_VALUE;
  function->most_shared = (unsigned)value;
  return CUDA_SUCCESS;
}

/* What only a GPU's compiler knows (registers, memory of one kernel) is 0. */
CTC_API CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute,
                                    CUfunction function) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  if (!is_function(function)) return CUDA_ERROR_INVALID_HANDLE;
  if (attribute < 0 || attribute > CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT)
    return CUDA_ERROR_INVALID_VALUE;
  *value = 0;
  if (attribute == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK) *value = most_threads(function);
  if (attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
    *value = (int)function->most_shared;
  if (attribute == CU_FUNC_ATTRIBUTE_PTX_VERSION || attribute == CU_FUNC_ATTRIBUTE_BINARY_VERSION)
    *value = 90;
  return CUDA_SUCCESS;
}

// --- launches ---

/* A launch and the arguments it was made with: the caller's may change before it runs. */
struct KeptLaunch {
  Launch launch;
  std::vector<std::vector<char>> values;
  std::vector<void *> addresses;
};

static std::shared_ptr<KeptLaunch> keep(const Launch &launch, void **arguments) {
  auto kept = std::make_shared<KeptLaunch>();
  kept->launch = launch;
  for (int i = 0; i < launch.kernel->parameters; i++) {
    const char *value = (const char *)arguments[i];
    kept->values.emplace_back(value, value + launch.kernel->bytes[i]);
  }
  for (auto &value : kept->values) kept->addresses.push_back(value.data());
  kept->launch.arguments = kept->addresses.data();
  return kept;
}

/* CTC_CUDA_ORDER=forward, backward or shuffle:SEED */
static Order order_wanted(uint64_t *seed) {
  const char *text = setting("CTC_CUDA_ORDER", "forward");
  *seed = 1;
  if (!strcmp(text, "forward")) return Order::forward;
  if (!strcmp(text, "backward")) return Order::backward;
  if (strncmp(text, "shuffle", 7)) {
    fprintf(stderr, "cuda stand-in: CTC_CUDA_ORDER=%s: forward, backward or shuffle:SEED\n", text);
    abort();
  }
  if (text[7] == ':') *seed = strtoull(text + 8, nullptr, 0);
  return Order::shuffle;
}

/* Beyond the launch's dynamic memory nothing may be read or written. */
static void fence_dynamic(const Launch &launch, bool closed) {
  if (!__asan_poison_memory_region) return;
  unsigned used = (launch.shared_bytes + 7) / 8 * 8;
  if (closed)
    __asan_poison_memory_region(launch.unit->dynamic + used, CPU_DYNAMIC_BYTES - used);
  else
    __asan_unpoison_memory_region(launch.unit->dynamic, CPU_DYNAMIC_BYTES);
}

static void run(const Launch &launch) {
  SignalReports reports;
  uint64_t seed;
  Order order = order_wanted(&seed);
  fence_dynamic(launch, true);
  launch_run(launch, order, seed);
  fence_dynamic(launch, false);
}

static CUresult check_shape(CUfunction function, const cpu_index &blocks, const cpu_index &threads,
                            unsigned shared) {
  unsigned long long n = (unsigned long long)threads.x * threads.y * threads.z;
  bool fits = blocks.x && blocks.y && blocks.z && n && blocks.x <= 2147483647u &&
              blocks.y <= MAX_GRID_SIDE && blocks.z <= MAX_GRID_SIDE &&
              threads.x <= MAX_BLOCK_THREADS && threads.y <= MAX_BLOCK_THREADS &&
              threads.z <= MAX_BLOCK_DEPTH && n <= (unsigned)most_threads(function) &&
              shared <= function->most_shared;
  return fits ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CTC_API CUresult cuLaunchKernel(CUfunction function, unsigned blocks_x, unsigned blocks_y,
                                unsigned blocks_z, unsigned threads_x, unsigned threads_y,
                                unsigned threads_z, unsigned shared, CUstream stream,
                                void **arguments, void **extra) {
  CTC_CALL(NEEDS_CONTEXT);
  if (!is_function(function)) return CUDA_ERROR_INVALID_HANDLE;
  if (extra || (!arguments && function->kernel->parameters)) return CUDA_ERROR_INVALID_VALUE;
  Launch launch = {function->kernel,
                   function->unit,
                   {blocks_x, blocks_y, blocks_z},
                   {threads_x, threads_y, threads_z},
                   shared,
                   nullptr};
  if (CUresult refused = check_shape(function, launch.blocks, launch.threads, shared))
    return refused;
  std::shared_ptr<KeptLaunch> kept = keep(launch, arguments);
  return stream_add(stream, [kept] { run(kept->launch); });
}
