/* blocked.c: tensors in blocks of 16 channels: planes of (h + 2 * rows) x (w + 2 * columns) pixels of
 * 16 floats each, of which the outermost rows and columns are a halo of zeros. */

/* Channels of a block. */
#define CTC_BLOCK 16

/* Clears the halo of planes [first, last). */
static CTC_KERNEL void ctc_halo16_f32(float *y, ctc_dim h, ctc_dim w, ctc_dim rows, ctc_dim columns,
                                      ctc_dim first, ctc_dim last) {
  const ctc_dim row = (w + 2 * columns) * CTC_BLOCK, plane = (h + 2 * rows) * row;
  for (ctc_dim i = first; i < last; i++) {
    float *at = y + i * plane;
    for (ctc_dim k = 0; k < rows * row; k++) at[k] = 0, at[plane - 1 - k] = 0;
    for (ctc_dim r = rows; r < rows + h; r++) {
      float *left = at + r * row, *right = left + row - columns * CTC_BLOCK;
      for (ctc_dim k = 0; k < columns * CTC_BLOCK; k++) left[k] = 0, right[k] = 0;
    }
  }
}
