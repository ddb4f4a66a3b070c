/* image.h: what nvrtc.cpp gives out as PTX and module.cpp reads: this and the path of a shared
 * object. */
#pragma once
#include <string>

/* What kernels are compiled with under the settings of this process: a hash of the headers and the
 * command. A cubin that a program has kept from a run without checks must not pass for one with
 * them. */
std::string build_key();

/* PTX is this and the path of a shared object. */
#define PTX_BEGIN "// stand-in for PTX: "
