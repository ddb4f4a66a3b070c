/* $header_name: $title
 *
 * Made by ctc $version from a model with hash $hash; do not edit.
$options
 */
#ifndef $GUARD
#define $GUARD

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

$ports_types

#ifndef CTC_CUDA_ABI
#define CTC_CUDA_ABI 1

typedef struct {
  int32_t device;      /* number of the device */
  const char *cache;   /* folder for compiled kernels; NULL: ctc in XDG_CACHE_HOME or ~/.cache; "": none */
  const void *weights; /* the bytes of the weights file, if the program has one */
} ctc_cuda_options;

/* The same in every emitted header: one driver can run any model. */
typedef struct {
  uint32_t abi_version; /* CTC_CUDA_ABI */
  const char *name;
  int32_t input_count, output_count, dim_count;
  const ctc_port *inputs, *outputs;
  const ctc_dim_info *dims;
  void (*bounds)(int64_t *dims);                        /* fills the dims of kind 2 from the others */
  void (*shapes)(const int64_t *dims, int64_t *shapes); /* all dims of all inputs, then of all outputs */
  int64_t (*workspace_bytes)(const int64_t *dims);      /* on the device, besides constants, inputs and outputs */
  int (*init)(void **model, const ctc_cuda_options *options);
  int (*run)(void *model, const void *const *inputs, void *const *outputs, int64_t *dims, void *stream);
  void (*free)(void *model);
  const char *(*message)(const void *model);
  const char *(*status_text)(int status);
  int64_t weights_bytes; /* of the weights file; 0: the weights are in the program */
  int32_t compound_count;
  const ctc_compound *compounds; /* inputs and outputs that are no tensors */
} ctc_cuda_model;
#endif

enum {
$status_codes
  $NAME_NO_DRIVER = 16,         /* libcuda.so.1 is not there, or too old */
  $NAME_NO_DEVICE = 17,
  $NAME_NO_COMPILER = 18,       /* neither code for this device nor NVRTC */
  $NAME_COMPILE_FAILED = 19,
  $NAME_OUT_OF_MEMORY = 20,
  $NAME_DEVICE_FAILED = 21
};

$ports_macros

/* A model on a device: its kernels, constants and memory. */
typedef struct $model_cuda $model_cuda;

/* Opens the driver and a device, compiles or loads the kernels, and copies the constants there. `options` may be NULL.
 * Returns a status; *model is to be freed in any case, and tells what went wrong. */
int $model_cuda_init($model_cuda **model, const ctc_cuda_options *options);

/* Runs the model once. Inputs and outputs are dense and row-major, each on the host or on the device. The work goes to
 * `stream` (a CUstream; NULL: one of the model's own, and the call waits). With a stream of the caller's and all tensors on the
 * device the call may return before the work is done. One run of a model at a time. */
int $model_cuda_run($model_cuda *model, $tensor_parameters void *stream);

void $model_cuda_free($model_cuda *model);

/* What the last call that failed has to say. */
const char *$model_cuda_message(const $model_cuda *model);

/* The workspace is on the device. */
$ports_declarations

extern const ctc_cuda_model $model_model;

#ifdef __cplusplus
}
#endif
#endif
