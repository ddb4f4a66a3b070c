/* $source_name: $title
 *
 * Made by ctc $version from a model with hash $hash; do not edit.
$options
 *
 * A program for NVIDIA GPUs. The host's part is C99 and C++; it needs nothing but a driver (libcuda.so.1) and, where the
 * program has no code for the device at hand, NVRTC; both are opened when it runs:
 *
 *   gcc -x c $source_name …    or    nvcc $source_name …
 */
#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic ignored "-Woverlength-strings"
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200112L
#endif

#include "$header_name"

$runtime_head
$strings_check
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Statuses of the device's, behind those of a run; model.h gives them the model's prefix. */
enum {
  CTC_GPU_NO_DRIVER = 16,
  CTC_GPU_NO_DEVICE = 17,
  CTC_GPU_NO_COMPILER = 18,
  CTC_GPU_COMPILE = 19,
  CTC_GPU_MEMORY = 20,
  CTC_GPU_FAILED = 21
};

enum { CTC_GPU_PARAMETERS = $most_parameters }; /* of any kernel */

/* --- what the host computes with --- */

$runtime

/* --- the device --- */

$cuda_host
/* --- constants --- */

$weights_text

/* --- the kernels: CUDA C++ --- */

static const char *const $model_kernel_text[] = {
$kernel_lines
};

//$ if functions
enum {
//$ for kernel in kernels
  KERNEL_$kernel.name,
//$ end
  KERNEL_COUNT
};

static const ctc_gpu_kernel $model_kernels[] = {
//$ for kernel in kernels
    {"$kernel.name", $kernel.threads},
//$ end
};

//$ end
$tasks

/* --- the model --- */

//$ if plan
$plan_function

//$ end
$ports_functions

static int $model_upload(ctc_gpu *gpu, const void *weights) {
  (void)gpu;
  (void)weights;
$uploads
  return CTC_OK;
}

/* Bytes of the inputs, then of the outputs, for these dims. */
static void $model_port_bytes(const int64_t *dims, uint64_t *bytes) {
$port_locals
  (void)dims;
$port_bytes
}

/* The steps, in order, on the stream of the run. */
static int $model_steps(ctc_gpu *gpu, const uint64_t *port, int64_t *dims) {
  const uint64_t ws = gpu->workspace, constants = gpu->constants;
//$ if weights_pointer
  const void *const weights = gpu->weights;
  (void)weights;
//$ end
//$ if plan
  int64_t at[$plan_count];
//$ end
//$ if uses_status
  int status = CTC_OK;
//$ end
$port_addresses
$run_locals
  (void)ws, (void)constants, (void)dims;
//$ if plan
  (void)$model_plan(dims, at);
//$ end
$run_sizes
$body
$run_results
  return CTC_OK;
}

//$ if capture
/* The steps as one graph, which is recorded again when addresses or dims are others. */
static int $model_run_graph(ctc_gpu *gpu, const uint64_t *port, int64_t *dims) {
  void *const stream = gpu->stream;
  void *graph = NULL;
  int status;
//$ if library_steps
  const int again = ctc_gpu_same_key(gpu, port, $port_count, dims, $dim_count);
  gpu->skip = again && gpu->executable;
//$ else
  gpu->skip = ctc_gpu_same_key(gpu, port, $port_count, dims, $dim_count);
//$ end
  if (gpu->skip) {
    status = $model_steps(gpu, port, dims); /* sets what the host computes */
    gpu->skip = 0;
    CTC_TRY(status);
    return ctc_gpu_check(gpu, gpu->cu.run_graph(gpu->executable, stream), "running the model");
  }
  ctc_gpu_forget_graph(gpu);
//$ if library_steps
  if (!again) { /* libraries choose and load what they need, which must not be recorded: the next run is */
    gpu->key_count = 0;
    CTC_TRY($model_steps(gpu, port, dims));
    return ctc_gpu_set_key(gpu, port, $port_count, dims, $dim_count);
  }
//$ end
  CTC_TRY(ctc_gpu_set_key(gpu, port, $port_count, dims, $dim_count));
  gpu->stream = gpu->own_stream;
  status = ctc_gpu_check(gpu, gpu->cu.capture(gpu->stream, 2), "recording the steps");
  if (status == CTC_OK) {
    status = $model_steps(gpu, port, dims);
    const int ended = ctc_gpu_check(gpu, gpu->cu.end_capture(gpu->stream, &graph), "recording the steps");
    if (status == CTC_OK) status = ended;
  }
  gpu->stream = stream;
  if (status == CTC_OK)
    status = ctc_gpu_check(gpu, gpu->cu.instantiate(&gpu->executable, graph, 0), "making a graph of the steps");
  if (graph) gpu->cu.end_graph(graph);
  if (status != CTC_OK) gpu->executable = NULL;
  CTC_TRY(status);
  return ctc_gpu_check(gpu, gpu->cu.run_graph(gpu->executable, stream), "running the model");
}

