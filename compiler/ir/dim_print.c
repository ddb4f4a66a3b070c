/* dim_print.c: symbolic integers as text: for people, and as C expressions. Both styles share one
 * walk; where they differ is in the table below and in the parentheses. */
#include "ir/dim_internal.h"

#include <inttypes.h>

typedef struct {
  bool c; /* C, or for people */
  /* By AtomKind, for operations written as a call; NULL for those written with an operator. */
  const char *calls[ATOM_SELECT + 1];
  const char *operators[ATOM_SELECT + 1];
} Style;

static const Style for_people = {
    .calls = {[ATOM_MIN] = "min", [ATOM_MAX] = "max"},
    .operators =
        {[ATOM_FLOORDIV] = " // ", [ATOM_MOD] = " % ", [ATOM_EQUAL] = " == ", [ATOM_LESS] = " < "},
};

static const Style for_c = {
    .c = true,
    .calls = {[ATOM_FLOORDIV] = "ctc_floordiv",
              [ATOM_MOD] = "ctc_mod",
              [ATOM_MIN] = "ctc_min_dim",
              [ATOM_MAX] = "ctc_max_dim"},
    .operators = {[ATOM_EQUAL] = " == ", [ATOM_LESS] = " < "},
};

/* How tightly the printed form holds together: a sum inside a product needs parentheses, a name
 * never. */
typedef enum { LEVEL_SUM, LEVEL_PRODUCT, LEVEL_UNIT } Level;

static void print_at(Str *out, Dim dim, const Style *style, Level wanted);

static void print_number(Str *out, int64_t value, const Style *style) {
  if (!style->c || (value >= INT32_MIN + 1 && value <= INT32_MAX))
    str_addf(out, "%" PRId64, value);
  else if (value == INT64_MIN)
    str_add(out, "(-INT64_C(9223372036854775807) - 1)");
  else
    str_addf(out, "%sINT64_C(%" PRId64 ")", value < 0 ? "-" : "", value < 0 ? -value : value);
}

/* Two args are enough for each call of C, so more of them nest: min(a, min(b, c)). */
static void print_call(Str *out, const Atom *atom, int first, const Style *style) {
  str_addf(out, "%s(", style->calls[atom->kind]);
  int last = style->c ? first + 1 : atom->arg_count - 1;
  for (int i = first; i <= last; i++) {
    if (i > first) str_add(out, ", ");
    if (style->c && i == last && last < atom->arg_count - 1)
      print_call(out, atom, i, style);
    else
      print_at(out, atom->args[i], style, LEVEL_SUM);
  }
  str_add(out, ")");
}

static void print_select(Str *out, const Atom *atom, const Style *style) {
  const Atom *condition = dim_atom(atom->args[0]);
  bool is_comparison = condition && (condition->kind == ATOM_EQUAL || condition->kind == ATOM_LESS);
  str_add(out, "(");
  print_at(out, atom->args[0], style, LEVEL_UNIT);
  str_add(out, is_comparison ? " ? " : " != 0 ? ");
  print_at(out, atom->args[1], style, LEVEL_UNIT);
  str_add(out, " : ");
  print_at(out, atom->args[2], style, LEVEL_UNIT);
  str_add(out, ")");
}

static void print_operator(Str *out, const Atom *atom, const Style *style) {
  str_add(out, "(");
  for (int i = 0; i < 2; i++) {
    if (i) str_add(out, style->operators[atom->kind]);
    if (style->c) str_add(out, "(");
    print_at(out, atom->args[i], style, style->c ? LEVEL_SUM : LEVEL_UNIT);
    if (style->c) str_add(out, ")");
  }
  str_add(out, ")");
}

/* `alone`: not a part of a sum or a product. In those, C must compute with 64 bits, also where all
 * parts are 0 or 1 or small constants, which have type int. */
static void print_atom(Str *out, const Atom *atom, const Style *style, bool alone) {
  bool is_int = atom->kind == ATOM_EQUAL || atom->kind == ATOM_LESS || atom->kind == ATOM_SELECT;
  if (style->c && is_int && !alone) str_add(out, "(int64_t)");
  if (atom->kind == ATOM_SYMBOL)
    str_add(out, style->c ? atom->symbol->c_name : atom->symbol->name);
  else if (style->calls[atom->kind])
    print_call(out, atom, 0, style);
  else if (atom->kind == ATOM_SELECT)
    print_select(out, atom, style);
  else
    print_operator(out, atom, style);
}

/* A term without its sign. */
static void print_term(Str *out, Term term, const Style *style, bool alone) {
  int64_t size =
      term.coefficient < 0 && term.coefficient != INT64_MIN ? -term.coefficient : term.coefficient;
  bool show_number = size != 1 || term.degree == 0;
  if (show_number) print_number(out, size, style);
  alone = alone && !show_number && term.degree == 1;
  for (int i = 0; i < term.degree; i++) {
    if (i || show_number) str_add(out, style->c ? " * " : "*");
    print_atom(out, term.factors[i], style, alone);
  }
}

/* The level of the text that `dim` gives without parentheses around it. */
static Level natural_level(Dim dim) {
  if (dim->overflow || dim->term_count == 0) return LEVEL_UNIT;
  if (dim->term_count > 1) return LEVEL_SUM;
  Term term = dim->terms[0];
  if (term.coefficient < 0) return term.degree ? LEVEL_SUM : LEVEL_PRODUCT;
  return term.degree == 0 || (term.degree == 1 && term.coefficient == 1) ? LEVEL_UNIT
                                                                         : LEVEL_PRODUCT;
}

static void print_at(Str *out, Dim dim, const Style *style, Level wanted) {
  if (dim->overflow) {
    str_add(out, style->c ? "ctc_overflow" : "overflow");
    return;
  }
  bool parentheses = natural_level(dim) < wanted;
  if (parentheses) str_add(out, "(");
  if (dim->term_count == 0) str_add(out, "0");
  for (int i = 0; i < dim->term_count; i++) {
    bool minus = dim->terms[i].coefficient < 0 && dim->terms[i].coefficient != INT64_MIN;
    if (i)
      str_add(out, minus ? " - " : " + ");
    else if (minus)
      str_add(out, "-");
    print_term(out, dim->terms[i], style, dim->term_count == 1 && !minus);
  }
  if (parentheses) str_add(out, ")");
}

void dim_print(Str *out, Dim dim) {
  print_at(out, dim, &for_people, LEVEL_SUM);
}

void dim_print_c(Str *out, Dim dim) {
  print_at(out, dim, &for_c, dim_is_const(dim) ? LEVEL_SUM : LEVEL_UNIT);
}

void dims_print(Str *out, const Dim *dims, int rank) {
  str_add(out, "[");
  for (int i = 0; i < rank; i++) {
    if (i) str_add(out, ", ");
    dim_print(out, dims[i]);
  }
  str_add(out, "]");
}
