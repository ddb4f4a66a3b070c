/* kernel.c: products by matrices of a few bits */

/* A unit is a column n of the result: each block of its weights is widened once, and multiplied by every row
 * of a: y[m][n] = sum over k of a[m][k] (b[n][k] - zero) scale + bias[n]. */
static void matmulnbits(const float *a, const uint8_t *b, const float *scales, const uint8_t *zero_points,
                        const float *bias, float *y, ctc_dim K, ctc_dim N, ctc_dim bits, ctc_dim block_size,
                        ctc_dim blocks, ctc_dim zero_bytes, ctc_dim rest, ctc_dim first, ctc_dim last) {
  float weights[MATMULNBITS_BLOCK];
  for (ctc_dim n = first; n < last; n++) {
    for (ctc_dim m = 0; m < rest; m++) y[m * N + n] = bias ? bias[n] : 0.0f;
    for (ctc_dim block = 0; block < blocks; block++) {
      const ctc_dim start = block * block_size, left = K - start, count = left < block_size ? left : block_size;
      int zero = 1 << (bits - 1);
      if (zero_points) zero = matmulnbits_element(zero_points + n * zero_bytes, block, bits);
      matmulnbits_widen(b + (n * blocks + block) * (block_size * bits / 8), weights, count, bits, zero);
      for (ctc_dim m = 0; m < rest; m++)
        y[m * N + n] += scales[n * blocks + block] * matmulnbits_dot(a + m * K + start, weights, count);
    }
  }
}

enum { MATMULNBITS_BLOCK = 256 };

/* Element i of packed ones: the lowest bits of a byte come first. */
static inline int matmulnbits_element(const uint8_t *packed, ctc_dim i, ctc_dim bits) {
  return packed[i * bits / 8] >> (i * bits % 8) & ((1 << bits) - 1);
}

static inline void matmulnbits_widen(const uint8_t *packed, float *weights, ctc_dim count, ctc_dim bits, int zero) {
  const ctc_dim pairs = bits == 4 ? count / 2 : 0;
  for (ctc_dim i = 0; i < pairs; i++) {
    weights[2 * i] = (float)((packed[i] & 15) - zero);
    weights[2 * i + 1] = (float)((packed[i] >> 4) - zero);
  }
  for (ctc_dim i = 2 * pairs; i < count; i++) weights[i] = (float)(matmulnbits_element(packed, i, bits) - zero);
}

/* Sixteen partial sums: the C compiler can keep them in a register. */
static inline float matmulnbits_dot(const float *a, const float *b, ctc_dim count) {
  float sums[16] = {0}, sum = 0;
  const ctc_dim whole = count - count % 16;
  for (ctc_dim k = 0; k < whole; k += 16)
    for (int i = 0; i < 16; i++) sums[i] += a[k + i] * b[k + i];
  for (ctc_dim k = whole; k < count; k++) sum += a[k] * b[k];
  for (int i = 0; i < 16; i++) sum += sums[i];
  return sum;
}
