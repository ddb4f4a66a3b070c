/* version.h: the version of ctc, printed by --version and into every emitted file. */
#ifndef CTC_VERSION_H
#define CTC_VERSION_H

#define CTC_VERSION "0.1.0"

#endif
