/* speech.c: writes a WAV file to try the example on: silence, a sentence of a synthetic voice,
 * silence, another one, silence.
 *
 *   speech out.wav [RATE [CHANNELS]]      16000 Hz and one channel unless told otherwise
 *   speech --silence out.wav              the same length without a voice
 *
 * The voice is a formant synthesizer: pulses of the glottis and noise go through four resonators
 * whose frequencies glide from sound to sound. It says nothing that makes sense, but it has what a
 * voice detector looks for: pitch, formants, syllables. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846
#define FORMANTS 4
#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])

/* A sound: how long it takes, resonances in Hz, strength of the voice and of the noise. */
typedef struct {
  double seconds, formant[FORMANTS], voice, noise;
} Sound;

/* clang-format off */
static const Sound sentence[] = {
  {0.05, {250, 1100, 2200, 3300}, 0.1, 0.00}, /* m */
  {0.07, {280, 1150, 2250, 3300}, 0.4, 0.00},
  {0.16, {730, 1090, 2440, 3400}, 1.0, 0.00}, /* a */
  {0.06, {300, 1700, 2600, 3400}, 0.4, 0.00}, /* n */
  {0.14, {270, 2290, 3010, 3600}, 0.9, 0.00}, /* i */
  {0.09, {400, 1800, 2600, 3900}, 0.0, 0.35}, /* s */
  {0.15, {530, 1840, 2480, 3500}, 1.0, 0.00}, /* e */
  {0.07, {360, 1300, 2500, 3300}, 0.5, 0.00}, /* l */
  {0.17, {570,  840, 2410, 3300}, 1.0, 0.00}, /* o */
  {0.05, {300,  900, 2200, 3300}, 0.1, 0.10}, /* v */
  {0.15, {660, 1720, 2410, 3400}, 0.9, 0.00}, /* ae */
  {0.08, {310, 1500, 2000, 3300}, 0.5, 0.00}, /* r */
  {0.20, {300,  870, 2240, 3300}, 0.8, 0.00}, /* u */
  {0.08, {350, 1000, 2300, 3300}, 0.0, 0.00},
};
/* clang-format on */

static const double bandwidth[FORMANTS] = {70, 90, 130, 200}; /* Hz */
/* Seconds of silence before, between and behind the two sentences. */
static const double pauses[] = {1.0, 1.2, 1.0};

/* A resonator with two poles. */
typedef struct {
  double y1, y2;
} Resonator;

static double resonate(Resonator *state, double x, double hertz, double width, double rate) {
  double r = exp(-PI * width / rate);
  double a1 = 2 * r * cos(2 * PI * hertz / rate), a2 = -r * r;
  double y = (1 - a1 - a2) * x + a1 * state->y1 + a2 * state->y2;
  state->y2 = state->y1;
  state->y1 = y;
  return y;
}

/* The same numbers on every machine: in [-1, 1). */
static double noise(uint32_t *seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return (double)(*seed >> 8) / 8388608.0 - 1;
}

/* Derivative of the glottal flow at `phase` in [0, 1): it opens slowly and closes abruptly. */
static double glottis(double phase) {
  if (phase < 0.6) return 0.5 * sin(PI * phase / 0.6);
  return phase < 0.7 ? -sin(PI * (phase - 0.6) / 0.1) : 0;
}

static double sentence_seconds(void) {
  double seconds = 0;
  for (int i = 0; i < COUNT(sentence); i++) seconds += sentence[i].seconds;
  return seconds;
}

/* The sound at `t` seconds into the sentence, half of its time a glide to the next one. */
static Sound sound_at(double t) {
  int i = 0;
  while (i < COUNT(sentence) - 1 && t >= sentence[i].seconds) t -= sentence[i++].seconds;
  Sound now = sentence[i];
  if (i == COUNT(sentence) - 1) return now;
  const Sound *next = &sentence[i + 1];
  double glide = 2 * t / now.seconds - 1;
  if (glide <= 0) return now;
  for (int k = 0; k < FORMANTS; k++) now.formant[k] += glide * (next->formant[k] - now.formant[k]);
  now.voice += glide * (next->voice - now.voice);
  now.noise += glide * (next->noise - now.noise);
  return now;
}

