/* nms.c: non-maximum suppression: of boxes that overlap much, the one with the best score is kept.
 */

/* Corners (low and high of both coordinates) of a box: two opposite corners in any order, or
 * center, width and height. */
static inline void ctc_box_corners(const float *box, ctc_dim centered, float *corners) {
  if (centered) {
    corners[0] = box[0] - box[2] / 2;
    corners[1] = box[1] - box[3] / 2;
    corners[2] = box[0] + box[2] / 2;
    corners[3] = box[1] + box[3] / 2;
    return;
  }
  for (int k = 0; k < 2; k++) {
    corners[k] = box[k] < box[k + 2] ? box[k] : box[k + 2];
    corners[k + 2] = box[k] < box[k + 2] ? box[k + 2] : box[k];
  }
}

/* Intersection over union of two boxes; 0 if they have no area. */
static inline float ctc_box_overlap(const float *a, const float *b, ctc_dim centered) {
  float p[4], q[4], common = 1, left = 1, right = 1;
  ctc_box_corners(a, centered, p);
  ctc_box_corners(b, centered, q);
  for (int k = 0; k < 2; k++) {
    float low = p[k] > q[k] ? p[k] : q[k], high = p[k + 2] < q[k + 2] ? p[k + 2] : q[k + 2];
    if (high <= low) return 0;
    common *= high - low;
    left *= p[k + 2] - p[k];
    right *= q[k + 2] - q[k];
  }
  return left > 0 && right > 0 ? common / (left + right - common) : 0;
}

/* Whether box a is taken before box b: the better score, or the smaller index. */
static inline int ctc_box_before(const float *scores, int64_t a, int64_t b) {
  return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
}

/* Moves the entry at `at` of a heap, whose root is taken last, down to where it belongs. */
static inline void ctc_sink_box(const float *scores, int64_t *order, ctc_dim at, ctc_dim count) {
  int64_t box = order[at];
  for (ctc_dim child = 2 * at + 1; child < count; child = 2 * at + 1) {
    if (child + 1 < count && ctc_box_before(scores, order[child], order[child + 1])) child++;
    if (!ctc_box_before(scores, box, order[child])) break;
    order[at] = order[child];
    at = child;
  }
  order[at] = box;
}

/* The boxes whose score is above the threshold (null: all), best first; returns how many. */
static inline ctc_dim ctc_order_boxes(const float *scores, const float *threshold, int64_t *order,
                                      ctc_dim n) {
  ctc_dim count = 0;
  for (ctc_dim i = 0; i < n; i++)
    if (!threshold || scores[i] > *threshold) order[count++] = i;
  for (ctc_dim i = count / 2 - 1; i >= 0; i--) ctc_sink_box(scores, order, i, count);
  for (ctc_dim last = count - 1; last > 0; last--) {
    int64_t worst = order[0];
    order[0] = order[last];
    order[last] = worst;
    ctc_sink_box(scores, order, 0, last);
  }
  return count;
}

/* boxes [batch, n, 4], scores [batch, classes, n]; y: rows (batch, class, box), found[0] of them,
 * at most most[0] (null: none) a class. A box is dropped if it overlaps a kept one of its class by
 * more than the limit (null: 0). order: scratch, n entries. y has room for batch * classes * min(n,
 * most) rows. */
static void ctc_nms(const float *boxes, const float *scores, const int64_t *most,
                    const float *limit, const float *threshold, int64_t *order, int64_t *y,
                    int64_t *found, ctc_dim batch, ctc_dim classes, ctc_dim n, ctc_dim centered) {
  float allowed = limit ? *limit : 0;
  ctc_dim total = 0;
  for (ctc_dim b = 0; b < batch; b++)
    for (ctc_dim k = 0; k < classes; k++) {
      const float *all = boxes + b * n * 4;
      ctc_dim first = total;
      ctc_dim count = ctc_order_boxes(scores + (b * classes + k) * n, threshold, order, n);
      for (ctc_dim i = 0; i < count && most && total - first < *most; i++) {
        int keep = 1;
        for (ctc_dim j = first; j < total && keep; j++)
          keep = !(ctc_box_overlap(all + order[i] * 4, all + y[j * 3 + 2] * 4, centered) > allowed);
        if (!keep) continue;
        y[total * 3] = b;
        y[total * 3 + 1] = k;
        y[total * 3 + 2] = order[i];
        total++;
      }
    }
  *found = total;
}
