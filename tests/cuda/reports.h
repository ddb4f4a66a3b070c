/* reports.h: says which thread of which kernel was running when something else stops the program.
 */
#pragma once

/* Asks the sanitizers that came with a kernel's shared object to tell. */
void reports_by_sanitizers(void *library);

/* While one lives, signals of bad memory accesses and of traps tell. */
struct SignalReports {
  SignalReports();
  ~SignalReports();
};
