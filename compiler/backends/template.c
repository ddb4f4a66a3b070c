/* template.c: scopes, and the expansion of templates (the language is described in template.h).
 *
 * A template is walked line by line; a loop walks its lines once an item. Lines that a condition
 * excludes are walked, too, with nothing appended, so that their names are checked. */
#include "backends/template.h"

#include "base/map.h"

#include <string.h>

/* --- scopes --- */

typedef enum { BIND_TEXT, BIND_BOOL, BIND_LIST, BIND_ITEM } BindKind;

typedef Vec(Scope *) ScopeList;

typedef struct {
  BindKind kind;
  bool flag;
  const char *text;
  ScopeList items;
  const Scope
      *item; /* BIND_ITEM; NULL stands for an item of an empty list, which has every field */
} Binding;

struct Scope {
  Arena *arena;
  const Scope *parent;
  Map names; /* of Binding */
  ScopeWordHook hook;
};

Scope *scope_create(Arena *arena, const Scope *parent) {
  Scope *scope = ARENA_NEW(arena, Scope);
  *scope = (Scope){.arena = arena, .parent = parent, .names = map_in(arena)};
  return scope;
}

static Binding *bind(Scope *scope, const char *name, BindKind kind) {
  Binding *binding = ARENA_NEW(scope->arena, Binding);
  binding->kind = kind;
  map_set(&scope->names, name, binding);
  return binding;
}

void scope_text(Scope *scope, const char *name, const char *text) {
  bind(scope, name, BIND_TEXT)->text = text;
}

void scope_textf(Scope *scope, const char *name, const char *format, ...) {
  va_list args;
  va_start(args, format);
  scope_text(scope, name, arena_vprintf(scope->arena, format, args));
  va_end(args);
}

void scope_bool(Scope *scope, const char *name, bool value) {
  bind(scope, name, BIND_BOOL)->flag = value;
}

void scope_list(Scope *scope, const char *name) {
  bind(scope, name, BIND_LIST);
}

Scope *scope_item(Scope *scope, const char *name) {
  Binding *binding = map_get(&scope->names, name);
  if (!binding || binding->kind != BIND_LIST) binding = bind(scope, name, BIND_LIST);
  Scope *item = scope_create(scope->arena, NULL);
  vec_push(scope->arena, &binding->items, item);
  return item;
}

void scope_on_word(Scope *scope, ScopeWordHook hook) {
  scope->hook = hook;
}

static ScopeWordHook word_hook(const Scope *scope) {
  while (scope->parent) scope = scope->parent;
  return scope->hook;
}

static const Binding *look_up(const Scope *scope, const char *name) {
  for (; scope; scope = scope->parent) {
    const Binding *binding = map_get(&scope->names, name);
    if (binding) return binding;
  }
  return NULL;
}

/* The bound name that is most like `name`, or NULL. */
static const char *nearest_name(Arena *arena, const Scope *scope, const char *name) {
  Vec(const char *) names = {0};
  for (; scope; scope = scope->parent)
    for (size_t i = 0; i < scope->names.capacity; i++)
      if (scope->names.entries[i].key) vec_push(arena, &names, scope->names.entries[i].key);
  return str_nearest(name, names.items, names.count);
}

/* --- the walk --- */

typedef struct {
  const char *file;
  Arena *arena;
  Diag *diag;
  const char *next; /* the line to read next */
  int next_number;
  int line; /* number of the line at hand */
  Str *out;
  TemplateLines *lines;
  int depth;    /* blocks around the line */
  int loops;    /* those of them that are loops */
  size_t spent; /* bytes that loops have walked and written */
  bool live;    /* append; otherwise only check */
  bool broken;  /* blocks do not match: there is no use in going on */
} Walk;

/* Loops within loops multiply: a short text must not cost more than this. */
enum { BLOCK_DEPTH = 50, LOOP_BYTES = 8 << 20, LINE_COST = 64, TURN_COST = 256 };

