/* target.h: what the emitted program is for, as a table: which forms of steps suit it. Passes and
 * lowerings ask the table, never for the target's name. */
#ifndef CTC_IR_TARGET_H
#define CTC_IR_TARGET_H

#include "ir/graph.h"

typedef struct TargetInfo {
  const char *name;      /* of --target */
  const char *extension; /* of output files that mean it */
  bool device;           /* steps run on a GPU where they have a form for it (Kernel.device) */
  bool blocked;          /* tensors in blocks of 16 channels */
  bool panels;           /* constant factors of products are packed, by floats and by bytes */
  bool columns;          /* convolutions gather their inputs for a product */
} TargetInfo;

extern const TargetInfo output_targets[];
extern const int output_target_count;

/* That of the compilation; a C compiler on a CPU if none is set. */
const TargetInfo *target_of(const Compilation *c);
/* The target of that name, or NULL. */
const TargetInfo *target_find(const char *name);
/* The one that a file of this name is for: by its extension, else the first one. */
const TargetInfo *target_of_file(const char *path);

#endif
