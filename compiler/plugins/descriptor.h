/* descriptor.h: what reads the parts of layer.json (descriptor.c, pattern_read.c). */
#ifndef CTC_PLUGINS_DESCRIPTOR_H
#define CTC_PLUGINS_DESCRIPTOR_H

#include "plugins/plugin.h"

typedef struct Reader {
  PluginSet *set;
  Plugin *plugin;
  Arena *arena;
  const JsonFile *file;
  Map taken;                     /* name → JsonValue where it was given */
  Vec(const JsonValue *) places; /* likewise, one a name of plugin->names */
  size_t first_dim, last_dim;    /* those of plugin->names that are bound by shapes */
} Reader;

/* The expression that a member is; NULL with *ok unchanged if it is not there. */
const Expression *read_expression_member(Reader *r, const JsonValue *object, const char *key,
                                         bool *ok);
/* tensor->shape; where `binds` is set, dimensions that stand alone get their values from it. */
MUST_CHECK bool read_shape(Reader *r, const JsonValue *json, PluginTensor *tensor, bool binds);
/* A value of an attribute of the layer; `what` names it in messages: "the default". */
MUST_CHECK bool read_attr_value(Reader *r, const PluginAttr *attr, const JsonValue *json,
                                const char *what, Attr *made);

#endif
