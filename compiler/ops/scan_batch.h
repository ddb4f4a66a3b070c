/* scan_batch.h: Scan as it was in opset 8. */
#ifndef CTC_OPS_SCAN_BATCH_H
#define CTC_OPS_SCAN_BATCH_H

#include "ops/op.h"

/* The nodes that stand for a Scan of opset 8; NULL for newer ones and for those that cannot be
 * told so. */
Graph *scan_over_batch(Compilation *c, const Node *node);

#endif
