/* cases.h: cases.json of a plugin: inputs of its layer, and the outputs that they must give. */
#ifndef CTC_PLUGINS_CASES_H
#define CTC_PLUGINS_CASES_H

#include "plugins/plugin.h"

typedef struct {
  const char *where; /* "gdn/cases.json:12:5: /cases/1" */
  const char *name;  /* "case 1 'large'": for messages */
  Attr *attrs;
  int attr_count;
  const Tensor **inputs, **outputs; /* one an input or output of the plugin; NULL: left out */
  double rtol, atol;
} PluginCase;

typedef Vec(PluginCase) PluginCases;

/* No cases if there is no such file. Reports everything that is wrong in it. */
MUST_CHECK bool plugin_read_cases(PluginSet *set, const Plugin *plugin, PluginCases *cases);

#endif
