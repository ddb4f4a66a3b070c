/* cudnn.c: convolutions of f32 over one or two spatial axes, and transposed ones, by cuDNN, versions
 * 8 and 9 (cudnn_ops.h, cudnn_cnn.h; docs.nvidia.com/deeplearning/cudnn).
 *
 * It pads both ends of an axis alike. What is padded otherwise can be done all the same if the same
 * number of results comes out: then they read the same elements. A transposed convolution is the
 * gradient by the data of the convolution the other way round. */

/* Numbers of its headers, by their names there. */
enum {
  CTC_CUDNN_TENSOR_NCHW = 0,
  CTC_CUDNN_DATA_FLOAT = 0,
  CTC_CUDNN_CROSS_CORRELATION = 1,
  CTC_CUDNN_DETERMINISTIC = 1,
  CTC_CUDNN_DEFAULT_MATH = 0,
  CTC_CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION = 2,
  CTC_CUDNN_FMA_MATH = 3
};

/* What it multiplies, by precision: as they are; as tf32 where it likes; as f16. */
static const int ctc_cudnn_math[] = {CTC_CUDNN_FMA_MATH, CTC_CUDNN_DEFAULT_MATH,
                                     CTC_CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION,
                                     CTC_CUDNN_DEFAULT_MATH};

/* cudnnConvolutionFwdAlgoPerf_t, cudnnConvolutionBwdDataAlgoPerf_t: an algorithm. */
typedef struct {
  int algo;
  int status;
  float time;
  size_t memory;
  int determinism;
  int mathType;
  int reserved[3];
} ctc_cudnn_result;

/* Its functions; all return 0 or an error. */
typedef struct {
  int (*create)(void **handle);
  int (*destroy)(void *handle);
  int (*use_stream)(void *handle, void *stream);
  int (*tensor)(void **tensor);
  int (*set_tensor)(void *tensor, int format, int type, int n, int c, int h, int w);
  int (*end_tensor)(void *tensor);
  int (*filter)(void **filter);
  int (*set_filter)(void *filter, int type, int format, int k, int c, int h, int w);
  int (*end_filter)(void *filter);
  int (*conv)(void **conv);
  int (*set_conv)(void *conv, int pad_h, int pad_w, int stride_h, int stride_w, int dilation_h,
                  int dilation_w, int mode, int type);
  int (*set_groups)(void *conv, int groups);
  int (*set_math)(void *conv, int math);
  int (*end_conv)(void *conv);
  int (*choose)(void *handle, void *x, void *w, void *conv, void *y, int wanted, int *found,
                ctc_cudnn_result *results);
  int (*workspace)(void *handle, void *x, void *w, void *conv, void *y, int algorithm,
                   size_t *bytes);
  int (*forward)(void *handle, const void *alpha, void *x_tensor, const void *x, void *filter,
                 const void *w, void *conv, int algorithm, void *workspace, size_t bytes,
                 const void *beta, void *y_tensor, void *y);
  int (*choose_back)(void *handle, void *w, void *y, void *conv, void *x, int wanted, int *found,
                     ctc_cudnn_result *results);
  int (*workspace_back)(void *handle, void *w, void *y, void *conv, void *x, int algorithm,
                        size_t *bytes);
  int (*backward)(void *handle, const void *alpha, void *filter, const void *w, void *y_tensor,
                  const void *y, void *conv, int algorithm, void *workspace, size_t bytes,
                  const void *beta, void *x_tensor, void *x);
} ctc_cudnn;

