/*
 * Named pipes of Windows, for one thread that never waits: an event loop's.
 *
 * What cannot be done at once goes on by itself, and when it has ended a byte is written to a
 * socket, the bell, which any event loop can listen to.  So no loop has to know of pipes.
 *
 * Whoever can read from a pipe is told by a read of nothing, which ends when there is something:
 * then the bytes are taken from the system straight into the buffer that is there at that moment.
 *
 * Only built on Windows.  This file knows no Python.
 */
#ifndef PROCWIRE_PIPE_H
#define PROCWIRE_PIPE_H

#include <stddef.h>
#include <stdint.h>

typedef struct procwire_pipe procwire_pipe;

/* Each function returns 0 or an error of Windows. */

/* An instance that the next one who connects gets, which is this user's alone and of this machine.
 * The `first` one fails when there is a pipe of that name. */
unsigned long procwire_pipe_offer(const wchar_t *name, int first, intptr_t bell,
                                  procwire_pipe **pipe);
/* The other end.  ERROR_PIPE_BUSY when nobody waits there for the moment. */
unsigned long procwire_pipe_open(const wchar_t *name, intptr_t bell, procwire_pipe **pipe);

/* Wait for whoever connects, or for something to read: begin with it, and ask what has come of it
 * when the bell has rung.  ERROR_IO_INCOMPLETE: nothing yet. */
unsigned long procwire_pipe_begin_accept(procwire_pipe *pipe);
unsigned long procwire_pipe_begin_wait(procwire_pipe *pipe);
unsigned long procwire_pipe_waited(procwire_pipe *pipe);

/* Take what there is, if it is only nothing. */
unsigned long procwire_pipe_read(procwire_pipe *pipe, void *data, size_t size, size_t *count);

/* Whether the other end is closed, which a read tells only behind what is there to be read. */
int procwire_pipe_hung_up(procwire_pipe *pipe);

/* Write all of it; it must stay where it is until that has ended. */
unsigned long procwire_pipe_begin_write(procwire_pipe *pipe, const void *data, size_t size);
unsigned long procwire_pipe_written(procwire_pipe *pipe);

/* End what goes on and close it; what has been written can still be read at the other end. */
void procwire_pipe_close(procwire_pipe *pipe);

#endif /* PROCWIRE_PIPE_H */
