/* networks.h: the two networks, on pictures of any size. */
#ifndef NETWORKS_H
#define NETWORKS_H

#include "../shared/picture.h"
#include "prior.h"

/* Latents in a column and in a row of a channel; a picture is filled up to whole blocks. */
typedef struct {
  int rows, columns;
} Grid;

Grid grid_of(int width, int height);

/* latents[CHANNELS][rows][columns] of a picture, rounded. NULL, or what went wrong. */
const char *network_analyse(const Picture *picture, int *latents);

/* The pixels of a picture, whose width and height are given, from latents. */
const char *network_synthesise(const int *latents, Picture *picture);

#endif
