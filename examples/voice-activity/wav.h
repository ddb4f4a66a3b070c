/* wav.h: a WAV file as samples of one channel at a wanted rate. */
#ifndef WAV_H
#define WAV_H

#include <stddef.h>

typedef struct {
  float *samples; /* in [-1, 1]; from malloc */
  size_t count;
  int rate;     /* of the samples, Hz */
  int channels; /* of the file; they are averaged */
  int file_rate;
} Wav;

/* Reads PCM of 8, 16, 24 or 32 bits, or 32-bit floats, averages the channels and resamples to
 * `rate`. NULL, or what is wrong with the file. */
const char *wav_read(const char *path, int rate, Wav *wav);

#endif
