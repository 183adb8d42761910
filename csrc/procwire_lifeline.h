/*
 * A process that ends with the one that has started it, whatever it is at.
 */
#ifndef PROCWIRE_LIFELINE_H
#define PROCWIRE_LIFELINE_H

#include <stdint.h>

/* End this process with the one that has started it: as soon as a descriptor is readable or closed
 * at its other end, which the starting process keeps open as long as it lives; on Windows, as soon
 * as a handle is signalled, which is the starting process.  A thread waits for that without
 * Python's lock.  Returns 0 or what errno is. */
int procwire_lifeline_hold(intptr_t sentinel);

#endif /* PROCWIRE_LIFELINE_H */