/* Reports an error at the line at hand. */
static bool fail(Walk *walk, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(Walk *walk, const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag_verror(walk->diag, arena_printf(walk->arena, "%s:%d", walk->file, walk->line), format, args);
  va_end(args);
  return false;
}

static bool fail_unknown(Walk *walk, const Scope *scope, const char *what, const char *name) {
  fail(walk, "unknown %s '%s'", what, name);
  return diag_did_you_mean(walk->diag, nearest_name(walk->arena, scope, name));
}

/* Whether loops may cost so much more. */
static bool spend(Walk *walk, size_t bytes) {
  if (walk->loops) walk->spent += bytes;
  if (walk->spent <= LOOP_BYTES) return true;
  if (!walk->broken) fail(walk, "the loops up to here make more than %d MB", LOOP_BYTES >> 20);
  walk->broken = true;
  return false;
}

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static size_t name_length(const char *text) {
  size_t length = 0;
  while (is_name_char(text[length])) length++;
  return length;
}

/* The binding of the longest bound name that `text` begins with; its end must be the end of the
 * name characters or a `_`. NULL if there is none. */
static const Binding *look_up_longest(const Scope *scope, const char *text, size_t *length) {
  enum { LONGEST = 200 };
  char name[LONGEST + 1];
  *length = strnlen(text, LONGEST);
  memcpy(name, text, *length);
  name[*length] = '\0';
  for (*length = name_length(name); *length > 0; --*length) {
    name[*length] = '\0';
    if (text[*length] != '_' && is_name_char(text[*length])) continue;
    const Binding *binding = look_up(scope, name);
    if (binding) return binding;
  }
  return NULL;
}

static const Binding any_field = {.kind = BIND_ITEM};

/* The binding that a reference `name` or `item.field` at *text means; moves *text behind it.
 * Reports and returns NULL if there is none. */
static const Binding *resolve(Walk *walk, const Scope *scope, const char **text) {
  const char *what = "parameter";
  for (;;) {
    size_t length, whole = name_length(*text);
    const Binding *binding = look_up_longest(scope, *text, &length);
    if (!binding) {
      fail_unknown(walk, scope, what, arena_strndup(walk->arena, *text, whole));
      *text += whole;
      return NULL;
    }
    *text += length;
    if (binding->kind != BIND_ITEM || **text != '.' || !name_length(*text + 1)) return binding;
    ++*text;
    if (!binding->item) {
      *text += name_length(*text);
      return &any_field;
    }
    scope = binding->item;
    what = "field";
  }
}

/* The text that the reference after a `$` at *text stands for; moves *text behind it. NULL after an
 * error. */
static const char *resolve_text(Walk *walk, const Scope *scope, const char **text) {
  const char *start = *text;
  if (!name_length(start)) {
    fail(walk, "'$' without a name");
    return NULL;
  }
  const Binding *binding = resolve(walk, scope, text);
  if (!binding) return NULL;
  if (binding == &any_field) return "";
  if (binding->kind == BIND_TEXT) return binding->text;
  static const char *const kinds[] = {
      [BIND_BOOL] = "a condition", [BIND_LIST] = "a list", [BIND_ITEM] = "a loop item"};
  fail(walk, "'$%.*s' is %s, not a text", (int)(*text - start), start, kinds[binding->kind]);
  return NULL;
}

/* --- lines of text --- */

static void end_line(Walk *walk) {
  str_add(walk->out, "\n");
  if (walk->lines) vec_push(walk->arena, &walk->lines->lines, walk->line);
}

/* Appends a text of several lines, each after `indent` blanks; empty ones stay empty. */
static void add_block(Walk *walk, size_t indent, const char *text) {
  while (*text) {
    size_t length = strcspn(text, "\n");
    if (length) str_addf(walk->out, "%*s%.*s", (int)indent, "", (int)length, text);
    end_line(walk);
    text += length;
    if (*text) text++;
  }
}

/* Handles a line that is nothing but one reference; false if `line` is another one. */
static bool expand_lone_reference(Walk *walk, const Scope *scope, const char *line) {
  size_t indent = strspn(line, " ");
  if (line[indent] != '$') return false;
  const char *end = line + indent + 1;
  end += name_length(end);
  while (*end == '.') end += 1 + name_length(end + 1);
  if (*end) return false;
  const char *at = line + indent + 1;
  const char *text = resolve_text(walk, scope, &at);
  if (!text) return true;
  if (*at) return false; /* "$t_x" with only t bound */
  if (walk->live && spend(walk, strlen(text))) add_block(walk, indent, text);
  return true;
}

/* Appends a text within a line; where it has several lines they come from the same one. */
static void add_text(Walk *walk, const char *text) {
  str_add(walk->out, text);
  for (const char *at = strchr(text, '\n'); at && walk->lines; at = strchr(at + 1, '\n'))
    vec_push(walk->arena, &walk->lines->lines, walk->line);
}

static void expand_line(Walk *walk, const Scope *scope, const char *line) {
  if (expand_lone_reference(walk, scope, line)) return;
  while (*line) {
    size_t plain = strcspn(line, "$");
    if (walk->live) str_add_n(walk->out, line, plain);
    line += plain;
    if (!*line) break;
    line++;
    const char *text = resolve_text(walk, scope, &line);
    if (text && walk->live && spend(walk, strlen(text))) add_text(walk, text);
  }
  if (walk->live) end_line(walk);
}

/* --- directives --- */

typedef enum { DIR_NONE, DIR_IF, DIR_ELSE, DIR_END, DIR_FOR, DIR_REMARK, DIR_EOF } Directive;

static const char *const directive_names[] = {
    [DIR_NONE] = "",   [DIR_IF] = "if",   [DIR_ELSE] = "else",
    [DIR_END] = "end", [DIR_FOR] = "for", [DIR_REMARK] = "#",
};
enum { DIRECTIVES = sizeof directive_names / sizeof *directive_names };

/* The next line without its end, or NULL at the end of the template. */
static const char *next_line(Walk *walk) {
  if (!*walk->next) return NULL;
  size_t length = strcspn(walk->next, "\n");
  const char *line = arena_strndup(walk->arena, walk->next, length);
  spend(walk, length + LINE_COST);
  walk->next += length + (walk->next[length] == '\n');
  walk->line = walk->next_number++;
  return line;
}

typedef Vec(const char *) Words;

static Words split_words(Arena *arena, const char *text) {
  Words words = {0};
  for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
    size_t length = strcspn(text, " \t");
    vec_push(arena, &words, arena_strndup(arena, text, length));
    text += length;
  }
  return words;
}

