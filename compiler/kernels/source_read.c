/* source_read.c: from a file of kernels to its definitions.
 *
 * The file is expanded as a template, with a hook that binds `$T` to the C type of `$t`. Then it is
 * cut into definitions: a comment, and up to the `;` or the function's closing brace that ends it;
 * #define lines; runs of #include lines. Comments that are followed by a blank line, and the one
 * that opens the file, belong to none and are dropped. */
#include "kernels/source.h"

#include "backends/template.h"
#include "base/file.h"

#include <ctype.h>
#include <string.h>

/* --- expansion --- */

static DType dtype_by_short_name(const char *word) {
  for (int i = 1; i < DT_COUNT; i++)
    if (strcmp(dtype_info((DType)i)->short_name, word) == 0) return (DType)i;
  return DT_NONE;
}

/* `//$ for t in f32`: `$T` is "float". */
static bool bind_c_type(Scope *item, const char *variable, const char *word) {
  static char upper[26][2];
  DType dtype = dtype_by_short_name(word);
  if (dtype == DT_NONE) return false;
  if (strlen(variable) != 1 || !islower((unsigned char)variable[0])) return true;
  char *name = upper[variable[0] - 'a'];
  name[0] = (char)toupper((unsigned char)variable[0]);
  scope_text(item, name, dtype_info(dtype)->c_type);
  return true;
}

typedef struct {
  char *text;
  size_t length;
} Line;

typedef Vec(Line) Lines;

static Lines split_lines(Arena *arena, const char *text) {
  Lines lines = {0};
  while (*text) {
    Line line = {.length = strcspn(text, "\n")};
    line.text = arena_strndup(arena, text, line.length);
    vec_push(arena, &lines, line);
    text += line.length + (text[line.length] == '\n');
  }
  return lines;
}

static bool begins_with(const char *text, const char *start) {
  return strncmp(text, start, strlen(start)) == 0;
}

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* The first line of the comment whose last line is `last`, or -1 if that line ends no comment. */
static int comment_start(const Lines *lines, int last) {
  if (last < 0 || !ends_with(lines->items[last].text, "*/")) return -1;
  for (int i = last; i >= 0; i--)
    if (begins_with(lines->items[i].text, "/*")) return i;
  return -1;
}

/* A comment above a loop is meant for the definition in each of its turns: it trades places with
 * the loop's line, whose numbers stay the same from there on. The comment that opens the file
 * stays. */
static void move_comments_into_loops(Lines *lines) {
  for (int i = 0; i < (int)lines->count; i++) {
    if (!begins_with(lines->items[i].text, "//$ for ")) continue;
    int start = comment_start(lines, i - 1);
    if (start <= 0) continue;
    Line loop = lines->items[i];
    memmove(&lines->items[start + 1], &lines->items[start], (size_t)(i - start) * sizeof(Line));
    lines->items[start] = loop;
  }
}

static const char *join_lines(Arena *arena, const Lines *lines) {
  Str text = str_in(arena);
  for (size_t i = 0; i < lines->count; i++) str_addf(&text, "%s\n", lines->items[i].text);
  return str_text(&text);
}

static bool expand_file(Sources *sources, const char *path, const char *text, Str *out,
                        TemplateLines *map) {
  Arena *arena = sources->arena;
  Lines lines = split_lines(arena, text);
  move_comments_into_loops(&lines);
  Scope *scope = scope_create(arena, NULL);
  scope_on_word(scope, bind_c_type);
  return template_expand(path, join_lines(arena, &lines), scope, out, map, sources->diag);
}

/* --- cutting --- */

/* A place in the expanded text. */
typedef struct {
  const char *at;
  int line; /* counted from 0 */
} Place;

static void advance(Place *place, size_t count) {
  for (; count > 0 && *place->at; count--) place->line += *place->at++ == '\n';
}

static void skip_to_line_end(Place *place) {
  advance(place, strcspn(place->at, "\n") + 1);
}

