/* library.h: what the stand-ins for libraries share: their work goes to the streams of the stand-in
 * for the driver. What the libraries would refuse is refused.
 *
 *   CTC_CUDA_LIBS_LOG=FILE      gets a line for each call that works
 *   CTC_CUDA_LIBS_REFUSE=WORDS  calls that fail: create, choose, call */
#pragma once
#include "../api.h"
#include <functional>
#include <stdint.h>
#include <string>

/* Whether a context is there, which the libraries need. */
bool has_context();
/* Whether CTC_CUDA_LIBS_REFUSE has the word. */
bool refuses(const char *word);
/* Adds a line to the log. */
void record(const std::string &line);
/* Whether the bytes lie in one allocation of the device's. */
bool on_device(const void *from, size_t bytes);
/* Puts work into a stream; it reads and writes memory of the device. Code is loaded by its first
 * call, which must not be recorded: false then. */
bool add_work(CUstream stream, const std::string &code, std::function<void()> work);
