/* resize.cu: Resize and Upsample, one axis at a time: a table of inputs and weights of each output
 * position, then all rows by that table. */

enum { ctc_resize_sizes_threads = 32 };

static ctc_dim ctc_resize_sizes_blocks(ctc_dim count) {
  return count > 0;
}

/* sizes [count]: in[i] * scales[i], rounded down. A scale that is not positive is an error. */
CTC_DEVICE void ctc_resize_sizes(const float *scales, int64_t *sizes, ctc_dim count,
                                 const ctc_dim *in, int *status) {
  if (threadIdx.x != 0) return;
  for (ctc_dim i = 0; i < count; i++) {
    const float size = (float)in[i] * scales[i];
    if (!(scales[i] > 0.0f) || size > 1e12f) {
      *status = CTC_BAD_SHAPE;
      return;
    }
    sizes[i] = (int64_t)size;
  }
}

enum { ctc_resize_table_threads = 128 };

static ctc_dim ctc_resize_table_blocks(ctc_dim out) {
  return ctc_blocks_for(out, 128);
}

/* index, weight [out, taps] of an axis, as in runtime/resize.c: a thread an output position. */
CTC_DEVICE void ctc_resize_table(const float *roi, const float *scales, int64_t *index,
                                 float *weight, ctc_dim in, ctc_dim out, ctc_dim taps,
                                 ctc_dim number, ctc_dim axes, double scale, ctc_dim p, ctc_dim q,
                                 ctc_dim mode, ctc_dim coordinate, ctc_dim rounding, double cubic_a,
                                 ctc_dim antialias, ctc_dim exclude_outside) {
  const ctc_dim o = ctc_thread_of(128);
  if (o >= out) return;
  const float given = scale > 0.0 ? (float)scale : (float)p / (float)q;
  const float factor = scales ? scales[number] : given;
  const float shrink = antialias && factor < 1.0f ? factor : 1.0f;
  const float part[2] = {roi ? roi[number] : 0.0f, roi ? roi[axes + number] : 1.0f};
  const float x = ctc_resize_position(o, factor, (float)in, (float)out, coordinate, part);
  index += o * taps;
  if (mode == CTC_RESIZE_NEAREST)
    index[0] = ctc_clamp_index(ctc_resize_nearest(x, factor, rounding), in);
  else
    ctc_resize_taps(x, index, weight + o * taps, in, taps, mode, shrink, (float)cubic_a,
                    antialias || exclude_outside, exclude_outside);
  if (coordinate == CTC_RESIZE_TF_CROP && (x < 0.0f || x > (float)(in - 1))) index[0] = -1;
}

//$ for t in f32 f64
static ctc_dim ctc_resize_blend_$t_blocks(ctc_dim outer, ctc_dim out, ctc_dim inner) {
  return ctc_blocks_for(outer * out * inner, CTC_TEAM_THREADS);
}

/* y [outer, out, inner] from x [outer, in, inner] by a table; where index[…][0] is -1, y is
 * `outside`. A thread an element. */
CTC_DEVICE void ctc_resize_blend_$t(const $T *x, const int64_t *index, const float *weight, $T *y,
                                    ctc_dim outer, ctc_dim in, ctc_dim out, ctc_dim inner,
                                    ctc_dim taps, double outside) {
  const ctc_dim at = ctc_thread_of(CTC_TEAM_THREADS);
  if (at >= outer * out * inner) return;
  const ctc_dim row = at / inner, first = row % out * taps;
  const $T *from = x + row / out * in * inner + at % inner;
  $T sum = 0;
#pragma unroll 4
  for (ctc_dim t = 0; t < taps; t++)
    sum += ($T)weight[first + t] * from[ctc_clamp_index((ctc_dim)index[first + t], in) * inner];
  y[at] = index[first] < 0 ? ($T)outside : sum;
}
//$ end

//$ for t in f32 f64 f16 bf16 i8 i16 i32 i64 u8 u16 u32 u64 bool
static ctc_dim ctc_resize_pick_$t_blocks(ctc_dim outer, ctc_dim out, ctc_dim inner) {
  return ctc_blocks_for(outer * out * inner, CTC_TEAM_THREADS);
}

/* Likewise for CTC_RESIZE_NEAREST: each row is a copy. */
CTC_DEVICE void ctc_resize_pick_$t(const $T *x, const int64_t *index, $T *y, ctc_dim outer,
                                   ctc_dim in, ctc_dim out, ctc_dim inner, double outside) {
  const ctc_dim at = ctc_thread_of(CTC_TEAM_THREADS);
  if (at >= outer * out * inner) return;
  const ctc_dim row = at / inner, from = (ctc_dim)index[row % out];
  y[at] = from < 0 ? ($T)outside : x[(row / out * in + from) * inner + at % inner];
}
//$ end