/* Bytes of the comment, text or character literal at `at`; 0 if there is none. */
static size_t opaque_length(const char *at) {
  if (begins_with(at, "/*")) {
    const char *end = strstr(at + 2, "*/");
    return end ? (size_t)(end - at) + 2 : strlen(at);
  }
  if (begins_with(at, "//")) return strcspn(at, "\n");
  if (*at != '"' && *at != '\'') return 0;
  size_t i = 1;
  while (at[i] && at[i] != at[0]) i += at[i] == '\\' && at[i + 1] ? 2 : 1;
  return at[i] ? i + 1 : i;
}

static bool at_blank_line(const char *at) {
  size_t blanks = strspn(at, " \t\r");
  return at[blanks] == '\n' || at[blanks] == '\0';
}

/* Passes the preprocessor line, with its continuations, that begins at `place`. */
static void skip_directive(Place *place) {
  bool continued = true;
  while (continued && *place->at) {
    size_t length = strcspn(place->at, "\n");
    continued = length > 0 && place->at[length - 1] == '\\';
    skip_to_line_end(place);
  }
}

static bool at_conditional_end(const char *at) {
  return begins_with(at, "#endif");
}

/* Passes #if … #endif. */
static void skip_conditional(Place *place) {
  int depth = 0;
  while (*place->at) {
    depth += begins_with(place->at, "#if");
    bool end = at_conditional_end(place->at);
    skip_to_line_end(place);
    if (end && --depth == 0) return;
  }
}

/* Passes a declaration or function definition, up to the end of the line on which it ends. */
static void skip_declaration(Place *place) {
  int depth = 0;
  bool function = false;
  char previous = 0;
  while (*place->at) {
    size_t opaque = opaque_length(place->at);
    char c = *place->at;
    advance(place, opaque ? opaque : 1);
    if (opaque || isspace((unsigned char)c)) continue;
    if (c == '{' && depth == 0) function = previous == ')';
    if (c == '{' || c == '(' || c == '[') depth++;
    if (c == '}' || c == ')' || c == ']') depth--;
    if (depth == 0 && (c == ';' || (c == '}' && function))) break;
    previous = c;
  }
  if (*place->at) skip_to_line_end(place);
}

static void skip_definition(Place *place) {
  if (begins_with(place->at, "#include")) {
    while (begins_with(place->at, "#include")) skip_directive(place);
  } else if (begins_with(place->at, "#if")) {
    skip_conditional(place);
  } else if (*place->at == '#') {
    skip_directive(place);
  } else {
    skip_declaration(place);
  }
}

/* Passes comments; true if a definition follows them directly. The comment that opens the file
 * belongs to no definition. */
static bool skip_comments(Place *place) {
  bool first = place->line == 0, opens_file = false;
  while (begins_with(place->at, "/*") || begins_with(place->at, "//")) {
    opens_file = first;
    advance(place, opaque_length(place->at));
    skip_to_line_end(place);
  }
  return !opens_file && !at_blank_line(place->at);
}

/* --- tokens and names --- */

static bool is_name_char(char c) {
  return isalnum((unsigned char)c) || c == '_';
}

static Tokens tokenize(Arena *arena, const char *text) {
  Tokens tokens = {0};
  Place place = {.at = text};
  while (*place.at) {
    size_t length = opaque_length(place.at);
    Token token = {.kind = TOKEN_OTHER, .symbol = *place.at, .line = place.line};
    bool blank = length > 0 || isspace((unsigned char)*place.at);
    if (length == 0 && is_name_char(*place.at)) {
      while (is_name_char(place.at[length])) length++;
      blank = isdigit((unsigned char)*place.at);
      token.kind = TOKEN_NAME;
      token.text = arena_strndup(arena, place.at, length);
    }
    if (!blank) vec_push(arena, &tokens, token);
    advance(&place, length ? length : 1);
  }
  return tokens;
}

static bool is_word(const Token *token, const char *word) {
  return token->kind == TOKEN_NAME && strcmp(token->text, word) == 0;
}

static bool is_symbol(const Token *token, char symbol) {
  return token->kind == TOKEN_OTHER && token->symbol == symbol;
}

/* The position of the first of the characters `symbols`, or the number of tokens. */
static size_t find_symbol(const Tokens *tokens, const char *symbols) {
  size_t i = 0;
  while (i < tokens->count &&
         !(tokens->items[i].kind == TOKEN_OTHER && strchr(symbols, tokens->items[i].symbol)))
    i++;
  return i;
}

