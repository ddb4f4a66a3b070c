/* text_tfidf.c: TfIdfVectorizer: how often the n-grams of a list occur.
 *
 * Elements become their positions in the sorted list of all that n-grams are made of; the n-grams
 * are the nodes of a tree, in which an edge leads from node `a` with element `e`. Edges are sorted,
 * as numbers a * elements + e; edge k leads to node k + 1, and the tree begins at node 0. */

enum { CTC_TFIDF_TF, CTC_TFIDF_IDF, CTC_TFIDF_TFIDF };

/* Whether `a` comes before `b`, and whether both are the same. */
//$ for t in i64
static inline int ctc_text_order_$t($T a, $T b) { return (a > b) - (a < b); }
//$ end
//$ for t in string
static inline int ctc_text_order_$t($T a, $T b) { return strcmp(a, b); }
//$ end

/* ids[i] = the position of x[i] in the sorted list, -1 where it is not in it. */
//$ for t in i64 string
static void ctc_tfidf_ids_$t(const $T *x, const $T *list, int64_t *ids, ctc_dim n, ctc_dim count) {
  for (ctc_dim i = 0; i < n; i++) {
    ctc_dim low = 0, high = count;
    while (low < high) {
      const ctc_dim middle = low + (high - low) / 2;
      if (ctc_text_order_$t(list[middle], x[i]) < 0)
        low = middle + 1;
      else
        high = middle;
    }
    ids[i] = low < count && ctc_text_order_$t(list[low], x[i]) == 0 ? low : -1;
  }
}
//$ end

/* The node that an edge leads to from `node` with element `id`; 0 if there is none. */
static inline ctc_dim ctc_tfidf_child(const int64_t *edges, ctc_dim count, ctc_dim node, ctc_dim id,
                                      ctc_dim elements) {
  const int64_t wanted = node * elements + id;
  ctc_dim low = 0, high = count;
  while (low < high) {
    const ctc_dim middle = low + (high - low) / 2;
    if (edges[middle] < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  return id >= 0 && low < count && edges[low] == wanted ? low + 1 : 0;
}

/* Counts the n-grams of `least` to `longest` elements, `step` apart, that begin at `start` of a row
 * of n; columns[node]: where in y, -1 for parts of longer ones. */
static inline void ctc_tfidf_count(const int64_t *ids, const int64_t *edges, const int64_t *columns,
                                   float *y, ctc_dim start, ctc_dim n, ctc_dim edge_count,
                                   ctc_dim elements, ctc_dim least, ctc_dim longest, ctc_dim step) {
  ctc_dim node = 0;
  for (ctc_dim size = 1, at = start; size <= longest && at < n; size++, at += step) {
    node = ctc_tfidf_child(edges, edge_count, node, ids[at], elements);
    if (node == 0) return;
    if (size >= least && columns[node] >= 0) y[columns[node]] += 1;
  }
}

/* y [rows, width]: counts, weights of those that occur, or products of both. weights may be
 * missing: 1. Single elements count once, whatever is skipped. */
static void ctc_tfidf(const int64_t *ids, const int64_t *edges, const int64_t *columns,
                      const float *weights, float *y, ctc_dim rows, ctc_dim n, ctc_dim edge_count,
                      ctc_dim elements, ctc_dim width, ctc_dim shortest, ctc_dim longest,
                      ctc_dim skips, ctc_dim mode) {
  for (ctc_dim i = 0; i < rows; i++, ids += n, y += width) {
    for (ctc_dim j = 0; j < width; j++) y[j] = 0;
    for (ctc_dim step = 1; step <= skips + 1; step++) {
      const ctc_dim least = step > 1 && shortest == 1 ? 2 : shortest;
      for (ctc_dim start = 0; start < n && least <= longest; start++)
        ctc_tfidf_count(ids, edges, columns, y, start, n, edge_count, elements, least, longest,
                        step);
    }
    for (ctc_dim j = 0; j < width && mode != CTC_TFIDF_TF; j++) {
      const float weight = weights ? weights[j] : 1;
      y[j] = mode == CTC_TFIDF_TFIDF ? y[j] * weight : y[j] > 0 ? weight : 0;
    }
  }
}
