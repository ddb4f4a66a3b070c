/* coder.c: an asymmetric numeral system (Duda 2013), which does what a range coder does with less
 * arithmetic. The state is one large number. A symbol with f of the TOTAL = 2^TOTAL_BITS parts of
 * the probability, which begin at part `start`, makes of the state x
 *
 *   x' = (x / f) * TOTAL + start + x % f
 *
 * that is, TOTAL / f times as large: it has cost log2(TOTAL / f) bits. x' % TOTAL tells the symbol
 * and with it f and start, so that x can be had back. Bytes leave the state where it would become
 * too large. What was written last is read first: the encoder goes backwards. */
#include "coder.h"

enum { ESCAPE = SYMBOLS - 1, PLAIN_BITS = 8 };
static const uint32_t lowest =
    1u << 23; /* the state is lowest … 256 * lowest - 1 between symbols */

typedef struct {
  uint32_t state;
  unsigned char *next; /* bytes are put before it */
} Encoder;

static void put(Encoder *encoder, uint32_t start, uint32_t parts) {
  for (; encoder->state >= ((lowest >> TOTAL_BITS) << 8) * parts; encoder->state >>= 8)
    *--encoder->next = (unsigned char)(encoder->state & 255);
  encoder->state = ((encoder->state / parts) << TOTAL_BITS) + start + encoder->state % parts;
}

/* A byte all of whose values are as likely. */
static void put_plain(Encoder *encoder, unsigned byte) {
  put(encoder, byte << (TOTAL_BITS - PLAIN_BITS), 1u << (TOTAL_BITS - PLAIN_BITS));
}

static void put_latent(Encoder *encoder, const uint16_t *starts, int latent) {
  int symbol = latent + LARGEST;
  if (symbol < 0 || symbol >= ESCAPE) {
    symbol = ESCAPE;
    put_plain(encoder, (unsigned)latent & 255);
    put_plain(encoder, (unsigned)latent >> 8 & 255);
  }
  put(encoder, starts[symbol], (uint32_t)starts[symbol + 1] - starts[symbol]);
}

/* A latent takes TOTAL_BITS at most, and 16 if it is escaped: less than four bytes; so does the
 * state that is left. */
size_t coder_room(size_t places) {
  return 4 * (CHANNELS * places + 1);
}

size_t coder_pack(const int *latents, size_t places, unsigned char *bytes) {
  unsigned char *end = bytes + coder_room(places);
  Encoder encoder = {lowest, end};
  for (size_t i = CHANNELS * places; i-- > 0;)
    put_latent(&encoder, prior_starts[i / places], latents[i]);
  for (int i = 0; i < 4; i++, encoder.state >>= 8)
    *--encoder.next = (unsigned char)(encoder.state & 255);
  return (size_t)(end - encoder.next);
}

typedef struct {
  uint32_t state;
  const unsigned char *next, *end;
  int missing; /* bytes that were wanted behind the end */
} Decoder;

static uint32_t next_byte(Decoder *decoder) {
  if (decoder->next < decoder->end) return *decoder->next++;
  decoder->missing = 1;
  return 0;
}

/* Goes back to the state before a symbol was put. */
static void take(Decoder *decoder, uint32_t start, uint32_t parts) {
  const uint32_t part = decoder->state & ((1u << TOTAL_BITS) - 1);
  decoder->state = (decoder->state >> TOTAL_BITS) * parts + part - start;
  while (decoder->state < lowest && !decoder->missing)
    decoder->state = decoder->state << 8 | next_byte(decoder);
}

static unsigned take_plain(Decoder *decoder) {
  const unsigned shift = TOTAL_BITS - PLAIN_BITS;
  const unsigned byte = decoder->state >> shift & 255;
  take(decoder, byte << shift, 1u << shift);
  return byte;
}

static int take_latent(Decoder *decoder, const uint16_t *starts) {
  const uint32_t part = decoder->state & ((1u << TOTAL_BITS) - 1);
  int low = 0, high = SYMBOLS; /* starts[low] <= part < starts[high] */
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (starts[middle] <= part)
      low = middle;
    else
      high = middle;
  }
  take(decoder, starts[low], (uint32_t)starts[high] - starts[low]);
  if (low != ESCAPE) return low - LARGEST;
  const int upper = (int)take_plain(decoder), lower = (int)take_plain(decoder);
  return (upper ^ 128) * 256 + lower - 32768; /* 16 bits in two's complement */
}

int coder_unpack(const unsigned char *bytes, size_t size, int *latents, size_t places) {
  Decoder decoder = {0, bytes, bytes + size, 0};
  for (int i = 0; i < 4; i++) decoder.state = decoder.state << 8 | next_byte(&decoder);
  for (size_t i = 0; i < CHANNELS * places && !decoder.missing; i++)
    latents[i] = take_latent(&decoder, prior_starts[i / places]);
  return !decoder.missing && decoder.next == decoder.end && decoder.state == lowest;
}
