/* main.c: finds the faces in a picture, prints them, and writes the picture with a box around each
 * one.
 *
 *   faces PICTURE.ppm [WITH_BOXES.ppm]
 *
 * The model (YuNet, compiled to yunet.c) looks at 640 x 640 pixels. It gives an opinion for each
 * cell of three grids, whose cells are 8, 16 and 32 pixels wide: is there a face, where does its
 * box lie, where are the eyes, the tip of the nose and the corners of the mouth. */
#include "../shared/picture.h"
#include "yunet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 640, GRIDS = 3, MOST_CELLS = YUNET_OUT_CLS_8_ELEMENTS, MOST_FACES = 512, POINTS = 5 };

/* Cells below the one are no faces; of two boxes that share more than the other of their area, the
 * better one stays. */
static const float least_score = 0.6f, most_overlap = 0.3f;

typedef struct {
  float score, x, y, width, height; /* pixels; x and y are the upper left corner */
  float points[2 * POINTS];         /* x, y of eyes, nose, corners of the mouth */
} Face;

/* The outputs of the model, by grid: one, one, 4 and 10 numbers a cell. */
static float is_face[GRIDS][MOST_CELLS], is_object[GRIDS][MOST_CELLS];
static float boxes[GRIDS][4 * MOST_CELLS], points[GRIDS][2 * POINTS * MOST_CELLS];

/* --- the picture as the model wants it --- */

/* How many pixels of the picture make one of the model's: 1 or more, so that it fits. */
static double shrinking(const Picture *picture) {
  int longest = picture->width > picture->height ? picture->width : picture->height;
  return longest > SIDE ? (double)longest / SIDE : 1;
}

/* Mean of channel c over the pixels that belong to (x, y) of the model's picture. */
static float mean_of(const Picture *picture, double scale, int x, int y, int c) {
  int left = (int)(x * scale), right = (int)((x + 1) * scale);
  int top = (int)(y * scale), bottom = (int)((y + 1) * scale);
  if (right > picture->width || bottom > picture->height) return 0; /* beside the picture: black */
  double sum = 0;
  for (int j = top; j < bottom; j++)
    for (int i = left; i < right; i++)
      sum += picture->pixels[3 * ((size_t)j * (size_t)picture->width + (size_t)i) + (size_t)c];
  return (float)(sum / ((right - left) * (bottom - top)));
}

/* input[channel][y][x] from 0 to 255, the channels in the order blue, green, red. */
static void fill_input(const Picture *picture, float *input) {
  double scale = shrinking(picture);
  for (int c = 0; c < 3; c++)
    for (int y = 0; y < SIDE; y++)
      for (int x = 0; x < SIDE; x++) *input++ = mean_of(picture, scale, x, y, 2 - c);
}

static int run_model(const Picture *picture) {
  static float input[YUNET_IN_INPUT_ELEMENTS];
  char *memory = (char *)malloc(YUNET_WORKSPACE_BYTES + YUNET_ALIGNMENT), *workspace = memory;
  if (!memory) return YUNET_BAD_ARGUMENT;
  while ((size_t)workspace % YUNET_ALIGNMENT) workspace++;
  fill_input(picture, input);
  int status = yunet_run(input, is_face[0], is_face[1], is_face[2], is_object[0], is_object[1],
                         is_object[2], boxes[0], boxes[1], boxes[2], points[0], points[1],
                         points[2], workspace, YUNET_WORKSPACE_BYTES);
  free(memory);
  return status;
}

/* --- what it said --- */