//$ end
/* Code in the program for an architecture: machine code of the same generation, or PTX of an older one; NULL: none. */
static const void *$model_image(int arch, const void *weights) {
  const void *image = NULL;
  (void)arch;
  (void)weights;
//$ for image in images
//$ if image.ptx
  if (!image && arch >= $image.arch) image = $image.pointer;
//$ else
  if (arch / 10 == $image.arch / 10 && arch >= $image.arch) image = $image.pointer;
//$ end
//$ end
  return image;
}

static int $model_load(ctc_gpu *gpu, const ctc_cuda_options *options) {
  int arch = 0;
  CTC_TRY(ctc_gpu_arch(gpu, &arch));
  const void *image = $model_image(arch, gpu->weights);
  if (!image || gpu->cu.load(&gpu->module, image) != 0)
    CTC_TRY(ctc_gpu_load_text(gpu, $model_kernel_text, sizeof $model_kernel_text / sizeof *$model_kernel_text,
                              options ? options->cache : NULL, arch));
  return ctc_gpu_find_kernels(gpu);
}

struct $model_cuda {
  ctc_gpu gpu;
};

static int $model_start(ctc_gpu *gpu, const ctc_cuda_options *options) {
  CTC_TRY(ctc_gpu_open(gpu, options ? options->device : 0));
  CTC_TRY(ctc_gpu_check(gpu, gpu->cu.push(gpu->context), "using the device"));
  int status = ctc_gpu_check(gpu, gpu->cu.stream(&gpu->own_stream, 0), "making a stream");
  gpu->stream = gpu->own_stream;
  if (status == CTC_OK) status = $model_load(gpu, options);
  if (status == CTC_OK && $constant_bytes > 0)
    status = ctc_gpu_check(gpu, gpu->cu.allocate(&gpu->constants, (size_t)$constant_bytes), "allocating constants");
  if (status == CTC_OK) status = $model_upload(gpu, gpu->weights);
  if (status == CTC_OK) status = ctc_wait(gpu);
//$ if libraries
  if (status == CTC_OK) ctc_libraries_open(gpu);
//$ end
  ctc_gpu_leave(gpu);
  return status;
}

int $model_cuda_init($model_cuda **model, const ctc_cuda_options *options) {
  if (!model) return CTC_BAD_ARGUMENT;
  *model = ($model_cuda *)calloc(1, sizeof **model);
  if (!*model) return CTC_GPU_MEMORY;
  ctc_gpu *gpu = &(*model)->gpu;
//$ if needs_weights
  if (!options || !options->weights)
    return ctc_gpu_fail(gpu, CTC_BAD_ARGUMENT, "the bytes of $weights_file are missing: options->weights", "");
//$ end
  gpu->weights = options ? options->weights : NULL;
//$ if functions
  gpu->kernels = $model_kernels;
  gpu->kernel_count = KERNEL_COUNT;
//$ end
  gpu->functions = (void **)calloc((size_t)gpu->kernel_count + 1, sizeof *gpu->functions);
  if (!gpu->functions) return ctc_gpu_fail(gpu, CTC_GPU_MEMORY, "out of memory", "");
  const int status = $model_start(gpu, options);
  if (status != CTC_OK && gpu->module) {
    gpu->cu.unload(gpu->module);
    gpu->module = NULL;
  }
  return status;
}

