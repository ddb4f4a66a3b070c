/* picture.c: PPM files, the simplest format there is: "P6 WIDTH HEIGHT 255", one white space, then
 * the pixels. */
#include "picture.h"

#include <stdio.h>
#include <stdlib.h>

enum { LARGEST_SIDE = 20000 };

/* The next number of the header; comments begin with '#'. -1 if there is none. */
static int read_number(FILE *file) {
  int c = fgetc(file);
  while (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '#') {
    if (c == '#')
      while (c != '\n' && c != EOF) c = fgetc(file);
    else
      c = fgetc(file);
  }
  if (c < '0' || c > '9') return -1;
  int number = 0;
  for (; c >= '0' && c <= '9'; c = fgetc(file))
    if (number <= LARGEST_SIDE) number = 10 * number + (c - '0');
  return number; /* the one character behind it has been read too */
}

static const char *read_pixels(FILE *file, Picture *picture) {
  if (fgetc(file) != 'P' || fgetc(file) != '6') return "this is not a PPM file (P6)";
  picture->width = read_number(file);
  picture->height = read_number(file);
  if (read_number(file) != 255) return "only 8 bits a channel can be read";
  if (picture->width < 1 || picture->height < 1 || picture->width > LARGEST_SIDE ||
      picture->height > LARGEST_SIDE)
    return "strange width or height";
  size_t bytes = (size_t)picture->width * (size_t)picture->height * 3;
  picture->pixels = (unsigned char *)malloc(bytes);
  if (!picture->pixels) return "too large: out of memory";
  if (fread(picture->pixels, 1, bytes, file) == bytes) return NULL;
  free(picture->pixels);
  return "it is cut off";
}

const char *picture_read(const char *path, Picture *picture) {
  FILE *file = fopen(path, "rb");
  if (!file) return "cannot be read";
  const char *wrong = read_pixels(file, picture);
  fclose(file);
  return wrong;
}

const char *picture_write(const char *path, const Picture *picture) {
  FILE *file = fopen(path, "wb");
  if (!file) return "cannot be written";
  size_t bytes = (size_t)picture->width * (size_t)picture->height * 3;
  int good = fprintf(file, "P6\n%d %d\n255\n", picture->width, picture->height) > 0 &&
             fwrite(picture->pixels, 1, bytes, file) == bytes;
  return fclose(file) || !good ? "cannot be written" : NULL;
}

static void fill(Picture *picture, int left, int top, int right, int bottom,
                 const unsigned char colour[3]) {
  for (int y = top < 0 ? 0 : top; y < bottom && y < picture->height; y++)
    for (int x = left < 0 ? 0 : left; x < right && x < picture->width; x++) {
      unsigned char *pixel = picture->pixels + 3 * ((size_t)y * (size_t)picture->width + (size_t)x);
      for (int c = 0; c < 3; c++) pixel[c] = colour[c];
    }
}

void picture_box(Picture *picture, int x, int y, int width, int height, int thick,
                 const unsigned char colour[3]) {
  int right = x + width, bottom = y + height;
  fill(picture, x, y, right, y + thick, colour);
  fill(picture, x, bottom - thick, right, bottom, colour);
  fill(picture, x, y, x + thick, bottom, colour);
  fill(picture, right - thick, y, right, bottom, colour);
}

void picture_dot(Picture *picture, int x, int y, int radius, const unsigned char colour[3]) {
  fill(picture, x - radius, y - radius, x + radius + 1, y + radius + 1, colour);
}
