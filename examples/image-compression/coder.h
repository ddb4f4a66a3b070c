/* coder.h: latents as bytes, each in about as many bits as its probability asks for. */
#ifndef CODER_H
#define CODER_H

#include <stddef.h>
#include <stdint.h>

#include "prior.h"

/* latents[CHANNELS][places], each from -32768 to 32767, to at most coder_room(places) bytes at the
 * END of `bytes`; the number of bytes. */
size_t coder_pack(const int *latents, size_t places, unsigned char *bytes);
size_t coder_room(size_t places);

/* The way back; 0: the bytes are not those of so many latents. */
int coder_unpack(const unsigned char *bytes, size_t size, int *latents, size_t places);

#endif
