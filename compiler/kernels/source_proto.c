/* source_proto.c: prototypes of functions, by the rules of runtime/README.md.
 *
 * `static void` and `static int` functions are kernels: each parameter must be of a kind that ctc
 * can pass. Functions from numbers to a number are scalar functions. The others (`static inline
 * void`, those that return a struct …) only help. */
#include "kernels/source.h"

#include <string.h>

static bool is_symbol(const Token *token, char symbol) {
  return token->kind == TOKEN_OTHER && token->symbol == symbol;
}

static bool is_word(const Token *token, const char *word) {
  return token->kind == TOKEN_NAME && strcmp(token->text, word) == 0;
}

/* --- dtypes of C types --- */

/* Whether C computes with the dtype's elements as they are: uint16_t is that of u16, and only
 * storage of f16. */
static bool is_native(DType dtype) {
  const DTypeInfo *info = dtype_info(dtype);
  return dtype_is_integer(dtype) || dtype == DT_STRING ||
         (info->kind == KIND_FLOAT && strncmp(info->c_type, "uint", 4) != 0);
}

static bool has_c_type(DType dtype, const char *type) {
  const DTypeInfo *info = dtype_info(dtype);
  bool known = info->kind != KIND_OTHER || dtype == DT_STRING || dtype_is_narrow(dtype);
  return known && strcmp(info->c_type, type) == 0;
}

static DType native_dtype(const char *type) {
  if (strcmp(type, "ctc_dim") == 0) return DT_I64;
  if (strcmp(type, "ctc_bool") == 0) return DT_BOOL;
  for (int i = 1; i < DT_COUNT; i++)
    if (is_native((DType)i) && has_c_type((DType)i, type)) return (DType)i;
  return DT_NONE;
}

/* The dtype of a C type in the function `name`. Where dtypes share the C type, one that the name
 * mentions is meant: the first one for what goes in, the last one for what comes out
 * (ctc_cast_u16_f16). */
static DType named_dtype(const char *name, const char *type, bool out) {
  DType found = DT_NONE;
  for (const char *word = name; word; word = strchr(word, '_')) {
    word += *word == '_';
    size_t length = strcspn(word, "_");
    for (int i = 1; i < DT_COUNT; i++) {
      const char *short_name = dtype_info((DType)i)->short_name;
      if (strlen(short_name) == length && strncmp(word, short_name, length) == 0 &&
          has_c_type((DType)i, type) && (out || found == DT_NONE))
        found = (DType)i;
    }
  }
  return found != DT_NONE ? found : native_dtype(type);
}

/* --- reading --- */

/* Adds a word to the type's name. */
static void add_type_word(Arena *arena, Param *param, const char *word) {
  param->type = param->type ? arena_printf(arena, "%s %s", param->type, word) : word;
}

/* Reads `[const] TYPE [*] [CTC_RESTRICT] NAME [\[n\]]` from tokens [begin, end). */
static Param read_param(Arena *arena, const Tokens *tokens, size_t begin, size_t end) {
  Param param = {0};
  bool to_pointer = false;
  for (size_t i = begin; i < end; i++) {
    const Token *token = &tokens->items[i];
    if (is_symbol(token, '[')) {
      param.is_pointer = true;
      break;
    }
    to_pointer = to_pointer || (is_symbol(token, '*') && param.is_pointer);
    if (is_symbol(token, '*')) param.is_pointer = true;
    if (is_word(token, "const") && !param.is_pointer) param.is_const = true;
    if (token->kind != TOKEN_NAME || is_word(token, "const") || is_word(token, "CTC_RESTRICT"))
      continue;
    if (param.name) add_type_word(arena, &param, param.name);
    param.name = token->text;
  }
  if (to_pointer) add_type_word(arena, &param, "*");
  return param;
}

/* The position behind the parameter that begins at `at`: that of its `,` or of the closing
 * parenthesis. */
static size_t param_end(const Tokens *tokens, size_t at) {
  for (int depth = 0; at < tokens->count; at++) {
    const Token *token = &tokens->items[at];
    if (depth == 0 && (is_symbol(token, ',') || is_symbol(token, ')'))) return at;
    depth += is_symbol(token, '(') || is_symbol(token, '[');
    depth -= is_symbol(token, ')') || is_symbol(token, ']');
  }
  return at;
}

static void read_params(Sources *sources, Function *function, size_t open) {
  const Tokens *tokens = &function->chunk->tokens;
  for (size_t at = open + 1, end; at < tokens->count; at = end + 1) {
    end = param_end(tokens, at);
    Param param = read_param(sources->arena, tokens, at, end);
    bool none = param.name && !param.type && strcmp(param.name, "void") == 0;
    if (!none) vec_push(sources->arena, &function->params, param);
    if (end < tokens->count && is_symbol(&tokens->items[end], ')')) break;
  }
}

/* The words of the return type; *is_inline says whether `inline` is among those before it. */
static const char *read_result(Arena *arena, const Tokens *tokens, size_t name, bool *is_inline) {
  Str type = str_in(arena);
  for (size_t i = 1; i < name; i++) {
    const Token *token = &tokens->items[i];
    if (is_word(token, "inline"))
      *is_inline = true;
    else if (is_word(token, "CTC_KERNEL") || is_word(token, "CTC_INLINE"))
      continue;
    else if (token->kind == TOKEN_NAME)
      str_addf(&type, "%s%s", type.length ? " " : "", token->text);
    else
      str_add_n(&type, &token->symbol, 1);
  }
  return str_text(&type);
}

