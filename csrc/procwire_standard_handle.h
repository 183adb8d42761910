/*
 * Windows has three standard handles of its own, beside the C library's descriptors 0 to 2.  They are
 * what a child process inherits, and follow the descriptors in programs with a console only.
 */
#ifndef PROCWIRE_STANDARD_HANDLE_H
#define PROCWIRE_STANDARD_HANDLE_H

#include <stdint.h>

#ifdef _WIN32

#include "procwire_platform.h"

/* Have one of them follow its descriptor, whose handle is given. */
static inline void procwire_set_standard_handle(int descriptor, intptr_t handle) {
    static const DWORD names[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    SetStdHandle(names[descriptor], (HANDLE)handle);
}

#else

static inline void procwire_set_standard_handle(int descriptor, intptr_t handle) {
    (void)descriptor, (void)handle;
}

#endif

#endif /* PROCWIRE_STANDARD_HANDLE_H */
