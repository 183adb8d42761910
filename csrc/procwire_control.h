/*
 * The control plane's incoming messages: which one a line is.
 *
 * A line is JSON-RPC, but all that matters of it is the member "method" of the object that it is.
 * So it is checked and not built: no memory is taken, and depth is bounded.
 */
#ifndef PROCWIRE_CONTROL_H
#define PROCWIRE_CONTROL_H

#include <stddef.h>

/* A longer line means nothing; the parent's messages have less than 100 bytes. */
#define PROCWIRE_CONTROL_MAX_LINE_SIZE 65536
/* Arrays and objects inside one another, the message itself included. */
#define PROCWIRE_CONTROL_MAX_DEPTH 64

typedef enum {
    /* Another method, or no message at all: nothing to do. */
    PROCWIRE_CONTROL_OTHER = 0,
    PROCWIRE_CONTROL_PING,
    PROCWIRE_CONTROL_SHUTDOWN
} procwire_control_message;

/* Which message a line is, given without its newline.  JSON as RFC 8259 has it, except that the
 * bytes of strings need not be UTF-8.  Of several members of one name the last one counts. */
procwire_control_message procwire_control_parse(const char *line, size_t size);

#endif /* PROCWIRE_CONTROL_H */
