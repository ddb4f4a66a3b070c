/* reference.h: inputs and expected outputs of a model from an archive, for `ctc verify`. */
#ifndef CTC_CLI_REFERENCE_H
#define CTC_CLI_REFERENCE_H

#include "cli/cli.h"

/* Takes the inputs' shapes (keys `in:NAME`) as if they were given with --shape, except for those
 * that were. */
void reference_shapes(Cli *cli, const TensorList *reference);
/* What the reference expects of an output (key `out:NAME`); NULL if it does not say. Tables of
 * scores (lists of dicts, as ZipMap makes them) become matrices of the output's type. Prints why,
 * if an entry cannot be used. */
const Tensor *reference_output(Cli *cli, const TensorList *reference, const Port *port);

#endif
