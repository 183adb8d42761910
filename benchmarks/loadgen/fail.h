/* One way out for everything that makes a measurement worthless. */
#ifndef LOADGEN_FAIL_H
#define LOADGEN_FAIL_H

#include <stdnoreturn.h>
#include <sys/types.h>

/* The worker must not outlive a failed run: it would disturb the next one. */
void fail_kills(pid_t worker);

noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