static const ctc_library_function ctc_cudnn_functions[] = {
    {"cudnnCreate", offsetof(ctc_cudnn, create)},
    {"cudnnDestroy", offsetof(ctc_cudnn, destroy)},
    {"cudnnSetStream", offsetof(ctc_cudnn, use_stream)},
    {"cudnnCreateTensorDescriptor", offsetof(ctc_cudnn, tensor)},
    {"cudnnSetTensor4dDescriptor", offsetof(ctc_cudnn, set_tensor)},
    {"cudnnDestroyTensorDescriptor", offsetof(ctc_cudnn, end_tensor)},
    {"cudnnCreateFilterDescriptor", offsetof(ctc_cudnn, filter)},
    {"cudnnSetFilter4dDescriptor", offsetof(ctc_cudnn, set_filter)},
    {"cudnnDestroyFilterDescriptor", offsetof(ctc_cudnn, end_filter)},
    {"cudnnCreateConvolutionDescriptor", offsetof(ctc_cudnn, conv)},
    {"cudnnSetConvolution2dDescriptor", offsetof(ctc_cudnn, set_conv)},
    {"cudnnSetConvolutionGroupCount", offsetof(ctc_cudnn, set_groups)},
    {"cudnnSetConvolutionMathType", offsetof(ctc_cudnn, set_math)},
    {"cudnnDestroyConvolutionDescriptor", offsetof(ctc_cudnn, end_conv)},
    {"cudnnGetConvolutionForwardAlgorithm_v7", offsetof(ctc_cudnn, choose)},
    {"cudnnGetConvolutionForwardWorkspaceSize", offsetof(ctc_cudnn, workspace)},
    {"cudnnConvolutionForward", offsetof(ctc_cudnn, forward)},
    {"cudnnGetConvolutionBackwardDataAlgorithm_v7", offsetof(ctc_cudnn, choose_back)},
    {"cudnnGetConvolutionBackwardDataWorkspaceSize", offsetof(ctc_cudnn, workspace_back)},
    {"cudnnConvolutionBackwardData", offsetof(ctc_cudnn, backward)},
    {NULL, 0}};

static const char *const ctc_cudnn_files[] = {"libcudnn.so.9", "libcudnn.so.8", "libcudnn.so",
                                              NULL};

static int ctc_cudnn_open(ctc_library *library) {
  const ctc_cudnn *dnn = (const ctc_cudnn *)library->functions;
  return dnn->create(&library->handle) == 0;
}

static void ctc_cudnn_close(ctc_library *library) {
  const ctc_cudnn *dnn = (const ctc_cudnn *)library->functions;
  dnn->destroy(library->handle);
}

/* The objects of a step: a convolution from X to Y, which is done from Y to X if it is transposed. */
enum { CTC_CUDNN_X, CTC_CUDNN_W, CTC_CUDNN_Y, CTC_CUDNN_CONV };

static void ctc_cudnn_forget(ctc_library_step *step) {
  const ctc_cudnn *dnn = (const ctc_cudnn *)step->library->functions;
  for (int i = 0; i < CTC_LIBRARY_OBJECTS; i++) {
    void *object = step->objects[i];
    if (object)
      (i == CTC_CUDNN_W      ? dnn->end_filter
       : i == CTC_CUDNN_CONV ? dnn->end_conv
                             : dnn->end_tensor)(object);
    step->objects[i] = NULL;
  }
}

static const ctc_library_kind ctc_cudnn_library = {
    "cudnn",        ctc_cudnn_files, ctc_cudnn_functions, sizeof(ctc_cudnn),
    ctc_cudnn_open, ctc_cudnn_close, ctc_cudnn_forget};

/* A convolution from `x` to `y`, with so many channels a group each. */
typedef struct {
  ctc_dim n, groups, x_channels, y_channels;
  const ctc_dim *x, *y, *kernel, *stride, *dilation, *pad;
  int transposed;
} ctc_cudnn_conv;

/* The algorithms that there are, the fastest first; how many. */
static int ctc_cudnn_list(const ctc_library_step *step, int transposed, int most,
                          ctc_cudnn_result *results) {
  const ctc_cudnn *dnn = (const ctc_cudnn *)step->library->functions;
  void *handle = step->library->handle, *x = step->objects[CTC_CUDNN_X];
  void *w = step->objects[CTC_CUDNN_W], *y = step->objects[CTC_CUDNN_Y];
  void *conv = step->objects[CTC_CUDNN_CONV];
  int found = 0;
  const int status = transposed ? dnn->choose_back(handle, w, y, conv, x, most, &found, results)
                                : dnn->choose(handle, x, w, conv, y, most, &found, results);
  return status == 0 ? found : 0;
}

/* Whether an algorithm is content with the workspace. */
static int ctc_cudnn_has_room(const ctc_library_step *step, int transposed, int algorithm) {
  const ctc_cudnn *dnn = (const ctc_cudnn *)step->library->functions;
  void *handle = step->library->handle, *x = step->objects[CTC_CUDNN_X];
  void *w = step->objects[CTC_CUDNN_W], *y = step->objects[CTC_CUDNN_Y];
  void *conv = step->objects[CTC_CUDNN_CONV];
  size_t bytes = 0;
  const int status = transposed ? dnn->workspace_back(handle, w, y, conv, x, algorithm, &bytes)
                                : dnn->workspace(handle, x, w, conv, y, algorithm, &bytes);
  return status == 0 && bytes <= CTC_LIBRARY_WORKSPACE;
}

