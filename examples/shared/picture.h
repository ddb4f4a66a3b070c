/* picture.h: a picture in memory, as a PPM file, and drawing into it. */
#ifndef PICTURE_H
#define PICTURE_H

typedef struct {
  int width, height;
  unsigned char *pixels; /* height * width * 3: red, green, blue; from malloc */
} Picture;

/* Reads a PPM file (P6, 8 bits). NULL, or what is wrong with it. */
const char *picture_read(const char *path, Picture *picture);
const char *picture_write(const char *path, const Picture *picture);

/* The outline of a rectangle, `thick` pixels wide, and a filled square around a point; what lies
 * outside is left out. */
void picture_box(Picture *picture, int x, int y, int width, int height, int thick,
                 const unsigned char colour[3]);
void picture_dot(Picture *picture, int x, int y, int radius, const unsigned char colour[3]);

#endif
