/* folder.h: files that a model names. Only those inside the model's folder are read: a model from
 * somewhere else must not be able to name any file of the system. */
#ifndef CTC_FRONTENDS_COMMON_FOLDER_H
#define CTC_FRONTENDS_COMMON_FOLDER_H

#include "base/arena.h"
#include "base/diag.h"

/* The path of the file at `location` below the folder of `model`; NULL after an error at `where`,
 * which begins with `phrase`: "the weights are in". Links are followed. */
const char *folder_file(Arena *arena, Diag *diag, const char *where, const char *phrase,
                        const char *model, const char *location);

#endif
