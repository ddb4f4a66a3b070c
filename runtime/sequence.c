/* sequence.c: sequences of tensors. `data` holds the elements one after another, each row-major;
 * `shapes` [length, 8] a row for each: its rank, its dims, zeros. */

#define CTC_SEQUENCE_ROW 8

/* Number of elements of a tensor with that row; -1 if it is none. */
static inline ctc_dim ctc_sequence_count(const int64_t *row) {
  ctc_dim count = 1;
  if (row[0] < 0 || row[0] >= CTC_SEQUENCE_ROW) return -1;
  for (ctc_dim d = 1; d <= row[0]; d++) {
    if (row[d] < 0 || row[d] > INT32_MAX) return -1;
    if (row[d] > 0 && count > INT64_MAX / row[d]) return -1;
    count *= row[d];
  }
  return count;
}

/* Whether the row is of `rank` (-1: any), with the sizes that are not negative. */
static inline int ctc_sequence_fits(const int64_t *row, ctc_dim rank, const ctc_dim *sizes) {
  if (rank < 0) return 1;
  if (row[0] != rank) return 0;
  for (ctc_dim d = 0; d < rank; d++)
    if (sizes[d] >= 0 && row[d + 1] != sizes[d]) return 0;
  return 1;
}

/* Whether the rows of a caller's sequence fit what is declared of them, and `elements`, which the
 * data have; total[0] is that, too. */
static int ctc_sequence_check(const int64_t *shapes, int64_t *total, ctc_dim length,
                              ctc_dim elements, ctc_dim rank, const ctc_dim *sizes) {
  *total = 0;
  for (ctc_dim i = 0; i < length; i++, shapes += CTC_SEQUENCE_ROW) {
    ctc_dim count = ctc_sequence_count(shapes);
    if (count < 0 || count > INT32_MAX || !ctc_sequence_fits(shapes, rank, sizes))
      return CTC_BAD_SHAPE;
    *total += count;
  }
  return *total == elements ? CTC_OK : CTC_BAD_SHAPE;
}

//$ for t in i32 i64
/* Element position[0] (NULL: the last one): place = its index, where its data begin, how many those
 * are. Negative positions count from the end; `most` is the largest one, length or length - 1.
 * `each`: the elements of every tensor, -1 if they differ. */
static int ctc_sequence_place_$t(const int64_t *shapes, const $T *position, int64_t *place,
                                 ctc_dim length, ctc_dim most, ctc_dim each) {
  ctc_dim index = position ? (ctc_dim)*position : length - 1;
  if (index < 0) index += length;
  if (index < 0 || index > most) return CTC_BAD_INDEX;
  place[0] = index;
  place[1] = 0;
  for (ctc_dim i = 0; i < index && each < 0; i++)
    place[1] += ctc_sequence_count(shapes + i * CTC_SEQUENCE_ROW);
  if (each >= 0) place[1] = index * each;
  place[2] = each >= 0 ? each : index < length ? ctc_sequence_count(shapes + index * CTC_SEQUENCE_ROW) : 0;
  return CTC_OK;
}

/* x [outer, n, inner] cut along its second axis into parts[0], parts[1], … : y is the data of the
 * sequence; `inner` in bytes. */
static int ctc_sequence_split_$t(const void *x, const $T *parts, void *y, ctc_dim length,
                                 ctc_dim outer, ctc_dim n, ctc_dim inner) {
  const unsigned char *from = (const unsigned char *)x;
  unsigned char *to = (unsigned char *)y;
  ctc_dim first = 0;
  for (ctc_dim i = 0; i < length; i++) {
    ctc_dim part = (ctc_dim)parts[i];
    if (part < 0 || part > n - first) return CTC_BAD_SHAPE;
    for (ctc_dim o = 0; o < outer && part * inner > 0; o++, to += part * inner)
      memcpy(to, from + (o * n + first) * inner, (size_t)(part * inner));
    first += part;
  }
  return first == n ? CTC_OK : CTC_BAD_SHAPE;
}

/* The rows of those parts; without `parts` each is of `size` but the last one, which is of what is
 * left of n. `dims` has the other sizes; dropped: without the axis. */
static void ctc_sequence_rows_$t(const $T *parts, int64_t *shapes, ctc_dim length, ctc_dim size,
                                 ctc_dim n, ctc_dim axis, ctc_dim dropped, ctc_dim rank,
                                 const ctc_dim *dims) {
  for (ctc_dim i = 0; i < length; i++) {
    ctc_dim left = n - i * size, filled = 1;
    for (ctc_dim d = 0; d < rank; d++) {
      if (d == axis && dropped) continue;
      shapes[filled++] = d != axis ? dims[d] : parts ? (int64_t)parts[i] : left < size ? left : size;
    }
    shapes[0] = filled - 1;
    while (filled < CTC_SEQUENCE_ROW) shapes[filled++] = 0;
    shapes += CTC_SEQUENCE_ROW;
  }
}
//$ end

/* sizes = the shape of all tensors joined along an axis. Their other sizes must be equal. */
static int ctc_sequence_joined(const int64_t *shapes, int64_t *sizes, ctc_dim length, ctc_dim rank,
                               ctc_dim axis) {
  if (length == 0) return CTC_BAD_SHAPE;
  for (ctc_dim d = 0; d < rank; d++) sizes[d] = d == axis ? 0 : shapes[d + 1];
  for (ctc_dim i = 0; i < length; i++, shapes += CTC_SEQUENCE_ROW) {
    if (shapes[0] != rank) return CTC_BAD_SHAPE;
    for (ctc_dim d = 0; d < rank; d++) {
      if (d == axis)
        sizes[d] += shapes[d + 1];
      else if (sizes[d] != shapes[d + 1])
        return CTC_BAD_SHAPE;
    }
  }
  return CTC_OK;
}

/* Joins them: y [outer, sum of the sizes, inner]; `inner` in bytes, `width` = bytes of a row of y. */
static void ctc_sequence_join(const void *data, const int64_t *shapes, void *y, ctc_dim length,
                              ctc_dim axis, ctc_dim outer, ctc_dim inner, ctc_dim width) {
  const unsigned char *from = (const unsigned char *)data;
  unsigned char *to = (unsigned char *)y;
  for (ctc_dim i = 0; i < length; i++) {
    ctc_dim bytes = (ctc_dim)shapes[i * CTC_SEQUENCE_ROW + 1 + axis] * inner;
    for (ctc_dim o = 0; o < outer && bytes > 0; o++, from += bytes)
      memcpy(to + o * width, from, (size_t)bytes);
    to += bytes;
  }
}