static float unit(float x) {
  return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* The face of a cell. Positions are in cells, counted from the cell's corner; sizes are logarithms
 * of cells. */
static Face face_of(int grid, int cell, float score) {
  float width = (float)(8 << grid), column = (float)(cell % (SIDE >> (3 + grid))),
        row = (float)(cell / (SIDE >> (3 + grid)));
  const float *box = boxes[grid] + 4 * cell, *point = points[grid] + 2 * POINTS * cell;
  Face face;
  face.score = score;
  face.width = width * expf(box[2]);
  face.height = width * expf(box[3]);
  face.x = width * (column + box[0]) - face.width / 2;
  face.y = width * (row + box[1]) - face.height / 2;
  for (int i = 0; i < POINTS; i++) {
    face.points[2 * i] = width * (column + point[2 * i]);
    face.points[2 * i + 1] = width * (row + point[2 * i + 1]);
  }
  return face;
}

/* The cells that are sure enough, at most MOST_FACES. */
static int collect(Face *faces) {
  int count = 0;
  for (int grid = 0; grid < GRIDS; grid++)
    for (int cell = 0; cell < MOST_CELLS >> (2 * grid) && count < MOST_FACES; cell++) {
      float score = sqrtf(unit(is_face[grid][cell]) * unit(is_object[grid][cell]));
      if (score >= least_score) faces[count++] = face_of(grid, cell, score);
    }
  return count;
}

static int by_score(const void *a, const void *b) {
  float x = ((const Face *)a)->score, y = ((const Face *)b)->score;
  return (x < y) - (x > y);
}

/* Area that both share over the area that either has. */
static float overlap(const Face *a, const Face *b) {
  float width = fminf(a->x + a->width, b->x + b->width) - fmaxf(a->x, b->x);
  float height = fminf(a->y + a->height, b->y + b->height) - fmaxf(a->y, b->y);
  if (width <= 0 || height <= 0) return 0;
  float both = width * height;
  return both / (a->width * a->height + b->width * b->height - both);
}

/* Many cells see the same face: keeps the best one of each. */
static int keep_best(Face *faces, int count) {
  int kept = 0;
  qsort(faces, (size_t)count, sizeof *faces, by_score);
  for (int i = 0; i < count; i++) {
    int seen = 0;
    for (int k = 0; k < kept && !seen; k++) seen = overlap(&faces[k], &faces[i]) > most_overlap;
    if (!seen) faces[kept++] = faces[i];
  }
  return kept;
}

static void enlarge(Face *face, float scale) {
  face->x *= scale, face->y *= scale, face->width *= scale, face->height *= scale;
  for (int i = 0; i < 2 * POINTS; i++) face->points[i] *= scale;
}

static void draw(Picture *picture, const Face *face) {
  static const unsigned char green[3] = {0, 220, 60}, red[3] = {230, 30, 30};
  int thick = 1 + picture->width / 300;
  picture_box(picture, (int)face->x, (int)face->y, (int)face->width, (int)face->height, thick,
              green);
  for (int i = 0; i < POINTS; i++)
    picture_dot(picture, (int)face->points[2 * i], (int)face->points[2 * i + 1], thick, red);
}

int main(int argc, char **argv) {
  static Face faces[MOST_FACES];
  Picture picture;
  if (argc < 2) return fputs("usage: faces PICTURE.ppm [WITH_BOXES.ppm]\n", stderr), 2;
  const char *wrong = picture_read(argv[1], &picture);
  if (wrong) return fprintf(stderr, "faces: %s: %s\n", argv[1], wrong), 1;
  int status = run_model(&picture);
  if (status != YUNET_OK) return fprintf(stderr, "faces: %s\n", yunet_status_text(status)), 1;

  int count = keep_best(faces, collect(faces));
  printf("%s: %d x %d pixels, %d face%s\n", argv[1], picture.width, picture.height, count,
         count == 1 ? "" : "s");
  for (int i = 0; i < count; i++) {
    Face *face = &faces[i];
    enlarge(face, (float)shrinking(&picture));
    printf("  %3.0f %% sure: %.0f x %.0f pixels at (%.0f, %.0f), nose at (%.0f, %.0f)\n",
           100 * (double)face->score, (double)face->width, (double)face->height, (double)face->x,
           (double)face->y, (double)face->points[4], (double)face->points[5]);
    draw(&picture, face);
  }
  if (argc > 2) wrong = picture_write(argv[2], &picture);
  if (wrong) fprintf(stderr, "faces: %s: %s\n", argv[2], wrong);
  free(picture.pixels);
  return wrong ? 1 : 0;
}
