/* softmax.cu: Softmax, LogSoftmax and Hardmax along the middle axis of [outer, n, inner]. y may be
 * x itself.
 *
 * Each thread keeps its first CTC_SOFTMAX_KEPT elements in registers, which are all in the usual
 * case; it reads the others once more. */

enum { CTC_SOFTMAX_KEPT = 4 };

//$ for t in f32 f64
/* Sum over the team of e^(x - most); kept[] becomes these powers, and so does y, unless that is
 * null, behind them. */
CTC_DEVICE $T ctc_softmax_sum_$t(const $T *x, $T *y, $T *kept, $T most, ctc_dim n, ctc_dim inner,
                                 ctc_team team) {
  $T sum = 0;
#pragma unroll
  for (int k = 0; k < CTC_SOFTMAX_KEPT; k++) {
    const $T power = ctc_exp_$t(kept[k] - most);
    if (y) kept[k] = power;
    if (team.first + k * team.step < n) sum += power;
  }
#pragma unroll 4
  for (ctc_dim i = team.first + CTC_SOFTMAX_KEPT * team.step; i < n; i += team.step) {
    const $T power = ctc_exp_$t(x[i * inner] - most);
    if (y) y[i * inner] = power;
    sum += power;
  }
  return ctc_team_add_$t(sum, team);
}

/* The largest element of the result's row; the thread's first ones go to kept[]. */
CTC_DEVICE $T ctc_softmax_most_$t(const $T *x, $T *kept, ctc_dim n, ctc_dim inner, ctc_team team) {
  $T most = ctc_start_max_$t();
#pragma unroll
  for (int k = 0; k < CTC_SOFTMAX_KEPT; k++) {
    const ctc_dim i = team.first + k * team.step;
    kept[k] = i < n ? x[i * inner] : ctc_start_max_$t();
    most = ctc_max_$t(most, kept[k]);
  }
#pragma unroll 4
  for (ctc_dim i = team.first + CTC_SOFTMAX_KEPT * team.step; i < n; i += team.step)
    most = ctc_max_$t(most, x[i * inner]);
  return ctc_team_max_$t(most, team);
}

static ctc_dim ctc_softmax_$t_blocks(ctc_dim outer, ctc_dim n, ctc_dim inner) {
  return n > 0 ? ctc_team_blocks(outer, n, inner) : 0;
}

/* y = e^(x - max) / sum(e^(x - max)) */
CTC_DEVICE void ctc_softmax_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner) {
  const ctc_team team = ctc_team_join(outer, n, inner);
  $T kept[CTC_SOFTMAX_KEPT];
  x += team.start;
  y += team.start;
  const $T most = ctc_softmax_most_$t(x, kept, n, inner, team);
  const $T sum = ctc_softmax_sum_$t(x, y, kept, most, n, inner, team);
#pragma unroll
  for (int k = 0; k < CTC_SOFTMAX_KEPT; k++) {
    const ctc_dim i = team.first + k * team.step;
    if (i < n) y[i * inner] = kept[k] / sum;
  }
#pragma unroll 4
  for (ctc_dim i = team.first + CTC_SOFTMAX_KEPT * team.step; i < n; i += team.step)
    y[i * inner] = y[i * inner] / sum;
}

static ctc_dim ctc_logsoftmax_$t_blocks(ctc_dim outer, ctc_dim n, ctc_dim inner) {
  return n > 0 ? ctc_team_blocks(outer, n, inner) : 0;
}

/* y = x - max - log(sum(e^(x - max))) */
CTC_DEVICE void ctc_logsoftmax_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner) {
  const ctc_team team = ctc_team_join(outer, n, inner);
  $T kept[CTC_SOFTMAX_KEPT];
  x += team.start;
  y += team.start;
  const $T most = ctc_softmax_most_$t(x, kept, n, inner, team);
  const $T shift = ctc_log_$t(ctc_softmax_sum_$t(x, ($T *)0, kept, most, n, inner, team));
#pragma unroll
  for (int k = 0; k < CTC_SOFTMAX_KEPT; k++) {
    const ctc_dim i = team.first + k * team.step;
    if (i < n) y[i * inner] = kept[k] - most - shift;
  }
#pragma unroll 4
  for (ctc_dim i = team.first + CTC_SOFTMAX_KEPT * team.step; i < n; i += team.step)
    y[i * inner] = x[i * inner] - most - shift;
}

static ctc_dim ctc_hardmax_$t_blocks(ctc_dim outer, ctc_dim n, ctc_dim inner) {
  return n > 0 ? ctc_team_blocks(outer, n, inner) : 0;
}

/* y = 1 at the first of the largest elements, 0 elsewhere */
CTC_DEVICE void ctc_hardmax_$t(const $T *x, $T *y, ctc_dim outer, ctc_dim n, ctc_dim inner) {
  const ctc_team team = ctc_team_join(outer, n, inner);
  const ctc_dim best = ctc_team_argmax_$t(x + team.start, n, inner, 0, team);
  for (ctc_dim i = team.first; i < n; i += team.step) y[team.start + i * inner] = i == best;
}
//$ end
