//$ # ports_functions.c: sizes that follow from the dims: workspace, bounds, shapes of inputs and outputs
//$ if dims
int64_t $model_workspace_bytes(const int64_t *dims) {
//$ if plan
  int64_t at[$plan_count];
  return $model_plan(dims, at);
//$ else
  (void)dims;
  return $workspace_bytes;
//$ end
}

void $model_bounds(int64_t *dims) {
$bounds_locals
  (void)dims;
$bounds_text
}

//$ else
static int64_t $model_workspace_bytes(const int64_t *dims) {
  (void)dims;
  return $workspace_bytes;
}

static void $model_bounds(int64_t *dims) { (void)dims; }

//$ end
void $model_shapes(const int64_t *dims, int64_t *shapes) {
$shapes_locals
  (void)dims;
  (void)shapes;
$shapes_text
}
