/* networks.c: pictures to latents and back, by the two models that ctc has compiled. */
#include "networks.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "analysis.h"
#include "synthesis.h"

static const char no_memory[] = "too large: out of memory";

Grid grid_of(int width, int height) {
  return (Grid){(height + BLOCK - 1) / BLOCK, (width + BLOCK - 1) / BLOCK};
}

/* Memory for a model's input and output, and for the run between them. */
typedef struct {
  float *input, *output;
  char *memory, *workspace;
  size_t workspace_bytes;
} Buffers;

static void free_buffers(Buffers *buffers) {
  free(buffers->input), free(buffers->output), free(buffers->memory);
}

static int get_buffers(Buffers *buffers, size_t inputs, size_t outputs, int64_t workspace,
                       size_t alignment) {
  buffers->input = (float *)malloc(inputs * sizeof(float));
  buffers->output = (float *)malloc(outputs * sizeof(float));
  buffers->memory = (char *)malloc((size_t)workspace + alignment);
  buffers->workspace = buffers->memory;
  buffers->workspace_bytes = (size_t)workspace;
  if (!buffers->input || !buffers->output || !buffers->memory) return free_buffers(buffers), 0;
  while ((uintptr_t)buffers->workspace % alignment) buffers->workspace++;
  return 1;
}

/* input[channel][y][x] from 0 to 1; right of the picture and below it, its last pixels go on. */
static void fill_input(const Picture *picture, Grid grid, float *input) {
  for (int c = 0; c < 3; c++)
    for (int y = 0; y < grid.rows * BLOCK; y++)
      for (int x = 0; x < grid.columns * BLOCK; x++) {
        const int row = y < picture->height ? y : picture->height - 1;
        const int column = x < picture->width ? x : picture->width - 1;
        const size_t pixel = (size_t)row * (size_t)picture->width + (size_t)column;
        *input++ = (float)picture->pixels[3 * pixel + (size_t)c] / 255.0f;
      }
}

/* To the nearest integer, as far as 16 bits go. */
static int rounded(float x) {
  return x > -32768.0f ? x < 32767.0f ? (int)lrintf(x) : 32767 : -32768;
}

const char *network_analyse(const Picture *picture, int *latents) {
  const Grid grid = grid_of(picture->width, picture->height);
  const size_t places = (size_t)grid.rows * (size_t)grid.columns;
  int64_t dims[ANALYSIS_DIM_COUNT] = {0};
  dims[ANALYSIS_DIM_HEIGHT] = grid.rows * BLOCK;
  dims[ANALYSIS_DIM_WIDTH] = grid.columns * BLOCK;
  Buffers buffers;
  if (!get_buffers(&buffers, 3 * BLOCK * BLOCK * places, CHANNELS * places,
                   analysis_workspace_bytes(dims), ANALYSIS_ALIGNMENT))
    return no_memory;
  fill_input(picture, grid, buffers.input);
  const int status =
      analysis_run(buffers.input, buffers.output, dims, buffers.workspace, buffers.workspace_bytes);
  for (size_t i = 0; i < CHANNELS * places && status == ANALYSIS_OK; i++)
    latents[i] = rounded(buffers.output[i]);
  free_buffers(&buffers);
  return status == ANALYSIS_OK ? NULL : analysis_status_text(status);
}

static unsigned char byte_of(float x) {
  return (unsigned char)(x > 0 ? x < 1 ? (int)lrintf(255 * x) : 255 : 0);
}

/* The part of output[channel][y][x] that the picture has. */
static void take_pixels(const float *output, Grid grid, Picture *picture) {
  const size_t row = (size_t)grid.columns * BLOCK, channel = row * (size_t)grid.rows * BLOCK;
  unsigned char *pixel = picture->pixels;
  for (size_t y = 0; y < (size_t)picture->height; y++)
    for (size_t x = 0; x < (size_t)picture->width; x++)
      for (size_t c = 0; c < 3; c++) *pixel++ = byte_of(output[c * channel + y * row + x]);
}

const char *network_synthesise(const int *latents, Picture *picture) {
  const Grid grid = grid_of(picture->width, picture->height);
  const size_t places = (size_t)grid.rows * (size_t)grid.columns;
  int64_t dims[SYNTHESIS_DIM_COUNT] = {0};
  dims[SYNTHESIS_DIM_ROWS] = grid.rows;
  dims[SYNTHESIS_DIM_COLUMNS] = grid.columns;
  Buffers buffers;
  if (!get_buffers(&buffers, CHANNELS * places, 3 * BLOCK * BLOCK * places,
                   synthesis_workspace_bytes(dims), SYNTHESIS_ALIGNMENT))
    return no_memory;
  for (size_t i = 0; i < CHANNELS * places; i++) buffers.input[i] = (float)latents[i];
  const int status = synthesis_run(buffers.input, buffers.output, dims, buffers.workspace,
                                   buffers.workspace_bytes);
  if (status == SYNTHESIS_OK) take_pixels(buffers.output, grid, picture);
  free_buffers(&buffers);
  return status == SYNTHESIS_OK ? NULL : synthesis_status_text(status);
}
