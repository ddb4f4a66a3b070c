/* cudnn.cpp: a stand-in for libcudnn: convolutions of f32 planes [n, c, h, w]. It takes what the
 * headers of cuDNN document, and of that only what programs of ctc use. */
#include "library.h"
#include <math.h>
#include <set>
#include <stdarg.h>
#include <stdio.h>
#include <vector>

/* cudnnStatus_t of version 9; programs may only know 0. */
enum {
  SUCCESS = 0,
  NOT_INITIALIZED = 1001,
  BAD_PARAM = 2000,
  NOT_SUPPORTED = 3000,
  EXECUTION_FAILED = 5000
};
enum { NCHW = 0, FLOAT = 0, CROSS_CORRELATION = 1 };
enum { DEFAULT_MATH = 0, ALLOW_CONVERSION = 2, FMA_MATH = 3 };

struct Handle {
  CUstream stream;
};

/* n planes of c channels; of filters, k filters for c channels. */
struct Planes {
  int n, c, h, w;
  size_t floats() const { return (size_t)n * c * h * w; }
};

struct Conv {
  int pad[2], stride[2], dilation[2], groups, math;
};

struct Result {
  int algorithm, status;
  float time;
  size_t memory;
  int determinism, math;
  int reserved[3];
};

static std::set<const void *> handles, tensors, filters, convs;
static const size_t WORKSPACE = 1 << 16;
/* Algorithms, the fastest first: one needs too much memory, one is not there for these sizes, one
 * does not give the same bits each time. */
static const int GREEDY = 6, MISSING = 4, RESTLESS = 7, GOOD = 1, SLOW = 0;

template <class T> static int create(std::set<const void *> &all, T **made, T value) {
  if (!made) return BAD_PARAM;
  *made = new T(value);
  all.insert(*made);
  return SUCCESS;
}

template <class T> static int destroy(std::set<const void *> &all, T *one) {
  if (!all.erase(one)) return BAD_PARAM;
  delete one;
  return SUCCESS;
}

CTC_API int cudnnCreate(Handle **handle) {
  if (!has_context() || refuses("create")) return NOT_INITIALIZED;
  return create(handles, handle, {nullptr});
}

CTC_API int cudnnDestroy(Handle *handle) {
  if (tensors.size() || filters.size() || convs.size()) record("something was not destroyed");
  return destroy(handles, handle);
}

CTC_API int cudnnSetStream(Handle *handle, CUstream stream) {
  if (!handles.count(handle)) return BAD_PARAM;
  handle->stream = stream;
  return SUCCESS;
}

CTC_API int cudnnCreateTensorDescriptor(Planes **tensor) {
  return create(tensors, tensor, {0, 0, 0, 0});
}

CTC_API int cudnnSetTensor4dDescriptor(Planes *tensor, int format, int type, int n, int c, int h,
                                       int w) {
  if (!tensors.count(tensor) || format != NCHW || type != FLOAT || n < 1 || c < 1 || h < 1 || w < 1)
    return BAD_PARAM;
  *tensor = {n, c, h, w};
  return SUCCESS;
}

CTC_API int cudnnDestroyTensorDescriptor(Planes *tensor) {
  return destroy(tensors, tensor);
}

CTC_API int cudnnCreateFilterDescriptor(Planes **filter) {
  return create(filters, filter, {0, 0, 0, 0});
}

CTC_API int cudnnSetFilter4dDescriptor(Planes *filter, int type, int format, int k, int c, int h,
                                       int w) {
  if (!filters.count(filter) || format != NCHW || type != FLOAT || k < 1 || c < 1 || h < 1 || w < 1)
    return BAD_PARAM;
  *filter = {k, c, h, w};
  return SUCCESS;
}

CTC_API int cudnnDestroyFilterDescriptor(Planes *filter) {
  return destroy(filters, filter);
}

CTC_API int cudnnCreateConvolutionDescriptor(Conv **conv) {
  return create(convs, conv, {{0, 0}, {0, 0}, {0, 0}, 1, DEFAULT_MATH});
}

CTC_API int cudnnSetConvolution2dDescriptor(Conv *conv, int pad_h, int pad_w, int stride_h,
                                            int stride_w, int dilation_h, int dilation_w, int mode,
                                            int type) {
  if (!convs.count(conv) || pad_h < 0 || pad_w < 0 || stride_h < 1 || stride_w < 1 ||
      dilation_h < 1 || dilation_w < 1 || mode != CROSS_CORRELATION || type != FLOAT)
    return BAD_PARAM;
  *conv = {{pad_h, pad_w}, {stride_h, stride_w}, {dilation_h, dilation_w}, 1, DEFAULT_MATH};
  return SUCCESS;
}

