/* wav.c: reads a WAV file: a RIFF container whose chunk "fmt " tells the format of the chunk
 * "data". */
#include "wav.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PCM = 1, IEEE_FLOAT = 3, EXTENSIBLE = 0xFFFE };

typedef struct {
  const unsigned char *data;
  size_t bytes;
  int encoding, channels, rate, bits;
} Sound;

static uint32_t little(const unsigned char *bytes, int count) {
  uint32_t value = 0;
  while (count-- > 0) value = value << 8 | bytes[count];
  return value;
}

/* The whole file, from malloc; NULL if it cannot be read. */
static unsigned char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  unsigned char *bytes = NULL;
  long end = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
  if (end >= 0 && !fseek(file, 0, SEEK_SET)) bytes = (unsigned char *)malloc((size_t)end + 1);
  if (bytes && fread(bytes, 1, (size_t)end, file) != (size_t)end) free(bytes), bytes = NULL;
  *size = end > 0 ? (size_t)end : 0;
  fclose(file);
  return bytes;
}

static void read_format(const unsigned char *body, size_t bytes, Sound *sound) {
  if (bytes < 16) return;
  sound->encoding = (int)little(body, 2);
  sound->channels = (int)little(body + 2, 2);
  sound->rate = (int)little(body + 4, 4);
  sound->bits = (int)little(body + 14, 2);
  /* The extensible format has the real one in the first bytes of a GUID. */
  if (sound->encoding == EXTENSIBLE && bytes >= 26) sound->encoding = (int)little(body + 24, 2);
}

static const char *find_chunks(const unsigned char *file, size_t size, Sound *sound) {
  if (size < 12 || memcmp(file, "RIFF", 4) || memcmp(file + 8, "WAVE", 4))
    return "this is not a WAV file";
  for (size_t at = 12; at + 8 <= size;) {
    size_t room = size - at - 8, bytes = little(file + at + 4, 4);
    if (bytes > room) bytes = room; /* a recording that was cut off */
    if (!memcmp(file + at, "fmt ", 4)) read_format(file + at + 8, bytes, sound);
    if (!memcmp(file + at, "data", 4)) sound->data = file + at + 8, sound->bytes = bytes;
    at += 8 + bytes + bytes % 2;
  }
  return sound->data && sound->channels ? NULL : "the format or the data are missing";
}

static const char *check_format(const Sound *sound) {
  if (sound->rate < 4000 || sound->rate > 384000 || sound->channels > 64)
    return "strange rate or number of channels";
  if (sound->encoding == IEEE_FLOAT && sound->bits == 32) return NULL;
  int whole = sound->bits == 8 || sound->bits == 16 || sound->bits == 24 || sound->bits == 32;
  if (sound->encoding == PCM && whole) return NULL;
  return "compressed; only PCM and 32-bit floats can be read";
}

/* One sample in [-1, 1]. */
static float sample_at(const Sound *sound, const unsigned char *bytes) {
  uint32_t word = little(bytes, sound->bits / 8);
  if (sound->encoding == IEEE_FLOAT) {
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
  }
  if (sound->bits == 8) return ((float)word - 128.0f) / 128.0f; /* the only unsigned one */
  return (float)((double)(int32_t)(word << (32 - sound->bits)) / 2147483648.0);
}

static float *mix_channels(const Sound *sound, size_t *count) {
  size_t width = (size_t)sound->bits / 8, frame = width * (size_t)sound->channels;
  *count = sound->bytes / frame;
  float *samples = (float *)malloc((*count + 1) * sizeof *samples);
  if (!samples) return NULL;
  for (size_t i = 0; i < *count; i++) {
    float sum = 0;
    for (int c = 0; c < sound->channels; c++)
      sum += sample_at(sound, sound->data + i * frame + (size_t)c * width);
    samples[i] = sum / (float)sound->channels;
  }
  return samples;
}

/* Low-pass filter and interpolation in one: a sinc that is 0 at multiples of the slower rate's
 * period, under a Hann window of 16 periods to each side. */
static float interpolate(const float *samples, size_t count, double at, double cutoff) {
  const double pi = 3.14159265358979323846, reach = 16 / cutoff;
  double sum = 0, weights = 0;
  size_t first = at > reach ? (size_t)(at - reach) + 1 : 0;
  for (size_t i = first; i < count && (double)i < at + reach; i++) {
    double x = ((double)i - at) * cutoff;
    double weight = (x == 0 ? 1 : sin(pi * x) / (pi * x)) * (0.5 + 0.5 * cos(pi * x / 16));
    sum += weight * (double)samples[i];
    weights += weight;
  }
  return weights > 0.1 ? (float)(sum / weights) : 0;
}

static float *resample(float *samples, size_t *count, int from, int to) {
  if (!samples || from == to) return samples;
  size_t wanted = (size_t)((double)*count * to / from);
  float *result = (float *)malloc((wanted + 1) * sizeof *result);
  double step = (double)from / to, cutoff = step > 1 ? 1 / step : 1;
  for (size_t i = 0; result && i < wanted; i++)
    result[i] = interpolate(samples, *count, (double)i * step, cutoff);
  free(samples);
  *count = wanted;
  return result;
}

const char *wav_read(const char *path, int rate, Wav *wav) {
  size_t size;
  Sound sound = {NULL, 0, 0, 0, 0, 0};
  unsigned char *file = read_file(path, &size);
  if (!file) return "cannot be read";
  const char *wrong = find_chunks(file, size, &sound);
  if (!wrong) wrong = check_format(&sound);
  if (!wrong) {
    wav->rate = rate, wav->channels = sound.channels, wav->file_rate = sound.rate;
    wav->samples = mix_channels(&sound, &wav->count);
    wav->samples = resample(wav->samples, &wav->count, sound.rate, rate);
    if (!wav->samples) wrong = "too long: out of memory";
  }
  free(file);
  return wrong;
}
