/* template.h: text templates that are themselves C.
 *
 * gcc, clang and clang-format accept `$` in identifiers, and a directive is a comment line, so that
 * a template can be read, formatted and compiled as C. The language:
 *
 *   $name            the text bound to `name`. Taken are the identifier characters after `$`; if
 * they are not a bound name, they are shortened at `_` boundaries from the right: `ctc_cast_$t_$u`
 * uses `t` and `u`. $item.field      a text of a loop item $name alone on   a text of several
 * lines: each is indented like that line; the line vanishes if the text a line           is empty
 *   //$ if name      the lines up to `//$ else` or `//$ end` only if `name` is true: a true bool, a
 * text or a list
 *   //$ if !name     that is not empty (`!`: only if it is not)
 *   //$ else
 *   //$ end
 *   //$ for x in list         the lines up to `//$ end` once for each item of the list, with `x`
 * bound to the item
 *   //$ for t in f32 f64      once for each word, with `t` bound to it as a text. A single word
 * that is a bound name is a list.
 *   //$ # remark              nothing
 *
 * `name` may be `item.field` in `if` and `for`, too. Directives nest; their lines leave no trace in
 * the output. A name that is not bound is an error even where a condition is false, so that a
 * misspelt one is found by any test.
 *
 * Text is expanded into a Str: an error never leaves half a file behind. */
#ifndef CTC_BACKENDS_TEMPLATE_H
#define CTC_BACKENDS_TEMPLATE_H

#include "base/diag.h"
#include "base/str.h"
#include "base/vec.h"

/* Names and what they are bound to. Names and texts must outlive the scope. Binding a name again
 * replaces the older binding. */
typedef struct Scope Scope;

/* A scope whose unknown names are looked up in `parent` (may be NULL). */
Scope *scope_create(Arena *arena, const Scope *parent);
void scope_text(Scope *scope, const char *name, const char *text);
void scope_textf(Scope *scope, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void scope_bool(Scope *scope, const char *name, bool value);
/* Binds `name` to an empty list. */
void scope_list(Scope *scope, const char *name);
/* Appends an item, and returns it, to the list bound to `name`, which is made first if it is not
 * there. */
Scope *scope_item(Scope *scope, const char *name);

/* Called for each word of a loop over words, so that it can bind more names than the variable
 * itself. True: the word is known, so that a loop over this single word is one over words. Set in
 * the outermost scope. */
typedef bool (*ScopeWordHook)(Scope *item, const char *variable, const char *word);
void scope_on_word(Scope *scope, ScopeWordHook hook);

/* The template line that each line of an expansion came from, counted from 1. */
typedef struct {
  Vec(int) lines;
} TemplateLines;

/* Appends the expansion of `text` to `out`. `file` names it in messages. `lines` (may be NULL) gets
 * an entry for each output line. Reports errors and returns false if there was one; what `out` got
 * is of no use then. */
MUST_CHECK bool template_expand(const char *file, const char *text, const Scope *scope, Str *out,
                                TemplateLines *lines, Diag *diag);

/* The text of a template: the file of that name in `folder`, or, if `folder` is NULL, the embedded
 * one. *file is how messages should name it. Reports and returns false if it is not there. */
MUST_CHECK bool template_load(const char *folder, const char *name, Arena *arena, const char **file,
                              const char **text, Diag *diag);

#endif
