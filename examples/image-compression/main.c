/* main.c: makes small files of pictures, and pictures of the files.
 *
 *   image-compression pack PICTURE.ppm FILE
 *   image-compression unpack FILE PICTURE.ppm [ORIGINAL.ppm]
 *
 * A file: "CTCI", the number of the training (4 bytes), width and height (2 bytes each, the low one
 * first), then what coder.c has made of the latents. */
#include "coder.h"
#include "networks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 12, LARGEST_SIDE = 20000 };
static const char magic[] = "CTCI";
static const char no_memory[] = "out of memory";

static size_t places_of(const Picture *picture) {
  const Grid grid = grid_of(picture->width, picture->height);
  return (size_t)grid.rows * (size_t)grid.columns;
}

static void put_number(unsigned char *bytes, uint32_t number, int count) {
  for (int i = 0; i < count; i++) bytes[i] = (unsigned char)(number >> 8 * i & 255);
}

static uint32_t get_number(const unsigned char *bytes, int count) {
  uint32_t number = 0;
  while (count-- > 0) number = number << 8 | bytes[count];
  return number;
}

/* --- files --- */

static const char *write_file(const char *path, const Picture *picture, const unsigned char *bytes,
                              size_t size) {
  unsigned char head[HEAD];
  memcpy(head, magic, 4);
  put_number(head + 4, prior_id, 4);
  put_number(head + 8, (uint32_t)picture->width, 2);
  put_number(head + 10, (uint32_t)picture->height, 2);
  FILE *file = fopen(path, "wb");
  if (!file) return "cannot be written";
  const int good = fwrite(head, 1, HEAD, file) == HEAD && fwrite(bytes, 1, size, file) == size;
  return fclose(file) || !good ? "cannot be written" : NULL;
}

/* The whole file, from malloc; NULL if it cannot be read. */
static unsigned char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  unsigned char *bytes = NULL;
  const long end = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
  if (end >= 0 && !fseek(file, 0, SEEK_SET)) bytes = (unsigned char *)malloc((size_t)end + 1);
  if (bytes && fread(bytes, 1, (size_t)end, file) != (size_t)end) free(bytes), bytes = NULL;
  *size = end > 0 ? (size_t)end : 0;
  fclose(file);
  return bytes;
}

static const char *read_head(const unsigned char *bytes, size_t size, Picture *picture) {
  if (size < HEAD || memcmp(bytes, magic, 4)) return "this is no file of this program";
  if (get_number(bytes + 4, 4) != prior_id) return "it was made by networks of another training";
  picture->width = (int)get_number(bytes + 8, 2);
  picture->height = (int)get_number(bytes + 10, 2);
  const int strange = picture->width < 1 || picture->height < 1 || picture->width > LARGEST_SIDE ||
                      picture->height > LARGEST_SIDE;
  return strange ? "strange width or height" : NULL;
}

/* --- pack --- */

static const char *pack_picture(const Picture *picture, const char *path, size_t *size) {
  const size_t places = places_of(picture), room = coder_room(places);
  int *latents = (int *)malloc(CHANNELS * places * sizeof *latents);
  unsigned char *bytes = (unsigned char *)malloc(room);
  const char *wrong = latents && bytes ? network_analyse(picture, latents) : no_memory;
  if (!wrong) {
    *size = coder_pack(latents, places, bytes);
    wrong = write_file(path, picture, bytes + room - *size, *size);
    *size += HEAD;
  }
  free(bytes), free(latents);
  return wrong;
}

static const char *pack(const char *from, const char *to) {
  Picture picture;
  size_t size = 0;
  const char *wrong = picture_read(from, &picture);
  if (wrong) return wrong;
  wrong = pack_picture(&picture, to, &size);
  free(picture.pixels);
  if (wrong) return wrong;
  printf("%s: %d x %d pixels in %lu bytes, %.3f bits per pixel\n", from, picture.width,
         picture.height, (unsigned long)size, 8 * (double)size / picture.width / picture.height);
  return NULL;
}

/* --- unpack --- */

/* The pixels of a picture whose size is known. */
static const char *unpack_picture(const unsigned char *bytes, size_t size, Picture *picture) {
  const size_t places = places_of(picture);
  int *latents = (int *)malloc(CHANNELS * places * sizeof *latents);
  picture->pixels = (unsigned char *)malloc(3 * (size_t)picture->width * (size_t)picture->height);
  const char *wrong = latents && picture->pixels ? NULL : no_memory;
  if (!wrong && !coder_unpack(bytes, size, latents, places)) wrong = "it is damaged";
  if (!wrong) wrong = network_synthesise(latents, picture);
  free(latents);
  if (wrong) free(picture->pixels);
  return wrong;
}

/* Peak signal-to-noise ratio in dB: 255^2 over the mean square of the differences. */
static double psnr(const Picture *a, const Picture *b) {
  const size_t count = 3 * (size_t)a->width * (size_t)a->height;
  double sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += (double)((a->pixels[i] - b->pixels[i]) * (a->pixels[i] - b->pixels[i]));
  return 10 * log10(255.0 * 255.0 * (double)count / sum);
}

static const char *compare(const Picture *picture, const char *path) {
  Picture original;
  const char *wrong = picture_read(path, &original);
  if (wrong) return wrong;
  if (original.width != picture->width || original.height != picture->height)
    wrong = "the original has another size";
  else
    printf("%s: PSNR %.2f dB\n", path, psnr(picture, &original));
  free(original.pixels);
  return wrong;
}

static const char *unpack(const char *from, const char *to, const char *original) {
  Picture picture;
  size_t size;
  unsigned char *bytes = read_file(from, &size);
  if (!bytes) return "cannot be read";
  const char *wrong = read_head(bytes, size, &picture);
  if (!wrong) wrong = unpack_picture(bytes + HEAD, size - HEAD, &picture);
  free(bytes);
  if (wrong) return wrong;
  wrong = picture_write(to, &picture);
  if (!wrong && original) wrong = compare(&picture, original);
  free(picture.pixels);
  return wrong;
}

int main(int argc, char **argv) {
  const char *command = argc > 1 ? argv[1] : "", *wrong;
  if (argc == 4 && !strcmp(command, "pack"))
    wrong = pack(argv[2], argv[3]);
  else if ((argc == 4 || argc == 5) && !strcmp(command, "unpack"))
    wrong = unpack(argv[2], argv[3], argc > 4 ? argv[4] : NULL);
  else
    return fputs("usage: image-compression pack PICTURE.ppm FILE\n"
                 "       image-compression unpack FILE PICTURE.ppm [ORIGINAL.ppm]\n",
                 stderr),
           2;
  if (wrong) fprintf(stderr, "image-compression: %s %s: %s\n", command, argv[2], wrong);
  return wrong ? 1 : 0;
}