/* Takes the fastest algorithm that may be used: with room enough, and with the same bits each time.
 * Where factors are f32, tensor cores stay out of it. Whether there is one. */
static int ctc_cudnn_choose(ctc_library_step *step, int transposed) {
  enum { MOST = 8 };
  const ctc_cudnn *dnn = (const ctc_cudnn *)step->library->functions;
  ctc_cudnn_result results[MOST];
  const int found = ctc_cudnn_list(step, transposed, MOST, results);
  for (int i = 0; i < found; i++) {
    const int math = step->library->precision == 0 ? CTC_CUDNN_FMA_MATH : results[i].mathType;
    if (results[i].status != 0 || results[i].determinism != CTC_CUDNN_DETERMINISTIC ||
        results[i].memory > CTC_LIBRARY_WORKSPACE ||
        dnn->set_math(step->objects[CTC_CUDNN_CONV], math) != 0 ||
        !ctc_cudnn_has_room(step, transposed, results[i].algo))
      continue;
    step->choice[0] = (uint64_t)results[i].algo;
    return 1;
  }
  return 0;
}

/* Describes n * channels planes as object number `object`. */
static int ctc_cudnn_describe(ctc_library_step *step, int object, ctc_dim n, ctc_dim channels,
                              const ctc_dim *size) {
  const ctc_cudnn *dnn = (const ctc_cudnn *)step->library->functions;
  return dnn->tensor(&step->objects[object]) == 0 &&
         dnn->set_tensor(step->objects[object], CTC_CUDNN_TENSOR_NCHW, CTC_CUDNN_DATA_FLOAT, (int)n,
                         (int)channels, (int)size[1], (int)size[2]) == 0;
}

/* Describes the filters and how they move. */
static int ctc_cudnn_describe_filters(ctc_library_step *step, const ctc_cudnn_conv *c) {
  const ctc_cudnn *dnn = (const ctc_cudnn *)step->library->functions;
  void **w = &step->objects[CTC_CUDNN_W], **conv = &step->objects[CTC_CUDNN_CONV];
  return dnn->filter(w) == 0 &&
         dnn->set_filter(*w, CTC_CUDNN_DATA_FLOAT, CTC_CUDNN_TENSOR_NCHW,
                         (int)(c->groups * c->y_channels), (int)c->x_channels, (int)c->kernel[1],
                         (int)c->kernel[2]) == 0 &&
         dnn->conv(conv) == 0 &&
         dnn->set_conv(*conv, (int)c->pad[1], (int)c->pad[2], (int)c->stride[1], (int)c->stride[2],
                       (int)c->dilation[1], (int)c->dilation[2], CTC_CUDNN_CROSS_CORRELATION,
                       CTC_CUDNN_DATA_FLOAT) == 0 &&
         dnn->set_groups(*conv, (int)c->groups) == 0 &&
         dnn->set_math(*conv, ctc_cudnn_math[step->library->precision]) == 0;
}

/* Whether it has such a convolution: over two axes, with as many results as it makes with the same
 * padding at both ends, of sizes that fit. */
static int ctc_cudnn_has(const ctc_cudnn_conv *c) {
  const ctc_dim x_channels = c->groups * c->x_channels, y_channels = c->groups * c->y_channels;
  int has = c->x[0] == 1 && c->y[0] == 1 && c->kernel[0] == 1 && c->pad[0] == 0 && c->n > 0 &&
            x_channels > 0 && y_channels > 0 && ctc_library_fits(c->n) &&
            ctc_library_fits(x_channels) && ctc_library_fits(y_channels);
  for (int d = 1; d < 3 && has; d++) {
    const ctc_dim room = c->x[d] + 2 * c->pad[d] - c->dilation[d] * (c->kernel[d] - 1) - 1;
    has = c->x[d] > 0 && c->y[d] > 0 && c->kernel[d] > 0 && ctc_library_fits(c->x[d]) &&
          ctc_library_fits(c->pad[d]) && ctc_library_fits(c->kernel[d]) &&
          ctc_library_fits(c->stride[d]) && ctc_library_fits(c->dilation[d]) && room >= 0 &&
          room / c->stride[d] + 1 == c->y[d];
  }
  return has;
}

