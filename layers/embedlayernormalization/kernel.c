/* kernel.c: the embeddings that a transformer begins with */

/* sum = word + position + segment; y = (sum - mean) / sqrt(variance + epsilon) gamma + beta; mask_index counts
 * the ones of each row of the mask. */
//$ for t in f32 f16
static int embedlayernormalization_$t(const int32_t *input_ids, const int32_t *segment_ids, const $T *word_embedding,
                                      const $T *position_embedding, const $T *segment_embedding, const $T *gamma,
                                      const $T *beta, const int32_t *mask, const int32_t *position_ids, $T *y,
                                      int32_t *mask_index, $T *embedding_sum, float epsilon, ctc_dim B, ctc_dim L,
                                      ctc_dim D, ctc_dim words, ctc_dim positions, ctc_dim segments, ctc_dim rows) {
  for (ctc_dim i = 0; i < B * L; i++) {
    const ctc_dim word = input_ids[i], segment = segment_ids ? segment_ids[i] : 0;
    const ctc_dim position = rows > 0 ? position_ids[rows == 1 ? i % L : i] : i % L; /* 0: left out */
    const int segmented = segment_embedding != 0 && segment_ids != 0;
    if (word < 0 || word >= words || position < 0 || position >= positions) return CTC_BAD_INDEX;
    if (segmented && (segment < 0 || segment >= segments)) return CTC_BAD_INDEX;
    embedlayernormalization_row_$t(word_embedding + word * D, position_embedding + position * D,
                                   segmented ? segment_embedding + segment * D : 0, gamma, beta, y + i * D,
                                   embedding_sum + i * D, epsilon, D);
  }
  for (ctc_dim b = 0; b < B; b++) {
    mask_index[b] = 0;
    for (ctc_dim l = 0; l < L && mask; l++) mask_index[b] += mask[b * L + l] == 1;
  }
  return CTC_OK;
}
//$ end

//$ for t in f32 f16
static inline void embedlayernormalization_row_$t(const $T *word, const $T *position, const $T *segment,
                                                  const $T *gamma, const $T *beta, $T *y, $T *sum, float epsilon,
                                                  ctc_dim D) {
  double mean = 0, variance = 0;
  for (ctc_dim d = 0; d < D; d++) {
    float value = embedlayernormalization_get_$t(word[d]) + embedlayernormalization_get_$t(position[d]);
    if (segment) value += embedlayernormalization_get_$t(segment[d]);
    sum[d] = embedlayernormalization_set_$t(value);
    mean += (double)value / (double)D;
  }
  for (ctc_dim d = 0; d < D; d++) {
    const double apart = (double)embedlayernormalization_get_$t(sum[d]) - mean;
    variance += apart * apart / (double)D;
  }
  const double factor = 1.0 / sqrt(variance + (double)epsilon);
  for (ctc_dim d = 0; d < D; d++) {
    const float value = (float)(((double)embedlayernormalization_get_$t(sum[d]) - mean) * factor);
    y[d] = embedlayernormalization_set_$t(value * embedlayernormalization_get_$t(gamma[d]) +
                                          embedlayernormalization_get_$t(beta[d]));
  }
}
//$ end

static inline float embedlayernormalization_get_f32(float x) { return x; }

static inline float embedlayernormalization_get_f16(uint16_t x) { return ctc_half_to_float(x); }

static inline float embedlayernormalization_set_f32(float x) { return x; }

static inline uint16_t embedlayernormalization_set_f16(float x) { return ctc_float_to_half(x); }
