/* kernel.c: inverses of matrices, by Gauss and Jordan in place */

/* work holds for each matrix a copy in double, and behind it which row became the pivot of each column. */
//$ for t in f32 f64 f16
static void inverse_$t(const $T *x, $T *y, double *work, ctc_dim R, ctc_dim first, ctc_dim last) {
  for (ctc_dim n = first; n < last; n++) {
    double *matrix = work + n * R * (R + 1);
    for (ctc_dim i = 0; i < R * R; i++) matrix[i] = inverse_get_$t(x[n * R * R + i]);
    inverse_in_place(matrix, matrix + R * R, R);
    for (ctc_dim i = 0; i < R * R; i++) y[n * R * R + i] = inverse_set_$t(matrix[i]);
  }
}
//$ end

/* Each column in turn: the row with the largest element goes up, and is subtracted from all others. What a
 * column would hold of the unit matrix beside it takes its place. In the end the exchanges of rows are undone
 * in the columns. A singular matrix gives infinities. */
static inline void inverse_in_place(double *matrix, double *pivots, ctc_dim R) {
  for (ctc_dim c = 0; c < R; c++) {
    ctc_dim pivot = c;
    for (ctc_dim r = c + 1; r < R; r++)
      if (fabs(matrix[r * R + c]) > fabs(matrix[pivot * R + c])) pivot = r;
    pivots[c] = (double)pivot;
    inverse_exchange(matrix + c * R, matrix + pivot * R, 1, R);
    inverse_eliminate(matrix, c, R);
  }
  for (ctc_dim c = R - 1; c >= 0; c--) inverse_exchange(matrix + c, matrix + (ctc_dim)pivots[c], R, R);
}

static inline void inverse_exchange(double *a, double *b, ctc_dim step, ctc_dim count) {
  for (ctc_dim i = 0; i < count && a != b; i++) {
    const double kept = a[i * step];
    a[i * step] = b[i * step];
    b[i * step] = kept;
  }
}

static inline void inverse_eliminate(double *matrix, ctc_dim c, ctc_dim R) {
  double *row = matrix + c * R;
  const double scale = 1.0 / row[c];
  row[c] = 1.0;
  for (ctc_dim i = 0; i < R; i++) row[i] *= scale;
  for (ctc_dim r = 0; r < R; r++) {
    double *other = matrix + r * R;
    const double factor = other[c];
    if (r == c) continue;
    other[c] = 0.0;
    for (ctc_dim i = 0; i < R; i++) other[i] -= factor * row[i];
  }
}

//$ for t in f32 f64
static inline double inverse_get_$t($T x) { return (double)x; }
//$ end

static inline double inverse_get_f16(uint16_t x) { return (double)ctc_half_to_float(x); }

//$ for t in f32 f64
static inline $T inverse_set_$t(double x) { return ($T)x; }
//$ end

static inline uint16_t inverse_set_f16(double x) { return ctc_float_to_half((float)x); }
