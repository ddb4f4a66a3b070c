/* linear_attention.c: attention whose keys and values are summed up in a state S[size, v_size] for
 * each head, which every step reads and changes. */

/* Columns of the state that are a unit of work. */
#define CTC_STATE_COLUMNS 16

/* What the heads of one batch item and one head of keys share. Rows of one step to the next one are
 * q_row, k_row, v_row and y_row numbers apart; `group` heads of queries and results lie behind each
 * other. decay (null: none) and beta (null: none) move on by decay_row and beta_row; decay has one
 * number for all of a head's rows of the state (decay_step 0) or one for each (1). */
typedef struct {
  const float *q, *k, *v, *decay, *beta;
  float *y, *state;
  ctc_dim length, size, v_size, group;
  ctc_dim q_row, k_row, v_row, y_row, decay_row, beta_row, decay_step;
  float scale;
} ctc_state_head;

/* All steps of `count` columns from column `at` on (at most CTC_LANES), which nothing outside of
 * them touches:
 *
 *   S[d] *= decay[d];  w = beta * (v - sum_d S[d] k[d])  or  w = v;  S[d] += k[d] w;
 *   y = scale * sum_d q[d] S[d] */
static inline CTC_INLINE void ctc_state_columns(const ctc_state_head *h, ctc_dim at, int count) {
  float *const state = h->state + at;
  for (ctc_dim t = 0; t < h->length; t++) {
    const float *k = h->k + t * h->k_row, *q = h->q + t * h->q_row;
    const float *decay = h->decay ? h->decay + t * h->decay_row : NULL;
    ctc_v seen = ctc_v_set(0), w = ctc_v_load_n(h->v + t * h->v_row + at, count);
    for (ctc_dim d = 0; d < h->size && (decay || h->beta); d++) {
      ctc_v s = ctc_v_load_n(state + d * h->v_size, count);
      if (decay) s = s * decay[d * h->decay_step];
      seen = seen + s * k[d];
      ctc_v_store_n(state + d * h->v_size, s, count);
    }
    if (h->beta) w = (w - seen) * h->beta[t * h->beta_row];
    for (ctc_dim d = 0; d < h->size; d++) {
      float *s = state + d * h->v_size;
      ctc_v_store_n(s, ctc_v_load_n(s, count) + w * k[d], count);
    }
    for (ctc_dim g = 0; g < h->group; g++, q += h->size) {
      ctc_v sum = ctc_v_set(0);
      for (ctc_dim d = 0; d < h->size; d++)
        sum = sum + ctc_v_load_n(state + d * h->v_size, count) * q[d];
      ctc_v_store_n(h->y + t * h->y_row + g * h->v_size + at, sum * h->scale, count);
    }
  }
}

/* The columns from `at` to `end` of a head; the state begins as `past`, or as zeros. */
static inline CTC_INLINE void ctc_state_block(const ctc_state_head *h, const float *past,
                                              ctc_dim at, ctc_dim end) {
  for (ctc_dim d = 0; d < h->size; d++)
    for (ctc_dim j = at; j < end; j++)
      h->state[d * h->v_size + j] = past ? past[d * h->v_size + j] : 0.0f;
  for (; at + CTC_LANES <= end; at += CTC_LANES) ctc_state_columns(h, at, CTC_LANES);
  if (at < end) ctc_state_columns(h, at, (int)(end - at));
}

/* Heads of queries share the state of head h / (heads / kv_heads) of keys and values. Shapes: q
 * [batch, length, heads * size], k [batch, length, kv_heads * size], v [batch, length, kv_heads *
 * v_size], past (null: zeros) and state [batch, kv_heads, size, v_size], decay (null: 1; factors)
 * [batch, length, kv_heads * decay_size] with decay_size 1 or size, beta (null: values are added as
 * they are) [batch, length, beta_heads] with beta_heads 1 or kv_heads, y [batch, length, heads *
 * v_size]. A unit is a block of columns of one head of keys. */
static void ctc_linear_attention_f32(const float *q, const float *k, const float *v,
                                     const float *past, const float *decay, const float *beta,
                                     float *y, float *state, ctc_dim heads, ctc_dim kv_heads,
                                     ctc_dim length, ctc_dim size, ctc_dim v_size,
                                     ctc_dim decay_size, ctc_dim beta_heads, double scale,
                                     ctc_dim first, ctc_dim last) {
  const ctc_dim blocks = (v_size + CTC_STATE_COLUMNS - 1) / CTC_STATE_COLUMNS;
  const ctc_dim group = heads / kv_heads;
  for (ctc_dim unit = first; unit < last; unit++) {
    ctc_dim at = unit % blocks * CTC_STATE_COLUMNS, end = at + CTC_STATE_COLUMNS;
    ctc_dim n = unit / blocks % kv_heads, b = unit / blocks / kv_heads;
    ctc_dim matrix = (b * kv_heads + n) * size * v_size, row = b * length;
    ctc_state_head head;
    head.q_row = heads * size, head.k_row = kv_heads * size;
    head.v_row = kv_heads * v_size, head.y_row = heads * v_size;
    head.decay_row = kv_heads * decay_size, head.beta_row = beta_heads;
    head.q = q + row * head.q_row + n * group * size;
    head.k = k + row * head.k_row + n * size;
    head.v = v + row * head.v_row + n * v_size;
    head.y = y + row * head.y_row + n * group * v_size;
    head.decay = decay ? decay + row * head.decay_row + n * decay_size : NULL;
    head.beta = beta ? beta + row * beta_heads + (beta_heads > 1 ? n : 0) : NULL;
    head.decay_step = decay_size > 1 ? 1 : 0;
    head.state = state + matrix;
    head.length = length, head.size = size, head.v_size = v_size, head.group = group;
    head.scale = (float)scale;
    ctc_state_block(&head, past ? past + matrix : NULL, at, end < v_size ? end : v_size);
  }
}