static Directive unknown_directive(Walk *walk, const char *word) {
  fail(walk, "unknown directive '%s'", word);
  const char *near = str_nearest(word, directive_names + 1, DIRECTIVES - 1);
  if (near) diag_hint(walk->diag, "did you mean '//$ %s'?", near);
  walk->broken = true;
  return DIR_REMARK;
}

/* What kind of line it is; of a directive also its words, the first of which is its name. */
static Directive read_directive(Walk *walk, const char *line, Words *words) {
  line += strspn(line, " \t");
  if (strncmp(line, "//$", 3) != 0) return DIR_NONE;
  *words = split_words(walk->arena, line + 3);
  if (words->count == 0) return unknown_directive(walk, "");
  const char *name = words->items[0];
  if (name[0] == '#') return DIR_REMARK;
  for (int i = DIR_IF; i < DIRECTIVES; i++)
    if (strcmp(name, directive_names[i]) == 0) return (Directive)i;
  return unknown_directive(walk, name);
}

static Directive expand_lines(Walk *walk, const Scope *scope);

/* Expands up to the `end` (or, where `may_else`, the `else`) of the block that begins at line
 * `start`. */
static Directive expand_block(Walk *walk, const Scope *scope, bool live, int start, bool may_else) {
  bool outer = walk->live;
  if (++walk->depth > BLOCK_DEPTH) {
    fail(walk, "blocks are nested deeper than %d", BLOCK_DEPTH);
    walk->broken = true;
  }
  walk->live = outer && live;
  Directive last = expand_lines(walk, scope);
  walk->live = outer;
  walk->depth--;
  if (walk->broken || last == DIR_END || (last == DIR_ELSE && may_else)) return last;
  if (last == DIR_EOF) {
    walk->line = start;
    fail(walk, "this block has no '//$ end'");
  } else {
    fail(walk, "'//$ else' without an '//$ if' of its own");
  }
  walk->broken = true;
  return last;
}

/* The value of a condition `name` or `item.field`; true after an error. */
static bool condition(Walk *walk, const Scope *scope, const char *text) {
  const char *at = text;
  const Binding *binding = resolve(walk, scope, &at);
  if (binding && *at) fail_unknown(walk, scope, "parameter", text);
  if (!binding) return true;
  switch (binding->kind) {
  case BIND_TEXT: return binding->text[0] != '\0';
  case BIND_BOOL: return binding->flag;
  case BIND_LIST: return binding->items.count > 0;
  case BIND_ITEM: break;
  }
  return true;
}

