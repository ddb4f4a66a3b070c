/* start.c: a program around an emitted net.cu: starts the model, says how that went, and ends. */
#include "net.h"

#include <stdio.h>

int main(int count, char **arguments) {
  const ctc_cuda_options options = {0, count > 1 ? arguments[1] : "", NULL};
  net_cuda *model = NULL;
  const int status = net_cuda_init(&model, &options);
  printf("%d: %s: %s\n", status, net_status_text(status), net_cuda_message(model));
  net_cuda_free(model);
  return 0;
}
