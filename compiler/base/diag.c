/* diag.c: printing of diagnostics. */
#include "base/diag.h"

#include "base/str.h"

#include <stdlib.h>

static void print(Diag *diag, const char *where, const char *kind, const char *format,
                  va_list args) {
  if (!diag->out) return;
  if (diag->line_open) fputs("\r\033[K", diag->out);
  diag->line_open = false;
  if (where) fprintf(diag->out, "%s: ", where);
  fprintf(diag->out, "%s: ", kind);
  vfprintf(diag->out, format, args);
  fputc('\n', diag->out);
}

bool diag_verror(Diag *diag, const char *where, const char *format, va_list args) {
  diag->last_hidden = ++diag->errors > DIAG_LIMIT;
  if (!diag->last_hidden) print(diag, where, "error", format, args);
  return false;
}

bool diag_error(Diag *diag, const char *where, const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag_verror(diag, where, format, args);
  va_end(args);
  return false;
}

bool diag_warning(Diag *diag, const char *where, const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag->warnings++;
  diag->last_hidden = false;
  print(diag, where, "warning", format, args);
  va_end(args);
  return false;
}

bool diag_note(Diag *diag, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (!diag->last_hidden) print(diag, NULL, "  note", format, args);
  va_end(args);
  return false;
}

bool diag_hint(Diag *diag, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (!diag->last_hidden) print(diag, NULL, "  hint", format, args);
  va_end(args);
  return false;
}

bool diag_did_you_mean(Diag *diag, const char *near) {
  return near && diag_hint(diag, "did you mean '%s'?", near);
}

bool diag_suggest(Diag *diag, const char *word, const char *const *names, size_t count) {
  if (diag->last_hidden) return false; /* not printed; the search takes time */
  return diag_did_you_mean(diag, str_nearest(word, names, count));
}

void diag_finish(Diag *diag) {
  if (diag->out && diag->errors > DIAG_LIMIT)
    fprintf(diag->out, "%d more errors are not shown\n", diag->errors - DIAG_LIMIT);
}

void diag_internal(const char *file, int line, const char *what) {
  fprintf(stderr, "ctc: internal error at %s:%d: %s\n  please report it with the model\n", file,
          line, what);
  exit(70);
}
