/* attention.c: softmax(scale * Q K^T + mask) V, one query row at a time, so that no matrix of all
 * scores is kept. */

/* Turns scores into weights that add up to 1; 0 for all if every score is -infinity. */
//$ for t in f32 f64
static inline void ctc_attention_weights_$t($T *scores, ctc_dim n) {
  $T most = n > 0 ? scores[0] : 0, sum = 0;
  for (ctc_dim j = 1; j < n; j++) most = scores[j] > most ? scores[j] : most;
  int masked = most < 0 && most * ($T)0.5 == most; /* -infinity */
  for (ctc_dim j = 0; j < n; j++) {
    scores[j] = masked ? 0 : CTC_EXP_$t(scores[j] - most);
    sum += scores[j];
  }
  for (ctc_dim j = 0; j < n && sum > 0; j++) scores[j] /= sum;
}
//$ end

/* Y = softmax(softcap(scale * Q K^T) + bias) V for each batch and head; query head h uses key head
 * h / (heads / kv_heads).
 *
 * Row i of head h of batch b of Q begins at b * q_step[0] + h * q_step[1] + i * q_step[2] and is
 * contiguous; K, V and Y likewise. The bias is made of mask (added; may be missing), allowed (0:
 * not this key; may be missing), the number of keys of each batch (lengths; may be missing), and of
 * which keys j a query at p = i + past may see: j <= p if causal, p - left <= j <= p + right if
 * these are not negative. With lengths, p = i + lengths[b] - rows. mask and allowed are read at b *
 * mask_step[0] + h * mask_step[1] + i * mask_step[2] + j * mask_step[3], and bar all keys from
 * mask_columns on.
 *
 * qk (may be missing) receives the scores [batch, heads, rows, keys]: scaled (mode 0), after
 * softcap (1), with bias (2), after softmax (3). scores: memory for `keys` numbers. */
//$ for t in f32 f64
static void ctc_attention_$t(const $T *q, const $T *k, const $T *v, const $T *mask,
                             const ctc_bool *allowed, const int64_t *lengths, $T *y, $T *qk,
                             $T *scores, ctc_dim batch, ctc_dim heads, ctc_dim kv_heads,
                             ctc_dim rows, ctc_dim keys, ctc_dim size, ctc_dim v_size,
                             const ctc_dim *q_step, const ctc_dim *k_step, const ctc_dim *v_step,
                             const ctc_dim *y_step, const ctc_dim *mask_step, ctc_dim mask_columns,
                             double scale, double softcap, ctc_dim mode, ctc_dim causal,
                             ctc_dim past, ctc_dim left, ctc_dim right) {
  const $T nothing = -($T)INFINITY, cap = ($T)softcap;
  for (ctc_dim line = 0; line < batch * heads * rows; line++) {
    ctc_dim i = line % rows, h = line / rows % heads, b = line / rows / heads;
    ctc_dim group = h / (heads / kv_heads), length = lengths ? lengths[b] : keys;
    ctc_dim place = i + (lengths ? length - rows : past);
    ctc_dim mask_at = b * mask_step[0] + h * mask_step[1] + i * mask_step[2];
    const $T *query = q + b * q_step[0] + h * q_step[1] + i * q_step[2];
    const $T *key = k + b * k_step[0] + group * k_step[1];
    const $T *value = v + b * v_step[0] + group * v_step[1];
    $T *out = y + b * y_step[0] + h * y_step[1] + i * y_step[2];
    $T *copy = qk ? qk + line * keys : NULL;
    for (ctc_dim j = 0; j < keys; j++) {
      $T score = ($T)scale * ctc_dot_$t(query, key + j * k_step[2], size);
      if (copy && mode == 0) copy[j] = score;
      if (cap > 0) score = cap * CTC_TANH_$t(score / cap);
      if (copy && mode == 1) copy[j] = score;
      int barred = j >= length || ((mask || allowed) && j >= mask_columns);
      if (causal && j > place) barred = 1;
      if ((left >= 0 && j < place - left) || (right >= 0 && j > place + right)) barred = 1;
      if (!barred && allowed) barred = !allowed[mask_at + j * mask_step[3]];
      if (!barred && mask) score += mask[mask_at + j * mask_step[3]];
      scores[j] = barred ? nothing : score;
      if (copy && mode == 2) copy[j] = scores[j];
    }
    ctc_attention_weights_$t(scores, keys);
    if (copy && mode == 3) memcpy(copy, scores, (size_t)keys * sizeof($T));
    for (ctc_dim j = 0; j < v_size; j++) out[j] = 0;
    ctc_matmul_add_$t(scores, value, out, 1, v_size, keys, keys, 1, v_step[2], v_size, 1);
  }
}
//$ end