static void expand_if(Walk *walk, const Scope *scope, const Words *words) {
  int start = walk->line;
  bool holds = true;
  if (words->count != 2) {
    fail(walk, "expected '//$ if NAME' or '//$ if !NAME'");
  } else {
    const char *name = words->items[1];
    bool negated = name[0] == '!';
    holds = condition(walk, scope, name + negated) != negated;
  }
  if (expand_block(walk, scope, holds, start, true) == DIR_ELSE && !walk->broken)
    expand_block(walk, scope, !holds, start, false);
}

/* The scopes that a loop binds one after another, one an iteration. `*live` is false for the single
 * scope that stands in for an empty list, so that the body is checked. False after an error. */
static bool loop_scopes(Walk *walk, const Scope *scope, const Words *words, ScopeList *scopes,
                        bool *live) {
  const char *variable = words->items[1], *list = words->items[3];
  ScopeWordHook hook = word_hook(scope);
  *live = true;
  bool single = words->count == 4;
  if (single && !(hook && hook(scope_create(walk->arena, NULL), variable, list))) {
    const char *at = list;
    const Binding *binding = resolve(walk, scope, &at);
    if (!binding) return false;
    if (*at || (binding->kind != BIND_LIST && binding != &any_field))
      return fail(walk, "'%s' is not a list", list);
    *live = binding->items.count > 0;
    for (size_t i = 0; i < binding->items.count + !*live && spend(walk, TURN_COST); i++) {
      Scope *inner = scope_create(walk->arena, scope);
      bind(inner, variable, BIND_ITEM)->item = *live ? binding->items.items[i] : NULL;
      vec_push(walk->arena, scopes, inner);
    }
    return true;
  }
  for (size_t i = 3; i < words->count && spend(walk, TURN_COST); i++) {
    Scope *inner = scope_create(walk->arena, scope);
    scope_text(inner, variable, words->items[i]);
    if (hook) hook(inner, variable, words->items[i]);
    vec_push(walk->arena, scopes, inner);
  }
  return !walk->broken;
}

static void expand_for(Walk *walk, const Scope *scope, const Words *words) {
  int start = walk->line, errors = walk->diag->errors;
  ScopeList scopes = {0};
  bool live = true;
  bool well_formed = words->count >= 4 && strcmp(words->items[2], "in") == 0 &&
                     words->items[1][name_length(words->items[1])] == '\0';
  if (!well_formed) fail(walk, "expected '//$ for NAME in LIST'");
  walk->broken = !well_formed || !loop_scopes(walk, scope, words, &scopes, &live);
  const char *body = walk->next;
  int body_number = walk->next_number;
  walk->loops++;
  for (size_t i = 0; i < scopes.count && !walk->broken; i++) {
    walk->next = body;
    walk->next_number = body_number;
    expand_block(walk, scopes.items[i], live, start, false);
    if (walk->diag->errors > errors) break; /* the next items would have the same ones */
  }
  walk->loops--;
}

/* Expands lines up to an `else`, an `end` or the end of the template, and says which. */
static Directive expand_lines(Walk *walk, const Scope *scope) {
  const char *line;
  while (!walk->broken && (line = next_line(walk))) {
    Words words = {0};
    Directive directive = read_directive(walk, line, &words);
    switch (directive) {
    case DIR_NONE: expand_line(walk, scope, line); break;
    case DIR_IF: expand_if(walk, scope, &words); break;
    case DIR_FOR: expand_for(walk, scope, &words); break;
    case DIR_ELSE:
    case DIR_END: return directive;
    default: break;
    }
  }
  return DIR_EOF;
}

bool template_expand(const char *file, const char *text, const Scope *scope, Str *out,
                     TemplateLines *lines, Diag *diag) {
  int errors = diag->errors;
  Walk walk = {.file = file, .arena = out->arena, .diag = diag, .next = text, .next_number = 1};
  walk.out = out;
  walk.lines = lines;
  walk.live = true;
  Directive last = expand_lines(&walk, scope);
  if (last != DIR_EOF && !walk.broken)
    fail(&walk, "'//$ %s' without a block that it belongs to", directive_names[last]);
  return diag->errors == errors;
}
