/*
 * A process that ends with the one that has started it, whatever it is at.
 */
#ifndef PROCWIRE_LIFELINE_H
#define PROCWIRE_LIFELINE_H

/* End this process as soon as the descriptor is readable or closed at its other end, which the
 * starting process keeps open as long as it lives.  A thread waits for that without Python's lock.
 * Returns 0 or what errno is. */
int procwire_lifeline_hold(int descriptor);

#endif /* PROCWIRE_LIFELINE_H */