void $model_cuda_free($model_cuda *model) {
  if (!model) return;
  ctc_gpu_close(&model->gpu);
  free(model);
}

const char *$model_cuda_message(const $model_cuda *model) {
  return model && model->gpu.message[0] ? model->gpu.message : "ok";
}

//$ if libraries
const char *$model_cuda_libraries($model_cuda *model) {
  return model ? ctc_libraries_text(&model->gpu) : "";
}

//$ end
static int $model_run_ports(ctc_gpu *gpu, void *const *pointers, int64_t *dims) {
  uint64_t bytes[$port_count], port[$port_count];
  $model_port_bytes(dims, bytes);
  CTC_TRY(ctc_gpu_place(gpu, (uint64_t)$model_workspace_bytes(dims), pointers, bytes, $input_count, $port_count, port));
//$ if capture
#ifdef CTC_PROFILE
  CTC_TRY((ctc_profile_hook ? $model_steps : $model_run_graph)(gpu, port, dims));
#else
  CTC_TRY($model_run_graph(gpu, port, dims));
#endif
//$ else
  CTC_TRY($model_steps(gpu, port, dims));
//$ end
  return ctc_gpu_return(gpu, pointers, bytes, $input_count, $port_count, port);
}

int $model_cuda_run($model_cuda *model, $tensor_parameters void *stream) {
  if (!model) return CTC_BAD_ARGUMENT;
  ctc_gpu *gpu = &model->gpu;
  void *const pointers[] = {$port_pointers};
//$ if !dims
  int64_t *dims = NULL;
//$ end
$run_checks
  CTC_TRY(ctc_gpu_enter(gpu, stream));
  const int status = $model_run_ports(gpu, pointers, dims);
  ctc_gpu_leave(gpu);
  return status;
}

const char *$model_status_text(int status) {
  switch (status) {
$status_texts
  case CTC_GPU_NO_DRIVER: return "no CUDA driver";
  case CTC_GPU_NO_DEVICE: return "no CUDA device";
  case CTC_GPU_NO_COMPILER: return "NVRTC is missing";
  case CTC_GPU_COMPILE: return "the kernels cannot be compiled";
  case CTC_GPU_MEMORY: return "out of memory";
  case CTC_GPU_FAILED: return "the device failed";
  default: return "unknown status";
  }
}

static int $model_init_any(void **model, const ctc_cuda_options *options) {
  return $model_cuda_init(($model_cuda **)model, options);
}

static int $model_run_any(void *model, const void *const *inputs, void *const *outputs, int64_t *dims,
                          void *stream) {
  (void)inputs;
  (void)dims;
  return $model_cuda_run(($model_cuda *)model, $tensor_arguments stream);
}

static void $model_free_any(void *model) { $model_cuda_free(($model_cuda *)model); }

static const char *$model_message_any(const void *model) {
  return $model_cuda_message((const $model_cuda *)model);
}

$ports_tables

const ctc_cuda_model $model_model = {
    CTC_CUDA_ABI,
    $title_literal,
    $input_count,
    $output_count,
    $dim_count,
    $inputs_pointer,
    $model_outputs,
    $dims_pointer,
    $model_bounds,
    $model_shapes,
    $model_workspace_bytes,
    $model_init_any,
    $model_run_any,
    $model_free_any,
    $model_message_any,
    $model_status_text,
    $weights_bytes,
    $compound_count,
    $compounds_pointer,
};
