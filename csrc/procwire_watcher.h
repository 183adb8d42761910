/*
 * The watcher: one thread of the process that owns the control plane's descriptors and never
 * needs Python's lock.
 *
 * It reads the parent's messages and writes the worker's, wakes the event loop when there is news
 * for it, sees when the loop stands still, and ends the process when its time is over.  A handler
 * that keeps the lock for minutes keeps none of this from happening.
 *
 * There is one per process, for the standard descriptors are.  The functions may be called by any
 * thread; none of them waits.  In a child after a fork there is no watcher, they do nothing, and
 * the descriptors are closed.
 */
#ifndef PROCWIRE_WATCHER_H
#define PROCWIRE_WATCHER_H

#include <stddef.h>
#include <stdint.h>

/* What the loop has to know, as bits. */
#define PROCWIRE_NEWS_SHUTDOWN 1 /* the parent has asked for the end */
#define PROCWIRE_NEWS_ENDED 2    /* the parent is gone; from then on always set */

/* Begin to watch, if that has not happened: descriptors, or on Windows handles.  Returns 0 or what
 * errno is. */
int procwire_watcher_start(intptr_t input, intptr_t output);

/* Where a byte is written when the loop should turn: a socket that the watcher closes, or -1 when
 * there is no loop (any more). */
void procwire_watcher_set_listener(intptr_t socket);

/* The loop turns: what it has not been told before. */
unsigned procwire_watcher_turn(void);

/* Whether pings are answered by the watcher, whatever the loop does. */
void procwire_watcher_set_liveness(int of_process);

/* Send a line, newline included.  Returns 0 or what errno is. */
int procwire_watcher_send(const char *line, size_t size);

/* Report on standard error when the loop has stood still for so long, in nanoseconds; 0 is never.
 * Raised in a thread of the watcher's, the signal has all stacks dumped by its handler, which must
 * have been set before.  Where there are no such signals, `dump` is called in that thread. */
void procwire_watcher_report_stalls(int64_t after, int dump_signal, void (*dump)(void));

/* The process is this worker's: it ends so long after the parent has asked for it, has gone, or
 * procwire_watcher_begin_exit() has been called, in nanoseconds. */
void procwire_watcher_own_process(int64_t exit_after);
void procwire_watcher_begin_exit(void);

/* Have a signal begin the exit as well, before the handler that is set for it now is called. */
void procwire_watcher_exit_on_signal(int number);

#endif /* PROCWIRE_WATCHER_H */
