/* The control plane as a parent needs it: one `$init` (or `$error`) line. */
#ifndef LOADGEN_CONTROL_H
#define LOADGEN_CONTROL_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    char pipe[108]; /* sizeof(sockaddr_un.sun_path) */
    uint16_t method_id;
    char response[8]; /* "result", "stream", "ack", "none" */
} control_init;

typedef enum {
    CONTROL_OTHER, /* not for us: a parent ignores it */
    CONTROL_INIT,
    CONTROL_ERROR,     /* the worker said why it cannot start */
    CONTROL_MALFORMED, /* an $init that a parent could not use */
} control_kind;

/* Reads one line. `problem` receives the text of an $error, or what is wrong
 * with the $init. */
control_kind control_parse(const char *line, size_t length, const char *method,
                           control_init *init, char *problem, size_t problem_size);

#endif
