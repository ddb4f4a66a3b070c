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

//$ if threads
$threads_types

//$ end
#ifndef CTC_MODEL_ABI
#define CTC_MODEL_ABI 1
struct ctc_threads;

$ports_types

typedef struct {
  uint32_t abi_version; /* CTC_MODEL_ABI */
  const char *name;
  int32_t input_count, output_count, dim_count;
  const ctc_port *inputs, *outputs;
  const ctc_dim_info *dims;
  void (*bounds)(int64_t *dims);                         /* fills the dims of kind 2 from the others */
  void (*shapes)(const int64_t *dims, int64_t *shapes);  /* all dims of all inputs, then of all outputs */
  int64_t (*workspace_bytes)(const int64_t *dims);
  int (*run)(const void *const *inputs, void *const *outputs, int64_t *dims, void *workspace,
             int64_t workspace_bytes, const void *weights);
  const char *(*status_text)(int status);
  int32_t alignment;     /* bytes, of the workspace and of a weights file in memory */
  int64_t weights_bytes; /* of the weights file; 0: the weights are in the program */
  /* `run` on threads of the caller's; NULL: the program was made for one thread. */
  int (*run_threads)(struct ctc_threads *threads, const void *const *inputs, void *const *outputs,
                     int64_t *dims, void *workspace, int64_t workspace_bytes, const void *weights);
  int32_t compound_count;
  const ctc_compound *compounds; /* inputs and outputs that are no tensors */
} ctc_model;
#endif

enum {
$status_codes
  $NAME_WORKSPACE_TOO_SMALL = 4
};

$ports_macros

#define $NAME_ALIGNMENT 64 /* of the workspace */
//$ if static_size
#define $NAME_WORKSPACE_BYTES $workspace_bytes
//$ end
//$ if weights_file
#define $NAME_WEIGHTS_BYTES $weights_bytes /* of $weights_file */
//$ end

/* Runs the model once. Inputs and outputs are dense and row-major; the workspace is memory of the caller's, its contents mean
 * nothing before and after. Returns $NAME_OK or another status; several threads may run the model at once with a
 * workspace each. */
int $model_run($signature);
//$ if static_workspace
/* The same with a workspace of its own: one call at a time. */
int $model_run_static($static_signature);
//$ end
//$ if threads
/* The same on several threads, with the same results; on one if `threads` is NULL. */
int $model_run_threads(ctc_threads *threads, $signature);

/* If $source_name is compiled with -DCTC_POOL: threads that wait for runs, `threads` with the caller's
 * own. Returns how many there are: fewer if the system gives no more. One run at a time uses them. */
int32_t $model_pool_start(ctc_pool *pool, int32_t threads);
void $model_pool_stop(ctc_pool *pool);
//$ end

$ports_declarations

extern const ctc_model $model_model;

#ifdef __cplusplus
}
#endif
#endif
