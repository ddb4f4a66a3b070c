/* move.cu: elements and rows moved from one place to another, whatever their type.
 *
 * A block of bytes is moved in units of 16, 8, 4, 2 or 1 bytes: the largest of these that divides
 * its size. A thread moves a unit, at once where both addresses are multiples of it. */

/* A unit of 16 bytes. */
typedef struct {
  alignas(16) unsigned int part[4];
} ctc_unit16;

/* The unit of blocks of `bytes` bytes. */
CTC_BOTH ctc_dim ctc_unit_of(ctc_dim bytes) {
  ctc_dim unit = 16;
  while (unit > 1 && bytes % unit != 0) unit /= 2;
  return unit;
}

CTC_DEVICE void ctc_move_unit(unsigned char *to, const unsigned char *from, ctc_dim unit) {
  const int odd = (int)(((size_t)to | (size_t)from | (size_t)unit) & 15);
  if (odd == 0) {
    *(ctc_unit16 *)to = *(const ctc_unit16 *)from;
  } else if (unit >= 8 && odd % 8 == 0) {
    for (int i = 0; i < (int)unit; i += 8) *(uint64_t *)(to + i) = *(const uint64_t *)(from + i);
  } else if (unit >= 4 && odd % 4 == 0) {
    for (int i = 0; i < (int)unit; i += 4) *(uint32_t *)(to + i) = *(const uint32_t *)(from + i);
  } else if (unit >= 2 && odd % 2 == 0) {
    for (int i = 0; i < (int)unit; i += 2) *(uint16_t *)(to + i) = *(const uint16_t *)(from + i);
  } else {
    for (int i = 0; i < (int)unit; i++) to[i] = from[i];
  }
}

/* `index` in [-size, size) as a position from the start; -1 if it is outside. */
CTC_DEVICE ctc_dim ctc_index_in(int64_t index, ctc_dim size) {
  if (index < 0) index += size;
  return index >= 0 && index < size ? (ctc_dim)index : (ctc_dim)-1;
}

/* The position in an array [dims…] that the `depth` indices stand for; -1 if one is outside. */
//$ for t in i32 i64
CTC_DEVICE ctc_dim ctc_position_$t(const $T *indices, ctc_dim depth, const ctc_dim *dims) {
  ctc_dim position = 0;
  for (ctc_dim d = 0; d < depth; d++) {
    const ctc_dim index = ctc_index_in((int64_t)indices[d], dims[d]);
    if (index < 0) return -1;
    position = position * dims[d] + index;
  }
  return position;
}
//$ end

/* Elements of an array [dims…]. */
CTC_BOTH ctc_dim ctc_count_of(ctc_dim rank, const ctc_dim *dims) {
  ctc_dim count = 1;
  for (ctc_dim d = 0; d < rank; d++) count *= dims[d];
  return count;
}