CTC_API int cudnnSetConvolutionGroupCount(Conv *conv, int groups) {
  if (!convs.count(conv) || groups < 1) return BAD_PARAM;
  conv->groups = groups;
  return SUCCESS;
}

CTC_API int cudnnSetConvolutionMathType(Conv *conv, int math) {
  if (!convs.count(conv) || math < DEFAULT_MATH || math > FMA_MATH) return BAD_PARAM;
  conv->math = math;
  return SUCCESS;
}

CTC_API int cudnnDestroyConvolutionDescriptor(Conv *conv) {
  return destroy(convs, conv);
}

/* Results along an axis. */
static int results(int in, int kernel, int pad, int stride, int dilation) {
  int room = in + 2 * pad - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

/* Whether they are a convolution from x to y. */
static bool fits(const Handle *handle, const Planes *x, const Planes *w, const Conv *conv,
                 const Planes *y) {
  if (!handles.count(handle) || !tensors.count(x) || !filters.count(w) || !convs.count(conv) ||
      !tensors.count(y))
    return false;
  return x->n == y->n && x->c == w->c * conv->groups && y->c == w->n && w->n % conv->groups == 0 &&
         y->h == results(x->h, w->h, conv->pad[0], conv->stride[0], conv->dilation[0]) &&
         y->w == results(x->w, w->w, conv->pad[1], conv->stride[1], conv->dilation[1]);
}

/* The algorithms for a convolution from x to y, or for its gradient. */
static int list(const char *what, const Handle *handle, const Planes *x, const Planes *w,
                const Conv *conv, const Planes *y, int wanted, int *found, Result *given) {
  if (!found || !given || wanted < 1 || !fits(handle, x, w, conv, y)) {
    record(std::string(what) + " was asked for what does not fit");
    return BAD_PARAM;
  }
  if (refuses("choose")) return NOT_SUPPORTED;
  const Result all[] = {
      {GREEDY, SUCCESS, -1.0f, (size_t)1 << 40, 1, conv->math, {0}},
      {MISSING, NOT_SUPPORTED, -1.0f, 0, 1, conv->math, {0}},
      {RESTLESS, SUCCESS, -1.0f, 0, 0, conv->math, {0}},
      {GOOD, SUCCESS, -1.0f, WORKSPACE, 1, conv->math, {0}},
      {SLOW, SUCCESS, -1.0f, 0, 1, conv->math, {0}},
  };
  *found = 0;
  for (const Result &result : all)
    if (*found < wanted) given[(*found)++] = result;
  return SUCCESS;
}

CTC_API int cudnnGetConvolutionForwardAlgorithm_v7(Handle *handle, Planes *x, Planes *w, Conv *conv,
                                                   Planes *y, int wanted, int *found,
                                                   Result *given) {
  return list(__func__, handle, x, w, conv, y, wanted, found, given);
}

CTC_API int cudnnGetConvolutionBackwardDataAlgorithm_v7(Handle *handle, Planes *w, Planes *y,
                                                        Conv *conv, Planes *x, int wanted,
                                                        int *found, Result *given) {
  return list(__func__, handle, x, w, conv, y, wanted, found, given);
}

CTC_API int cudnnGetConvolutionForwardWorkspaceSize(Handle *handle, Planes *x, Planes *w,
                                                    Conv *conv, Planes *y, int algorithm,
                                                    size_t *bytes) {
  if (!bytes || !fits(handle, x, w, conv, y)) return BAD_PARAM;
  *bytes = algorithm == GOOD ? WORKSPACE : 0;
  return SUCCESS;
}

CTC_API int cudnnGetConvolutionBackwardDataWorkspaceSize(Handle *handle, Planes *w, Planes *y,
                                                         Conv *conv, Planes *x, int algorithm,
                                                         size_t *bytes) {
  return cudnnGetConvolutionForwardWorkspaceSize(handle, x, w, conv, y, algorithm, bytes);
}

/* A convolution from x to y at the place of a filter's element: y's and x's elements that meet
 * there are put together by `meet`. */
template <class Meet>
static void walk(const Planes &x, const Planes &w, const Conv &conv, const Planes &y,
                 const Meet &meet) {
  for (int image = 0; image < y.n; image++)
    for (int channel = 0; channel < y.c; channel++)
      for (int row = 0; row < y.h; row++)
        for (int column = 0; column < y.w; column++)
          for (int c = 0; c < w.c; c++)
            for (int i = 0; i < w.h; i++)
              for (int j = 0; j < w.w; j++) {
                int h = row * conv.stride[0] - conv.pad[0] + i * conv.dilation[0];
                int at = column * conv.stride[1] - conv.pad[1] + j * conv.dilation[1];
                if (h < 0 || h >= x.h || at < 0 || at >= x.w) continue;
                size_t in = (size_t)image * x.c + channel / (w.n / conv.groups) * w.c + c;
                size_t out = (size_t)image * y.c + channel;
                meet((in * x.h + h) * x.w + at, (((size_t)channel * w.c + c) * w.h + i) * w.w + j,
                     (out * y.h + row) * y.w + column);
              }
}

/* The convolution, or its gradient by the data; the workspace is left in disorder. */
static void convolve(Planes x, Planes w, Conv conv, Planes y, bool back, const float *from,
                     const float *weights, float *to, float *workspace) {
  std::vector<double> sums((back ? x : y).floats());
  for (size_t i = 0; i < WORKSPACE / sizeof(float); i++) workspace[i] = NAN;
  walk(x, w, conv, y, [&](size_t in, size_t weight, size_t out) {
    if (back)
      sums[in] += (double)weights[weight] * from[out];
    else
      sums[out] += (double)weights[weight] * from[in];
  });
  for (size_t i = 0; i < sums.size(); i++) to[i] = (float)sums[i];
}

static std::string text(const char *format, ...) {
  char line[256];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  return line;
}

/* Puts it into the handle's stream. */
static int run(const char *what, const Handle *handle, const float *alpha, const Planes *x_tensor,
               const float *x, const Planes *filter, const float *w, const Conv *conv,
               int algorithm, float *workspace, size_t bytes, const float *beta,
               const Planes *y_tensor, const float *y, bool back) {
  if (!fits(handle, x_tensor, filter, conv, y_tensor) || !alpha || !beta || *alpha != 1.0f ||
      *beta != 0.0f)
    return BAD_PARAM;
  bool there = on_device(x, x_tensor->floats() * 4) && on_device(w, filter->floats() * 4) &&
               on_device(y, y_tensor->floats() * 4) && on_device(workspace, bytes);
  if (algorithm != GOOD || bytes < WORKSPACE || !there) {
    record(std::string(what) + " was called otherwise than it may be");
    return BAD_PARAM;
  }
  if (refuses("call")) return EXECUTION_FAILED;
  Planes in = *x_tensor, weights = *filter, out = *y_tensor;
  Conv how = *conv;
  std::string problem =
      text("%s x %dx%dx%dx%d w %dx%dx%dx%d pad %d,%d stride %d,%d dilation %d,%d groups %d math %d",
           what, in.n, in.c, in.h, in.w, weights.n, weights.c, weights.h, weights.w, how.pad[0],
           how.pad[1], how.stride[0], how.stride[1], how.dilation[0], how.dilation[1], how.groups,
           how.math);
  float *to = const_cast<float *>(back ? x : y);
  const float *from = back ? y : x;
  if (!add_work(handle->stream, problem,
                [=] { convolve(in, weights, how, out, back, from, w, to, workspace); }))
    return EXECUTION_FAILED;
  record(problem);
  return SUCCESS;
}

CTC_API int cudnnConvolutionForward(Handle *handle, const float *alpha, Planes *x_tensor,
                                    const float *x, Planes *filter, const float *w, Conv *conv,
                                    int algorithm, float *workspace, size_t bytes,
                                    const float *beta, Planes *y_tensor, float *y) {
  return run(__func__, handle, alpha, x_tensor, x, filter, w, conv, algorithm, workspace, bytes,
             beta, y_tensor, y, false);
}

CTC_API int cudnnConvolutionBackwardData(Handle *handle, const float *alpha, Planes *filter,
                                         const float *w, Planes *y_tensor, const float *y,
                                         Conv *conv, int algorithm, float *workspace, size_t bytes,
                                         const float *beta, Planes *x_tensor, float *x) {
  return run(__func__, handle, alpha, x_tensor, x, filter, w, conv, algorithm, workspace, bytes,
             beta, y_tensor, y, true);
}
