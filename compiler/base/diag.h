/* diag.h: errors, warnings, notes and hints, located and counted.
 *
 * One diagnostic is one text `LOCATION: error: MESSAGE`, followed by indented `note:` and `hint:`
 * lines that belong to it. User errors are reported here and the caller goes on to find the next
 * one; broken invariants of ours are CTC_ASSERT. At most DIAG_LIMIT errors are printed, the rest
 * are counted. */
#ifndef CTC_BASE_DIAG_H
#define CTC_BASE_DIAG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

enum { DIAG_LIMIT = 20 };

typedef struct {
  FILE *out;        /* NULL: nothing is printed, only counted (trial runs) */
  int errors;       /* reported so far */
  int warnings;     /* likewise */
  bool line_open;   /* a progress line stands on the terminal: it is wiped before the next text */
  bool last_hidden; /* the last error was over the limit: its notes are hidden too */
} Diag;

/* All return false, so that a fallible function can end in `return diag_error(…)`. `where` may be
 * NULL. */
bool diag_error(Diag *diag, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool diag_verror(Diag *diag, const char *where, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
bool diag_warning(Diag *diag, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A fact that belongs to the diagnostic before it. */
bool diag_note(Diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What the user can do about it. */
bool diag_hint(Diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The hint "did you mean 'NEAR'?"; NULL: none. */
bool diag_did_you_mean(Diag *diag, const char *near);
/* That hint with the one of `names` that is nearest to `word`, if one is near enough. */
bool diag_suggest(Diag *diag, const char *word, const char *const *names, size_t count);
/* Says how many errors were not shown, if any. Call once, at the end. */
void diag_finish(Diag *diag);

/* An assertion about ctc itself: prints what broke and exits with status 70. */
#define CTC_ASSERT(condition)                                                                      \
  ((condition) ? (void)0 : diag_internal(__FILE__, __LINE__, #condition))
void diag_internal(const char *file, int line, const char *what) __attribute__((noreturn));

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
