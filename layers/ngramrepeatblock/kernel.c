/* kernel.c: words that would repeat what was said */

/* Where the last ngram_size - 1 words stand earlier too, the word that followed them there gets the score
 * minus infinity. */
static int ngramrepeatblock(const ctc_dim *input_ids, const float *scores, float *scores_out, ctc_dim ngram_size,
                            ctc_dim B, ctc_dim L, ctc_dim V) {
  const ctc_dim known = ngram_size - 1;
  for (ctc_dim i = 0; i < B * V; i++) scores_out[i] = scores[i];
  for (ctc_dim b = 0; b < B; b++) {
    const ctc_dim *words = input_ids + b * L;
    for (ctc_dim at = 0; at + known < L; at++) {
      ctc_dim same = 0;
      while (same < known && words[at + same] == words[L - known + same]) same++;
      if (same < known) continue;
      if (words[at + known] < 0 || words[at + known] >= V) return CTC_BAD_INDEX;
      scores_out[b * V + words[at + known]] = -INFINITY;
    }
  }
  return CTC_OK;
}
