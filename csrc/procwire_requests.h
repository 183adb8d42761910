/*
 * Which requests are under way, for a thread that cannot ask Python: written by the event loop's
 * thread, read by the watcher when that thread is stuck.
 */
#ifndef PROCWIRE_REQUESTS_H
#define PROCWIRE_REQUESTS_H

#include "procwire_word.h"

#include <stddef.h>
#include <stdint.h>

/* Method id and request id in one word, which is stored at once; 0 is no request. */
typedef uint64_t procwire_request_key;

static inline procwire_request_key procwire_request_key_of(int method_id, uint32_t request_id) {
    return (uint64_t)method_id << 32 | request_id;
}

/* A request whose handler has not ended: a member of whatever object stands for it. */
typedef struct procwire_request {
    struct procwire_request *previous;
    struct procwire_request *next;
    procwire_request_key key;
} procwire_request;

/* What the loop's thread is at. */
extern procwire_request_key procwire_running;

static inline void procwire_set_running(procwire_request_key key) {
    procwire_store(&procwire_running, key);
}

/* Add a request behind the others; remove one, which need not have been added. */
void procwire_requests_add(procwire_request *request);
void procwire_requests_remove(procwire_request *request);

/* What the ids are called from now on: `count` texts, of which the first is for id 1.  They are
 * copied.  Returns 0, or -1 without memory. */
int procwire_requests_set_names(const char *const *names, size_t count);

/* Write what is under way into `out`, as a text for people: what is running, then the requests in
 * flight, oldest first, as many as there is room for.  Needs no more than a lock that is held for
 * moments, and if not even that is to be had, tells what is running. */
void procwire_requests_describe(char *out, size_t size);

/* In the child after a fork, where whoever held the lock is not. */
void procwire_requests_forked(void);

#endif /* PROCWIRE_REQUESTS_H */
