/* cudnn.c: convolutions of f32 over one or two spatial axes by cuDNN, versions 8 and 9 (cudnn_ops.h,
 * cudnn_cnn.h; docs.nvidia.com/deeplearning/cudnn).
 *
 * It pads both ends of an axis alike. What is padded otherwise can be done all the same if the same
 * number of results comes out: then they read the same elements. */

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

/* The objects of a step. */
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

/* Takes an algorithm if it may be used: it needs no more than the workspace, and gives the same
 * bits each time. Without tensor cores they stay out of it. */
static int ctc_cudnn_take(ctc_library_step *step, const ctc_cudnn_result *result) {
  const ctc_library *library = step->library;
  const ctc_cudnn *dnn = (const ctc_cudnn *)library->functions;
  const int math = library->precision == 0 ? CTC_CUDNN_FMA_MATH : result->mathType;
  void **objects = step->objects;
  size_t bytes = 0;
  if (result->status != 0 || result->determinism != CTC_CUDNN_DETERMINISTIC ||
      result->memory > CTC_LIBRARY_WORKSPACE || dnn->set_math(objects[CTC_CUDNN_CONV], math) != 0)
    return 0;
  step->choice[0] = (uint64_t)result->algo;
  return dnn->workspace(library->handle, objects[CTC_CUDNN_X], objects[CTC_CUDNN_W],
                        objects[CTC_CUDNN_CONV], objects[CTC_CUDNN_Y], result->algo, &bytes) == 0 &&
         bytes <= CTC_LIBRARY_WORKSPACE;
}

/* Takes the fastest algorithm that may be used; whether there is one. */
static int ctc_cudnn_choose(ctc_library_step *step) {
  enum { MOST = 8 };
  const ctc_library *library = step->library;
  const ctc_cudnn *dnn = (const ctc_cudnn *)library->functions;
  ctc_cudnn_result results[MOST];
  void **objects = step->objects;
  int found = 0;
  if (dnn->choose(library->handle, objects[CTC_CUDNN_X], objects[CTC_CUDNN_W],
                  objects[CTC_CUDNN_CONV], objects[CTC_CUDNN_Y], MOST, &found, results) != 0)
    return 0;
  for (int i = 0; i < found; i++)
    if (ctc_cudnn_take(step, &results[i])) return 1;
  return 0;
}

/* Describes a tensor of n planes of c channels as object number `object`. */
static int ctc_cudnn_describe(ctc_library_step *step, int object, ctc_dim n, ctc_dim c,
                              const ctc_dim *size) {
  const ctc_cudnn *dnn = (const ctc_cudnn *)step->library->functions;
  return dnn->tensor(&step->objects[object]) == 0 &&
         dnn->set_tensor(step->objects[object], CTC_CUDNN_TENSOR_NCHW, CTC_CUDNN_DATA_FLOAT, (int)n,
                         (int)c, (int)size[1], (int)size[2]) == 0;
}

/* Describes the filters and how they move. */
static int ctc_cudnn_describe_conv(ctc_library_step *step, ctc_dim groups, ctc_dim filters,
                                   ctc_dim channels, const ctc_dim *kernel, const ctc_dim *stride,
                                   const ctc_dim *dilation, const ctc_dim *pad) {
  const ctc_cudnn *dnn = (const ctc_cudnn *)step->library->functions;
  void **w = &step->objects[CTC_CUDNN_W], **conv = &step->objects[CTC_CUDNN_CONV];
  return dnn->filter(w) == 0 &&
         dnn->set_filter(*w, CTC_CUDNN_DATA_FLOAT, CTC_CUDNN_TENSOR_NCHW, (int)filters,
                         (int)channels, (int)kernel[1], (int)kernel[2]) == 0 &&
         dnn->conv(conv) == 0 &&
         dnn->set_conv(*conv, (int)pad[1], (int)pad[2], (int)stride[1], (int)stride[2],
                       (int)dilation[1], (int)dilation[2], CTC_CUDNN_CROSS_CORRELATION,
                       CTC_CUDNN_DATA_FLOAT) == 0 &&
         dnn->set_groups(*conv, (int)groups) == 0 &&
         dnn->set_math(*conv, ctc_cudnn_math[step->library->precision]) == 0;
}

