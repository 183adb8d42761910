/* The worker as a process: start, what it uses, end. */
#ifndef LOADGEN_WORKER_H
#define LOADGEN_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "control.h"

typedef struct {
    pid_t pid;
    int stdin_fd;
    int stdout_fd;
    clockid_t cpu_clock;
    double spawn_to_init_ms;
    control_init init;
} worker;

typedef struct {
    uint64_t cpu_ns; /* all threads, to the nanosecond */
    double user_s;   /* the split of the same time, in clock ticks */
    double system_s;
} worker_cpu;

typedef struct {
    int exit_code; /* 128 + signal when it was killed */
    double shutdown_ms;
    double total_user_s;
    double total_system_s;
} worker_end;

uint64_t now_ns(void);

/* Spawns the command and waits for its $init. */
void worker_start(worker *w, char **command, const char *method, double timeout_s);

/* A connected, non-blocking data socket. */
int worker_connect(const worker *w);

worker_cpu worker_cpu_now(const worker *w);

/* Whether the worker's main thread waits in the kernel; a thread that yields does not. */
bool worker_sleeps(const worker *w);

/* A value of /proc/PID/status, such as "VmRSS:" in kB; -1 when it is not there. */
long worker_status(const worker *w, const char *name);

/* Makes VmHWM start again at the present size. Not every kernel allows it: the
 * peak then counts from the start of the process, which is never smaller. */
int worker_reset_peak(const worker *w);

/* Closes the session the way the real parent does: $shutdown, and at once the
 * data socket goes; 5 s later the kill. */
worker_end worker_stop(worker *w, int data_fd);

#endif
