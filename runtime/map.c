/* map.c: maps from integers, `keys` and `values` in any order. */

/* y[i] = the value of the i-th smallest key. */
static void ctc_map_sorted(const int64_t *keys, const void *values, void *y, ctc_dim n,
                           ctc_dim bytes) {
  const unsigned char *from = (const unsigned char *)values;
  unsigned char *to = (unsigned char *)y;
  for (ctc_dim i = 0; i < n; i++) {
    ctc_dim smaller = 0;
    for (ctc_dim k = 0; k < n; k++) smaller += keys[k] < keys[i];
    ctc_move_element(to + smaller * bytes, from + i * bytes, bytes);
  }
}

/* y[i] = the value of key wanted[i] (NULL: i), zero bytes where there is no such key. */
static void ctc_map_lookup(const int64_t *keys, const void *values, const int64_t *wanted, void *y,
                           ctc_dim n, ctc_dim count, ctc_dim bytes) {
  const unsigned char *from = (const unsigned char *)values;
  unsigned char *to = (unsigned char *)y;
  for (ctc_dim i = 0; i < count; i++, to += bytes) {
    ctc_dim k = 0;
    while (k < n && keys[k] != (wanted ? wanted[i] : i)) k++;
    if (k < n)
      ctc_move_element(to, from + k * bytes, bytes);
    else
      memset(to, 0, (size_t)bytes);
  }
}
