/* Where the buffers lie for these dims; returns the bytes needed. */
static int64_t $model_plan(const int64_t *dims, int64_t *at) {
$plan_locals
  (void)dims;
$plan_text
  return $workspace_bytes;
}
