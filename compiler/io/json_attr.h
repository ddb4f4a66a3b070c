/* json_attr.h: values of attributes in JSON texts: integers, numbers, texts, and lists of these. */
#ifndef CTC_IO_JSON_ATTR_H
#define CTC_IO_JSON_ATTR_H

#include "io/json.h"
#include "ir/graph.h"

/* Whether it is a value of that kind; of a kind of lists, an element of one. */
bool json_is_element(const JsonValue *value, AttrKind kind);
/* The attribute of a value that has been checked; true counts as 1. Of other kinds it has no value
 * yet. */
Attr json_attr(Arena *arena, const char *name, AttrKind kind, const JsonValue *value);

#endif