/* Whether it has convolutions from `in` to `out`: over two axes, with as many results as it makes
 * with the same padding at both ends, of sizes that fit. */
static int ctc_cudnn_has(ctc_dim n, ctc_dim channels, ctc_dim filters, const ctc_dim *in,
                         const ctc_dim *out, const ctc_dim *kernel, const ctc_dim *stride,
                         const ctc_dim *dilation, const ctc_dim *pad) {
  int has = in[0] == 1 && out[0] == 1 && kernel[0] == 1 && pad[0] == 0 && n > 0 && channels > 0 &&
            filters > 0 && ctc_library_fits(n) && ctc_library_fits(channels) &&
            ctc_library_fits(filters);
  for (int d = 1; d < 3 && has; d++) {
    const ctc_dim room = in[d] + 2 * pad[d] - dilation[d] * (kernel[d] - 1) - 1;
    has = in[d] > 0 && out[d] > 0 && kernel[d] > 0 && pad[d] >= 0 && ctc_library_fits(in[d]) &&
          ctc_library_fits(pad[d]) && ctc_library_fits(kernel[d]) && ctc_library_fits(stride[d]) &&
          ctc_library_fits(dilation[d]) && room >= 0 && room / stride[d] + 1 == out[d];
  }
  return has;
}

static int ctc_conv_f32_cudnn(ctc_library_step *step, uint64_t x, uint64_t w, uint64_t bias,
                              uint64_t y, ctc_dim n, ctc_dim groups, ctc_dim ic, ctc_dim oc,
                              const ctc_dim *in, const ctc_dim *out, const ctc_dim *kernel,
                              const ctc_dim *stride, const ctc_dim *dilation, const ctc_dim *pad) {
  const ctc_dim key[] = {n,         groups,    ic,          oc,          in[0],       in[1],
                         in[2],     out[0],    out[1],      out[2],      kernel[0],   kernel[1],
                         kernel[2], stride[1], stride[2],   dilation[1], dilation[2], pad[0],
                         pad[1],    pad[2]};
  const ctc_cudnn *dnn = (const ctc_cudnn *)step->library->functions;
  const ctc_library *library = step->library;
  const float one = 1.0f, zero = 0.0f;
  void **objects = step->objects;
  (void)bias; /* ctc_conv_f32_finish adds it */
  if ((x | w | y) % 16 != 0) return 0;
  if (ctc_library_is_new(step, key, (int)(sizeof key / sizeof *key))) {
    ctc_cudnn_forget(step);
    step->chosen =
        ctc_cudnn_has(n, groups * ic, groups * oc, in, out, kernel, stride, dilation, pad) &&
        ctc_cudnn_describe(step, CTC_CUDNN_X, n, groups * ic, in) &&
        ctc_cudnn_describe(step, CTC_CUDNN_Y, n, groups * oc, out) &&
        ctc_cudnn_describe_conv(step, groups, groups * oc, ic, kernel, stride, dilation, pad) &&
        ctc_cudnn_choose(step);
  }
  if (step->chosen)
    step->chosen =
        dnn->use_stream(library->handle, library->stream) == 0 &&
        dnn->forward(library->handle, &one, objects[CTC_CUDNN_X], (const void *)(uintptr_t)x,
                     objects[CTC_CUDNN_W], (const void *)(uintptr_t)w, objects[CTC_CUDNN_CONV],
                     (int)step->choice[0], library->workspace, CTC_LIBRARY_WORKSPACE, &zero,
                     objects[CTC_CUDNN_Y], (void *)(uintptr_t)y) == 0;
  return step->chosen;
}
