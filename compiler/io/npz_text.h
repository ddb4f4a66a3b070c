/* npz_text.h: numpy's arrays of text (dtype U): each element as many code points of 4 bytes, zeros
 * behind its end. */
#ifndef CTC_IO_NPZ_TEXT_H
#define CTC_IO_NPZ_TEXT_H

#include "ir/tensor.h"

/* Code points of an element of a dtype such as "<U12"; 0: it is none of text. */
int64_t npz_text_width(const char *descr);
/* `count` elements as UTF-8. False if one holds what is no character, or a 0 before its end. */
MUST_CHECK bool npz_text_read(const char *bytes, int64_t width, int64_t count, Arena *arena,
                              const char **texts);
/* The most code points of an element, at least 1; 0: one is not UTF-8. */
int64_t npz_text_most(const Tensor *texts);
/* The elements as numpy has them. */
void npz_text_write(const Tensor *texts, int64_t width, char *bytes);

#endif