static const char *upper_case(Arena *arena, const char *text) {
  char *copy = arena_strdup(arena, text);
  for (char *at = copy; *at; at++) *at = (char)toupper((unsigned char)*at);
  return copy;
}

/* `prefix`, or `prefix_` and more. */
static bool has_prefix(const char *name, const char *prefix) {
  size_t length = strlen(prefix);
  return begins_with(name, prefix) && (name[length] == '_' || name[length] == '\0');
}

static bool name_missing(Sources *sources, const Chunk *chunk) {
  return diag_error(sources->diag, chunk_where(sources, chunk, 0),
                    "this definition cannot be read: neither function, typedef, enum, struct, "
                    "`static const` table nor #define");
}

/* Records a name that the chunk defines. */
static bool add_name(Sources *sources, Chunk *chunk, const Token *token) {
  const char *name = token->text, *upper = upper_case(sources->arena, sources->prefix);
  if (!name) return name_missing(sources, chunk);
  if (!has_prefix(name, sources->prefix) && !has_prefix(name, upper))
    return diag_error(sources->diag, chunk_where(sources, chunk, token->line),
                      "'%s' does not begin with %s_ or %s_", name, sources->prefix, upper);
  vec_push(sources->arena, &chunk->names, name);
  return true;
}

/* Adds the macros that the #define lines of a chunk make. */
static bool name_macros(Sources *sources, Chunk *chunk) {
  const Tokens *tokens = &chunk->tokens;
  bool ok = true;
  for (size_t i = 0; i + 2 < tokens->count; i++) {
    if (!is_symbol(&tokens->items[i], '#') || !is_word(&tokens->items[i + 1], "define")) continue;
    bool again = false; /* in the other branch of an #if */
    for (size_t k = 0; k < chunk->names.count; k++)
      again = again || is_word(&tokens->items[i + 2], chunk->names.items[k]);
    ok = (again || add_name(sources, chunk, &tokens->items[i + 2])) && ok;
  }
  return ok && (chunk->names.count || name_missing(sources, chunk));
}

/* The names behind `{` and each `,` of an enum. */
static bool name_constants(Sources *sources, Chunk *chunk) {
  bool expected = false, ok = true;
  for (size_t i = 0; i < chunk->tokens.count && ok; i++) {
    const Token *token = &chunk->tokens.items[i];
    if (expected && token->kind == TOKEN_NAME) ok = add_name(sources, chunk, token);
    expected = is_symbol(token, '{') || is_symbol(token, ',');
  }
  return ok;
}

/* typedef, struct and enum definitions: the tag, the constants and the typedef's name. */
static bool name_type(Sources *sources, Chunk *chunk) {
  Tokens *tokens = &chunk->tokens;
  const Token *first = tokens->items, *last = first + tokens->count - 1; /* the `;` */
  bool is_typedef = is_word(first, "typedef"), ok = true;
  const Token *tag = first + is_typedef + 1;
  if (is_typedef && last[-1].kind == TOKEN_NAME) ok = add_name(sources, chunk, last - 1);
  if (is_typedef && last[-1].kind != TOKEN_NAME) { /* function pointer, or array */
    size_t at = find_symbol(tokens, "([");
    at += at + 1 < tokens->count && is_symbol(&tokens->items[at + 1], '*') ? 2 : (size_t)-1;
    if (at >= tokens->count || tokens->items[at].kind != TOKEN_NAME)
      return name_missing(sources, chunk);
    ok = add_name(sources, chunk, &tokens->items[at]);
  }
  bool has_body = find_symbol(tokens, "{") < tokens->count;
  bool is_tag = has_body && tag < last && tag->kind == TOKEN_NAME;
  if (is_tag && !(chunk->names.count && is_word(tag, chunk->names.items[0])))
    ok = add_name(sources, chunk, tag) && ok;
  if (has_body && (is_word(first, "enum") || is_word(first + 1, "enum")))
    ok = name_constants(sources, chunk) && ok;
  return ok;
}

