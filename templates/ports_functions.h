//$ # ports_functions.h: declarations of what tells sizes that follow from the dims, and of the statuses' text
//$ if dims
/* Workspace needed for these dims (bytes). */
int64_t $model_workspace_bytes(const int64_t *dims);
/* Upper bounds of the data-dependent dims that have one, from the others. */
void $model_bounds(int64_t *dims);
//$ end
/* Dims of all inputs, then all outputs, one after another. */
void $model_shapes(const int64_t *dims, int64_t *shapes);
const char *$model_status_text(int status);
