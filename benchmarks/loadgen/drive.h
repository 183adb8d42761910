/* The data plane as a busy parent uses it: keep K requests under way, check
 * every byte that comes back. */
#ifndef LOADGEN_DRIVE_H
#define LOADGEN_DRIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "payload.h"
#include "worker.h"

typedef enum { MODE_ECHO, MODE_LATENCY, MODE_STREAM, MODE_SLOW_STREAM } drive_mode;

typedef struct {
    drive_mode mode;
    payload_kind payload;
    uint32_t payload_size;
    uint32_t in_flight;
    uint32_t chunks;         /* of one stream */
    double seconds;          /* the measured window; or, when `requests` is set: */
    uint64_t requests;       /* exactly so many requests, from the first to the last answer */
    double warmup_seconds;
    double read_rate;        /* bytes per second that the slow parent takes */
    uint64_t spin_ns;        /* how long to look for answers before sleeping */
    bool lockstep;           /* send only while nothing is under way and the worker sleeps */
    double answer_timeout_s; /* nothing moves for so long: the worker lost something */
    uint32_t first_request_id;
} drive_options;

typedef struct {
    uint64_t requests; /* answered within the window; streams: finished within it */
    uint64_t items;    /* stream chunks within the window */
    uint64_t bytes;    /* their payload bytes, one way */
    double seconds;
    worker_cpu cpu_start, cpu_end;
    uint64_t *latencies; /* ns, sorted */
    uint64_t latency_count;
} drive_result;

/* Any wrong byte ends the program with a message: there is no result then. */
void drive(const drive_options *options, worker *w, int fd, drive_result *result);

#endif
