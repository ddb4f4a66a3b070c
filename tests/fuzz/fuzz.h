/* fuzz.h: what the fuzz targets share: libFuzzer's entry, expectations, files in memory. */
#ifndef CTC_TESTS_FUZZ_H
#define CTC_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EXPECT(condition) ((condition) ? (void)0 : abort())

/* The file that readers find under this path from now on, only in memory; NULL: none. */
void fuzz_file(const char *path, const void *data, size_t size);

/* The bytes up to the next zero byte, or to the end; *data and *size move behind them. */
typedef struct {
  const uint8_t *data;
  size_t size;
} FuzzPart;
FuzzPart fuzz_part(const uint8_t **data, size_t *size);

#endif