/* Describes a convolution, and chooses how it is done, unless that is known; whether it can be. */
static int ctc_cudnn_plan(ctc_library_step *step, const ctc_cudnn_conv *c) {
  const ctc_dim *of_axes[] = {c->x, c->y, c->kernel, c->stride, c->dilation, c->pad};
  ctc_dim key[4 + 6 * 3] = {c->n, c->groups, c->x_channels, c->y_channels};
  for (int i = 0; i < 6 * 3; i++) key[4 + i] = of_axes[i / 3][i % 3];
  if (!ctc_library_is_new(step, key, (int)(sizeof key / sizeof *key))) return step->chosen;
  ctc_cudnn_forget(step);
  return ctc_cudnn_has(c) &&
         ctc_cudnn_describe(step, CTC_CUDNN_X, c->n, c->groups * c->x_channels, c->x) &&
         ctc_cudnn_describe(step, CTC_CUDNN_Y, c->n, c->groups * c->y_channels, c->y) &&
         ctc_cudnn_describe_filters(step, c) && ctc_cudnn_choose(step, c->transposed);
}

/* Does it, from `from` to `to`; whether it did. */
static int ctc_cudnn_run(ctc_library_step *step, const ctc_cudnn_conv *c, uint64_t from,
                         uint64_t weights, uint64_t to) {
  const ctc_library *library = step->library;
  const ctc_cudnn *dnn = (const ctc_cudnn *)library->functions;
  const float one = 1.0f, zero = 0.0f;
  const void *in = (const void *)(uintptr_t)from, *w = (const void *)(uintptr_t)weights;
  void *out = (void *)(uintptr_t)to, **objects = step->objects;
  const int algorithm = (int)step->choice[0];
  if (dnn->use_stream(library->handle, library->stream) != 0) return 0;
  return (c->transposed
              ? dnn->backward(library->handle, &one, objects[CTC_CUDNN_W], w, objects[CTC_CUDNN_Y],
                              in, objects[CTC_CUDNN_CONV], algorithm, library->workspace,
                              CTC_LIBRARY_WORKSPACE, &zero, objects[CTC_CUDNN_X], out)
              : dnn->forward(library->handle, &one, objects[CTC_CUDNN_X], in, objects[CTC_CUDNN_W],
                             w, objects[CTC_CUDNN_CONV], algorithm, library->workspace,
                             CTC_LIBRARY_WORKSPACE, &zero, objects[CTC_CUDNN_Y], out)) == 0;
}

/* Plans and does a convolution of tensors whose addresses it takes: whole fours of f32. */
static int ctc_cudnn_do(ctc_library_step *step, const ctc_cudnn_conv *c, uint64_t from,
                        uint64_t weights, uint64_t to) {
  if ((from | weights | to) % 16 != 0) return 0;
  step->chosen = ctc_cudnn_plan(step, c) && ctc_cudnn_run(step, c, from, weights, to);
  return step->chosen;
}

/* NAME_finish adds the bias. */
static int ctc_conv_f32_cudnn(ctc_library_step *step, uint64_t x, uint64_t w, uint64_t bias,
                              uint64_t y, ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                              const ctc_dim *in, const ctc_dim *out, const ctc_dim *kernel,
                              const ctc_dim *stride, const ctc_dim *dilation, const ctc_dim *pad) {
  const ctc_cudnn_conv conv = {n, groups, ic, oc, in, out, kernel, stride, dilation, pad, 0};
  (void)bias;
  return ctc_cudnn_do(step, &conv, x, w, y);
}

/* Likewise. */
static int ctc_conv_transpose_f32_cudnn(ctc_library_step *step, uint64_t x, uint64_t w,
                                        uint64_t bias, uint64_t y, ctc_dim n, ctc_dim groups,
                                        ctc_dim ic, ctc_dim oc, const ctc_dim *in,
                                        const ctc_dim *out, const ctc_dim *kernel,
                                        const ctc_dim *stride, const ctc_dim *dilation,
                                        const ctc_dim *pad) {
  const ctc_cudnn_conv conv = {n, groups, oc, ic, out, in, kernel, stride, dilation, pad, 1};
  (void)bias;
  return ctc_cudnn_do(step, &conv, x, w, y);
}