/* Adds a sentence to `count` samples; the pitch falls from `pitch` Hz by a quarter, with the melody
 * of a statement. */
static void say(double *samples, int count, double rate, double pitch, uint32_t *seed) {
  Resonator filters[FORMANTS] = {{0, 0}};
  double phase = 0, length = sentence_seconds();
  for (int i = 0; i < count; i++) {
    double t = i / rate;
    Sound sound = sound_at(t);
    double hertz = pitch * (1 - 0.25 * t / length) * (1 + 0.08 * sin(2 * PI * 2.3 * t));
    phase += hertz * (1 + 0.01 * noise(seed)) / rate;
    phase -= floor(phase);
    double x = sound.voice * (glottis(phase) + 0.02 * noise(seed)) + sound.noise * noise(seed);
    for (int k = 0; k < FORMANTS; k++)
      x = resonate(&filters[k], x, sound.formant[k], bandwidth[k], rate);
    samples[i] += 0.15 * x;
  }
}

static void put(FILE *file, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; i++) fputc((int)(value >> 8 * i & 255), file);
}

/* PCM of 16 bits; every channel has the same samples. */
static int write_wav(const char *path, const double *samples, int count, int rate, int channels) {
  FILE *file = fopen(path, "wb");
  if (!file) return perror(path), 1;
  uint32_t bytes = (uint32_t)(count * channels * 2);
  fputs("RIFF", file), put(file, 36 + bytes, 4), fputs("WAVEfmt ", file), put(file, 16, 4);
  put(file, 1, 2), put(file, (uint32_t)channels, 2), put(file, (uint32_t)rate, 4);
  put(file, (uint32_t)(rate * channels * 2), 4), put(file, (uint32_t)(channels * 2), 2);
  put(file, 16, 2), fputs("data", file), put(file, bytes, 4);
  for (int i = 0; i < count; i++) {
    double clipped = fmax(-1, fmin(1, samples[i]));
    for (int c = 0; c < channels; c++) put(file, (uint32_t)(int32_t)lrint(32767 * clipped), 2);
  }
  return fclose(file) ? (perror(path), 1) : 0;
}

int main(int argc, char **argv) {
  int silent = argc > 1 && strcmp(argv[1], "--silence") == 0;
  argc -= silent, argv += silent;
  if (argc < 2) return fputs("usage: speech [--silence] out.wav [RATE [CHANNELS]]\n", stderr), 2;
  int rate = argc > 2 ? atoi(argv[2]) : 16000, channels = argc > 3 ? atoi(argv[3]) : 1;
  if (rate < 8000 || rate > 96000 || channels < 1 || channels > 8)
    return fputs("speech: a rate from 8000 to 96000 and 1 to 8 channels\n", stderr), 2;
  double length = sentence_seconds();
  int count = (int)((pauses[0] + pauses[1] + pauses[2] + 2 * length) * rate);
  double *samples = (double *)calloc((size_t)count, sizeof *samples);
  if (!samples) return fputs("speech: out of memory\n", stderr), 1;
  uint32_t seed = 1;
  double second = pauses[0] + length + pauses[1];
  if (!silent) {
    say(samples + (int)(pauses[0] * rate), (int)(length * rate), rate, 125, &seed);
    say(samples + (int)(second * rate), (int)(length * rate), rate, 190, &seed);
  }
  for (int i = 0; i < count; i++) samples[i] += 0.001 * noise(&seed); /* a quiet room */
  if (!silent)
    printf("%s: a voice from %.2f to %.2f s and from %.2f to %.2f s\n", argv[1], pauses[0],
           pauses[0] + length, second, second + length);
  int status = write_wav(argv[1], samples, count, rate, channels);
  free(samples);
  return status;
}
