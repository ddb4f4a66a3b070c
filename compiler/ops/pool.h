/* pool.h: what the pools on row-major values (pool.c) and on blocked ones (pool_blocked.c) share.
 */
#ifndef CTC_OPS_POOL_H
#define CTC_OPS_POOL_H

#include "ops/spatial.h"

/* The window of MaxPool, AveragePool or LpPool. */
MUST_CHECK bool pool_read(Compilation *c, const Node *node, Window *w);

/* For OpDef.blocked and OpDef.lower_blocked. */
BlockedUse blocked_pool_use(Compilation *c, const Node *node);
bool blocked_max_pool_lower(Lower *l, const Node *node);
bool blocked_average_pool_lower(Lower *l, const Node *node);
bool blocked_global_pool_lower(Lower *l, const Node *node);
/* y = the averages or (max) maxima of the planes of the blocked value x. y is blocked, or has no
 * dims behind the channels, of which there are whole blocks then. */
void lower_plane_pool(Lower *l, const Value *x, const Value *y, bool max);

#endif
