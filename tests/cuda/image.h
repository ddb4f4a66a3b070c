/* image.h: what nvrtc.cpp gives out as PTX and module.cpp reads: this and the path of a shared
 * object. */
#pragma once

#define PTX_BEGIN "// stand-in for PTX: "
