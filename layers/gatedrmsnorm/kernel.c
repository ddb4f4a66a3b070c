/* kernel.c: root-mean-square normalisation with a gate */

/* A unit is a group of C numbers: y = x / sqrt(mean(x^2) + epsilon) scale g, g = z sigmoid(z) or, where
 * activation is 2, sigmoid(z) of the gate z. */
//$ for t in f32 f16 bf16
static void gatedrmsnorm_$t(const $T *x, const $T *scale, const $T *gate, $T *y, float epsilon, ctc_dim activation,
                            ctc_dim C, ctc_dim first, ctc_dim last) {
  for (ctc_dim n = first; n < last; n++) {
    const $T *row = x + n * C, *gates = gate + n * C;
    double sum = 0;
    for (ctc_dim c = 0; c < C; c++) sum += (double)gatedrmsnorm_get_$t(row[c]) * (double)gatedrmsnorm_get_$t(row[c]);
    const float factor = (float)(1.0 / sqrt(sum / (double)C + (double)epsilon));
    for (ctc_dim c = 0; c < C; c++) {
      const float z = gatedrmsnorm_get_$t(gates[c]), share = ctc_sigmoid_f32(z);
      const float value = gatedrmsnorm_get_$t(row[c]) * factor * gatedrmsnorm_get_$t(scale[c]);
      y[n * C + c] = gatedrmsnorm_set_$t(value * (activation == 2 ? share : z * share));
    }
  }
}
//$ end

static inline float gatedrmsnorm_get_f32(float x) { return x; }

static inline float gatedrmsnorm_get_f16(uint16_t x) { return ctc_half_to_float(x); }

static inline float gatedrmsnorm_set_f32(float x) { return x; }

static inline uint16_t gatedrmsnorm_set_f16(float x) { return ctc_float_to_half(x); }

static inline float gatedrmsnorm_get_bf16(uint16_t x) { return ctc_bfloat_to_float(x); }

static inline uint16_t gatedrmsnorm_set_bf16(float x) { return ctc_float_to_bfloat(x); }
