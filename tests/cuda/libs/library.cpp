/* library.cpp: see library.h. */
#include "library.h"
#include <dlfcn.h>
#include <set>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A function of the stand-in for the driver, which the program has opened. */
template <class Function> static Function driver(const char *name) {
  static void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  return library ? (Function)dlsym(library, name) : nullptr;
}

bool has_context() {
  auto current = driver<CUresult (*)(CUcontext *)>("cuCtxGetCurrent");
  CUcontext context = nullptr;
  return current && current(&context) == CUDA_SUCCESS && context;
}

bool refuses(const char *word) {
  const char *words = getenv("CTC_CUDA_LIBS_REFUSE");
  return words && strstr(words, word);
}

void record(const std::string &line) {
  const char *path = getenv("CTC_CUDA_LIBS_LOG");
  FILE *file = path ? fopen(path, "a") : nullptr;
  if (!file) return;
  fprintf(file, "%s\n", line.c_str());
  fclose(file);
}

bool on_device(const void *from, size_t bytes) {
  auto attribute =
      driver<CUresult (*)(void *, CUpointer_attribute, CUdeviceptr)>("cuPointerGetAttribute");
  CUdeviceptr address = (CUdeviceptr)(uintptr_t)from, start = 0;
  unsigned kind = 0;
  size_t size = 0;
  if (!attribute || attribute(&kind, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address) ||
      attribute(&start, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, address) ||
      attribute(&size, CU_POINTER_ATTRIBUTE_RANGE_SIZE, address))
    return false;
  return kind == CU_MEMORYTYPE_DEVICE && address - start <= size &&
         bytes <= size - (address - start);
}

static void do_work(void *data) {
  (*(std::function<void()> *)data)();
}

bool add_work(CUstream stream, const std::string &code, std::function<void()> work) {
  static std::set<std::string> loaded;
  auto add = driver<CUresult (*)(CUstream, CUhostFn, void *)>("ctcStandInWork");
  auto capturing = driver<CUresult (*)(CUstream, CUstreamCaptureStatus *)>("cuStreamIsCapturing");
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  if (!add || !capturing || capturing(stream, &status)) return false;
  if (!loaded.count(code) && status != CU_STREAM_CAPTURE_STATUS_NONE) {
    record("code is loaded while its stream is recorded: " + code);
    return false;
  }
  loaded.insert(code);
  /* Never freed: a graph may do it again at any time. */
  return add(stream, do_work, new std::function<void()>(std::move(work))) == CUDA_SUCCESS;
}