/* Functions for a GPU: the macros stand for `static __device__ …`. */
static bool is_device(const Tokens *tokens) {
  static const char *const first[] = {"CTC_DEVICE", "CTC_BOTH", "template"};
  for (size_t i = 0; i < sizeof first / sizeof *first; i++)
    if (is_word(&tokens->items[0], first[i])) return true;
  return false;
}

/* A function, or a `static const` table. */
static bool name_object(Sources *sources, Chunk *chunk) {
  const Tokens *tokens = &chunk->tokens;
  size_t at = find_symbol(tokens, "(=[;{");
  if (at == 0 || at == tokens->count || tokens->items[at - 1].kind != TOKEN_NAME)
    return name_missing(sources, chunk);
  const char *where = chunk_where(sources, chunk, tokens->items[at - 1].line);
  const char *name = tokens->items[at - 1].text;
  if (!is_word(&tokens->items[0], "static") && !(sources->device && is_device(tokens)))
    return diag_error(sources->diag, where, "'%s' is not static", name);
  if (!add_name(sources, chunk, &tokens->items[at - 1])) return false;
  if (is_symbol(&tokens->items[at], '(')) {
    if (!is_symbol(&tokens->items[tokens->count - 1], '}'))
      return diag_error(sources->diag, where, "'%s' is declared without a body", name);
    chunk->is_function = true;
    chunk->name = at - 1;
    return sources->device || read_prototype(sources, chunk, at - 1);
  }
  if (sources->device) return true;
  if (!is_word(&tokens->items[1], "const"))
    return diag_error(sources->diag, where, "'%s' is a variable; only constants are allowed", name);
  return true;
}

static bool name_includes(Sources *sources, Chunk *chunk) {
  if (sources->outer || !ends_with(chunk->file, "prelude.c")) {
    diag_error(sources->diag, chunk_where(sources, chunk, 0), "#include is for prelude.c only");
    return diag_hint(sources->diag, "what that includes (math.h, stdint.h, string.h …) is there");
  }
  chunk->is_includes = true;
  vec_push(sources->arena, &chunk->names, "prelude");
  return true;
}

static bool find_names(Sources *sources, Chunk *chunk) {
  const Tokens *tokens = &chunk->tokens;
  if (tokens->count < 2) return name_missing(sources, chunk);
  const Token *first = tokens->items;
  if (is_symbol(first, '#') && is_word(first + 1, "include")) return name_includes(sources, chunk);
  if (is_symbol(first, '#')) return name_macros(sources, chunk);
  bool is_type = is_word(first, "typedef") || is_word(first, "enum") || is_word(first, "struct");
  return is_type ? name_type(sources, chunk) : name_object(sources, chunk);
}

/* --- the whole file --- */

static bool add_chunk(Sources *sources, const char *path, Place start, Place end,
                      const TemplateLines *map) {
  Chunk *chunk = ARENA_NEW(sources->arena, Chunk);
  *chunk = (Chunk){.file = path, .lines = map->lines.items + start.line};
  chunk->line = chunk->lines[0];
  chunk->text = arena_strndup(sources->arena, start.at, (size_t)(end.at - start.at));
  chunk->tokens = tokenize(sources->arena, chunk->text);
  vec_push(sources->arena, &sources->chunks, chunk);
  return find_names(sources, chunk);
}

bool sources_add(Sources *sources, const char *path, const char *text) {
  Str expanded = str_in(sources->arena);
  TemplateLines map = {0};
  if (!expand_file(sources, path, text, &expanded, &map)) return false;
  bool ok = true;
  Place place = {.at = str_text(&expanded)};
  while (*place.at) {
    Place start = place;
    if (at_blank_line(place.at)) {
      skip_to_line_end(&place);
    } else if (*place.at != '/' || skip_comments(&place)) {
      skip_definition(&place);
      ok = add_chunk(sources, path, start, place, &map) && ok;
    }
  }
  return ok;
}

bool sources_read(Sources *sources, const char *path) {
  FileView view;
  if (!file_map(path, &view, sources->diag)) return false;
  const char *text = (const char *)view.data;
  return sources_add(sources, path,
                     view.size ? arena_strndup(sources->arena, text, view.size) : "");
}
