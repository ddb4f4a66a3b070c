/* embedded.h: files that are part of ctc: texts as they were when it was built (tools/embed.c). */
#ifndef CTC_BASE_EMBEDDED_H
#define CTC_BASE_EMBEDDED_H

typedef struct {
  const char *name; /* "model.c" */
  const char *text;
} EmbeddedText;

/* Sorted by name; the row behind the last one has no name. */
extern const EmbeddedText embedded_templates[]; /* of templates/ */
extern const int embedded_templates_count;
extern const EmbeddedText embedded_schemas[]; /* of schema/, what ctc reads itself */
extern const int embedded_schemas_count;
extern const EmbeddedText embedded_layers[]; /* layers/: "cdist/layer.json", "cdist/kernel.c" */
extern const int embedded_layers_count;

#endif
