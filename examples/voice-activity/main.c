/* main.c: prints the stretches of WAV files in which somebody speaks.
 *
 *   voice-activity FILE.wav…
 *
 * The model (Silero VAD, compiled to vad.c) sees 32 ms at a time and gives the probability that
 * there is a voice in them. It remembers through `state`, which every call takes and returns, and
 * through the last samples of the block before, which go in front of the new ones. */
#include "vad.h"
#include "wav.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RATE = 16000, BLOCK = 512, CONTEXT = 64, STATE = VAD_IN_STATE_ELEMENTS };

/* A voice begins above the one and ends below the other; shorter breaks do not end it, shorter
 * voices do not count. */
static const float begin_above = 0.5f, end_below = 0.35f;
static const double shortest_break = 0.1, shortest_voice = 0.25; /* seconds */

/* What is kept between two calls of the model. */
typedef struct {
  float input[CONTEXT + BLOCK];
  float state[STATE];
} Listener;

/* Probability of a voice in the next `count` samples (at most BLOCK, the rest is taken as silence);
 * negative: it failed. */
static float listen(Listener *listener, const float *samples, size_t count) {
  static union {
    char bytes[VAD_WORKSPACE_BYTES + VAD_ALIGNMENT];
    double align;
  } memory;
  char *workspace = memory.bytes;
  while ((size_t)workspace % VAD_ALIGNMENT) workspace++;
  float probability, next[STATE];
  float *input = listener->input;
  memset(input + CONTEXT, 0, BLOCK * sizeof *input);
  memcpy(input + CONTEXT, samples, count * sizeof *input);
  int status = vad_run(input, listener->state, &probability, next, workspace, VAD_WORKSPACE_BYTES);
  if (status != VAD_OK) {
    fprintf(stderr, "voice-activity: %s\n", vad_status_text(status));
    return -1;
  }
  memcpy(listener->state, next, sizeof next);
  memmove(input, input + BLOCK, CONTEXT * sizeof *input);
  return probability;
}

static void print_stretch(double begin, double end, int *found) {
  if (end - begin < shortest_voice) return;
  printf("  voice from %6.2f to %6.2f s\n", begin, end);
  ++*found;
}

/* Prints the stretches with a voice; their number, or -1. */
static int find_voices(const Wav *wav) {
  Listener listener;
  memset(&listener, 0, sizeof listener);
  /* When the voice began, and when it last fell silent; -1: it did not. */
  double begin = -1, quiet = -1;
  int found = 0;
  for (size_t at = 0; at < wav->count; at += BLOCK) {
    size_t left = wav->count - at;
    float probability = listen(&listener, wav->samples + at, left < BLOCK ? left : BLOCK);
    if (probability < 0) return -1;
    double now = (double)at / RATE;
    if (probability >= begin_above) quiet = -1;
    if (probability >= begin_above && begin < 0) begin = now;
    if (probability < end_below && begin >= 0 && quiet < 0) quiet = now;
    if (quiet >= 0 && now - quiet >= shortest_break) {
      print_stretch(begin, quiet, &found);
      begin = quiet = -1;
    }
  }
  if (begin >= 0) print_stretch(begin, quiet >= 0 ? quiet : (double)wav->count / RATE, &found);
  return found;
}

static int do_file(const char *path) {
  Wav wav;
  const char *wrong = wav_read(path, RATE, &wav);
  if (wrong) return fprintf(stderr, "voice-activity: %s: %s\n", path, wrong), 1;
  printf("%s: %.2f s, %d Hz, %d channel%s\n", path, (double)wav.count / RATE, wav.file_rate,
         wav.channels, wav.channels == 1 ? "" : "s");
  int found = find_voices(&wav);
  if (found == 0) printf("  no voice\n");
  free(wav.samples);
  return found < 0;
}

int main(int argc, char **argv) {
  if (argc < 2) return fputs("usage: voice-activity FILE.wav...\n", stderr), 2;
  int failed = 0;
  for (int i = 1; i < argc; i++) failed |= do_file(argv[i]);
  return failed;
}
