/*
 * Between the watcher, which decides, and the operating system's part of it, which waits: the one
 * is procwire_watcher.c, the other procwire_watch_posix.c or procwire_watch_windows.c.
 */
#ifndef PROCWIRE_WATCH_H
#define PROCWIRE_WATCH_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#define PROCWIRE_NEVER INT64_MAX
#define PROCWIRE_SECOND INT64_C(1000000000)
#define PROCWIRE_MILLISECOND INT64_C(1000000)

/* Bytes that are read at once. */
#define PROCWIRE_WATCH_CHUNK_SIZE 16384

/* How long standard error is waited for, which may be a pipe that nobody reads: as long as a busy
 * machine may need, and with the rest of the end less than the 5 seconds of the parent. */
#define PROCWIRE_STDERR_PATIENCE_SECONDS 0.4
#define PROCWIRE_STDERR_PATIENCE ((int64_t)(PROCWIRE_STDERR_PATIENCE_SECONDS * PROCWIRE_SECOND))

/* ---- what the watcher does, called by the threads of the system's part ----------------------- */

/* Do what is due; returns when something else will be. */
int64_t procwire_watch_act(void);

/* What was to be looked at then is looked at now. */
void procwire_watch_woken(int64_t look_again);

/* Bytes of the parent's have come, or their end.  One thread reads. */
void procwire_watch_input(const char *data, size_t size);
void procwire_watch_input_ended(void);

/* What is to be written next, and NULL for nothing; valid until some of it has been written.  Once
 * nobody reads it, there is never anything again.  One thread writes. */
const char *procwire_watch_output(size_t *size);
void procwire_watch_written(size_t size);
void procwire_watch_output_ended(void);

/* In the child after a fork, which is not watched. */
void procwire_watch_forked(void);

/* ---- what the system's part does, called by the watcher --------------------------------------- */

/* Begin to read, to write and to wait.  Returns 0 or what errno is. */
int procwire_watch_start(intptr_t input, intptr_t output);

/* Have it look again: procwire_watch_act() and procwire_watch_output() have news.  A signal handler
 * may call it. */
void procwire_watch_notify(void);

/* Write a byte to a socket, or close it; never waits. */
void procwire_watch_ring(intptr_t socket);
void procwire_watch_hang_up(intptr_t socket);

/* Call a function in a thread of its own.  Returns 0 or what errno is. */
int procwire_watch_aside(void (*function)(void));

/* Write a text for people; returns whether that was possible in the time there is. */
int procwire_watch_tell(const char *text, size_t size);

/* Which signal's handler dumps all stacks, and what does so where there is no such signal; have them
 * dumped. */
void procwire_watch_set_dump(int number, void (*dump)(void));
void procwire_watch_dump_stacks(void);

/* Have a signal set a flag, before its handler is called, and have the watcher look again. */
void procwire_watch_signal(int number, volatile sig_atomic_t *flag);

/* Let others have so many nanoseconds. */
void procwire_watch_pause(int64_t time);

/* End this process with status 0, whatever its threads are at. */
void procwire_watch_end_process(void);

#endif /* PROCWIRE_WATCH_H */
