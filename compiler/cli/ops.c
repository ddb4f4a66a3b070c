/* ops.c: `ctc ops`: the operators that are supported, from the registry. */
#include "cli/cli.h"

#include "ops/op.h"

int cli_ops_command(Cli *cli) {
  int count;
  const OpDef *const *ops = op_list(&count);
  for (int i = 0; i < count; i++)
    printf("%s%s%s\n", ops[i]->domain ? ops[i]->domain : "", ops[i]->domain ? "." : "", ops[i]->name);
  return cli_finish(cli);
}