/* --- kinds --- */

static ParamKind pointer_kind(const Param *param) {
  if (!param->is_const) return PARAM_OUT;
  return strcmp(param->type, "ctc_dim") == 0 ? PARAM_DIMS : PARAM_IN;
}

/* Parameters that the caller of a kernel fills in: by name or by type. */
static const struct {
  const char *name, *type;
  ParamKind kind;
} implicit_params[] = {
    {NULL, "ctc_epilogue", PARAM_EPILOGUE},  {NULL, "ctc_epilogue_row", PARAM_EPILOGUE_ROW},
    {"operands", "float *", PARAM_OPERANDS}, {"part", "ctc_dim", PARAM_PART},
    {"first", "ctc_dim", PARAM_FIRST},       {"last", "ctc_dim", PARAM_LAST},
};

static bool classify_implicit(Param *param) {
  for (size_t i = 0; i < sizeof implicit_params / sizeof *implicit_params; i++) {
    const char *name = implicit_params[i].name;
    if (strcmp(param->type, implicit_params[i].type) != 0) continue;
    if (name && strcmp(param->name, name) != 0) continue;
    param->kind = implicit_params[i].kind;
    return true;
  }
  return false;
}

/* Decides the kind of a kernel's parameter. */
static bool classify_param(Sources *sources, const Function *function, Param *param, int line) {
  const char *where = chunk_where(sources, function->chunk, line);
  if (!param->name || !param->type)
    return diag_error(sources->diag, where, "a parameter of kernel '%s' cannot be read",
                      function->name);
  const char *type = param->type;
  if (classify_implicit(param)) return true;
  if (param->is_pointer) {
    param->kind = pointer_kind(param);
    param->dtype = named_dtype(function->name, type, param->kind == PARAM_OUT);
    if (param->dtype != DT_NONE || strcmp(type, "void") == 0) return true;
  } else if (strcmp(type, "float") == 0 || strcmp(type, "double") == 0) {
    param->kind = PARAM_REAL;
    param->dtype = native_dtype(type);
    return true;
  } else if (native_dtype(type) == DT_I64) {
    param->kind = PARAM_DIM;
    param->dtype = DT_I64;
    return true;
  }
  diag_error(sources->diag, where, "parameter '%s' of kernel '%s' has type '%s%s%s'", param->name,
             function->name, param->is_const ? "const " : "", type, param->is_pointer ? " *" : "");
  diag_hint(sources->diag, "kernels take tensors (const T *, T *), ctc_dim, const ctc_dim *, float "
                           "and double; make it `static inline void` if it only helps");
  return false;
}

static bool classify_kernel(Sources *sources, Function *function, int line) {
  bool ok = true;
  for (size_t i = 0; i < function->params.count; i++)
    ok = classify_param(sources, function, &function->params.items[i], line) && ok;
  return ok;
}

/* Whether the function takes numbers only and returns one; sets their dtypes. */
static bool classify_scalar(Function *function) {
  function->returns = RETURNS_NUMBER;
  function->result = named_dtype(function->name, function->result_type, true);
  for (size_t i = 0; i < function->params.count; i++) {
    Param *param = &function->params.items[i];
    if (!param->name || !param->type || param->is_pointer) return false;
    param->kind = PARAM_SCALAR;
    param->dtype = named_dtype(function->name, param->type, false);
    if (param->dtype == DT_NONE) return false;
  }
  return function->params.count > 0 && function->result != DT_NONE;
}

bool read_prototype(Sources *sources, Chunk *chunk, size_t name) {
  Function *function = ARENA_NEW(sources->arena, Function);
  bool is_inline = false;
  function->chunk = chunk;
  function->name = chunk->tokens.items[name].text;
  function->result_type = read_result(sources->arena, &chunk->tokens, name, &is_inline);
  read_params(sources, function, name + 1);
  bool is_status = strcmp(function->result_type, "int") == 0;
  bool is_kernel = !is_inline && (is_status || strcmp(function->result_type, "void") == 0);
  function->returns = is_status ? RETURNS_STATUS : RETURNS_VOID;
  if (is_kernel && !classify_kernel(sources, function, chunk->tokens.items[name].line))
    return false;
  if (is_kernel || classify_scalar(function))
    vec_push(sources->arena, &sources->functions, function);
  return true;
}

Function *read_parameters(Sources *sources, Chunk *chunk) {
  Function *function = ARENA_NEW(sources->arena, Function);
  function->chunk = chunk;
  function->name = chunk->names.items[0];
  read_params(sources, function, chunk->name + 1);
  return function;
}

const Chunk *vector_form(Sources *sources, const Function *function) {
  static const char *const suffixes[][2] = {{"_f32", "_v"}, {"_bool", "_vb"}};
  size_t length = strlen(function->name);
  for (int i = 0; i < 2; i++) {
    size_t suffix = strlen(suffixes[i][0]);
    if (length <= suffix || strcmp(function->name + length - suffix, suffixes[i][0]) != 0) continue;
    const char *name = arena_printf(sources->arena, "%.*s%s", (int)(length - suffix),
                                    function->name, suffixes[i][1]);
    return map_get(&sources->definitions, name);
  }
  return NULL;
}
