#include "procwire_watcher.h"

#include "procwire_control.h"
#include "procwire_platform.h"
#include "procwire_requests.h"
#include "procwire_socket_file.h"
#include "procwire_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_SIZE 4096

static const char PONG[] = "{\"jsonrpc\":\"2.0\",\"method\":\"$pong\"}\n";

typedef struct {
    char *data;
    size_t size;
} block;

/* What several threads touch, between acquire() and release(), where nobody waits. */
static struct {
    int started;
    int output_ended; /* nobody reads it */
    intptr_t listener;
    int liveness_of_process;
    unsigned news;
    int ping_waits; /* a pong is due when the loop has turned */
    int pong_due;
    block queue; /* what is sent when the watcher has sent what it is at */
    int64_t woken_at; /* when the loop was woken that has not turned since, or 0 */
    int64_t turned_at;
    int64_t stall; /* what is reported, or 0 */
    int stall_reported;
    int reporting; /* the last report's thread still writes */
    int64_t exit_after; /* 0 when the process is not ours */
    int64_t exit_at; /* PROCWIRE_NEVER until the end has begun */
} state = {.listener = -1, .exit_at = PROCWIRE_NEVER};

/* A signal that begins the exit has come. */
static volatile sig_atomic_t exit_signalled;
/* There was a watcher, in another process. */
static int forked;

static procwire_lock lock = PROCWIRE_LOCK_INITIALIZER;

static void acquire(void) {
    procwire_acquire(&lock);
}

static void release(void) {
    procwire_release(&lock);
}

/* ---- what the watcher decides; wake_loop() to watch_loop() are called under the lock --------- */

static void wake_loop(int64_t time) {
    if (state.listener != -1 && state.woken_at == 0) {
        procwire_watch_ring(state.listener);
        state.woken_at = time;
    }
}

static void begin_exit(int64_t time) {
    if (state.exit_after && state.exit_at == PROCWIRE_NEVER)
        state.exit_at = time + state.exit_after;
}

static char last_words[REPORT_SIZE] = "procwire: the worker did not end in time; ";

static void end_unheard(void) {
    /* In steps: on a machine that stands still meanwhile, the watcher has its turns as well. */
    for (int i = 0; i < 40; i++)
        procwire_watch_pause(PROCWIRE_STDERR_PATIENCE / 40);
    procwire_watch_end_process();
}

static void end_process(void) {
    size_t size = strlen(last_words);
    procwire_socket_file_remove();
    procwire_requests_describe(last_words + size, sizeof last_words - size - 1);
    strcat(last_words, "\n");
    /* Standard error may be a pipe that others fill at the same time: another thread sees to it
     * that the end comes.  The watcher, which runs already, is the one that speaks: that a thread
     * runs in time is nothing that a busy machine promises. */
    if (procwire_watch_aside(end_unheard) == 0)
        procwire_watch_tell(last_words, strlen(last_words));
    procwire_watch_end_process();
}

static void report(void) {
    char line[REPORT_SIZE];
    acquire();
    double seconds = (double)(procwire_now() - state.woken_at) / PROCWIRE_SECOND;
    int stands_still = state.woken_at != 0;
    release();
    if (stands_still) {
        int size = snprintf(line, sizeof line,
                            "procwire: the event loop has stood still for %.1f s; ", seconds);
        procwire_requests_describe(line + size, sizeof line - (size_t)size - 1);
        strcat(line, "\n");
        if (procwire_watch_tell(line, strlen(line)))
            procwire_watch_dump_stacks();
    }
    acquire();
    state.reporting = 0;
    release();
}

/* See to it that the loop turns now and then, and tell when it does not.  Returns when to look
 * again. */
static int64_t watch_loop(int64_t time) {
    if (state.stall == 0 || state.listener == -1)
        return PROCWIRE_NEVER;
    if (state.woken_at == 0) {
        int64_t probe_at = state.turned_at + state.stall / 4;
        if (time < probe_at)
            return probe_at;
        wake_loop(time);
    }
    if (state.stall_reported)
        return PROCWIRE_NEVER;
    if (time - state.woken_at < state.stall) {
        /* In small steps, so that procwire_watch_woken() notices when nothing was running. */
        int64_t report_at = state.woken_at + state.stall;
        int64_t step = time + state.stall / 4;
        return step < report_at ? step : report_at;
    }
    state.stall_reported = 1;
    /* In a thread of its own: standard error may be a pipe that nobody reads. */
    if (!state.reporting && procwire_watch_aside(report) == 0)
        state.reporting = 1;
    return PROCWIRE_NEVER;
}

int64_t procwire_watch_act(void) {
    acquire();
    int64_t time = procwire_now();
    if (exit_signalled)
        begin_exit(time);
    if (time >= state.exit_at)
        end_process();
    int64_t look_again = watch_loop(time);
    if (state.exit_at < look_again)
        look_again = state.exit_at;
    release();
    return look_again;
}

void procwire_watch_woken(int64_t look_again) {
    if (look_again == PROCWIRE_NEVER)
        return;
    /* The process has been stopped, or starved: what the watcher could not do, the loop need not
     * have done. */
    acquire();
    int64_t late = procwire_now() - look_again;
    if (state.woken_at && late > state.stall / 4)
        state.woken_at = procwire_now();
    release();
}

static void take_message(procwire_control_message message) {
    acquire();
    if (message == PROCWIRE_CONTROL_PING) {
        if (state.liveness_of_process) {
            state.pong_due = 1;
        } else {
            state.ping_waits = 1;
            wake_loop(procwire_now());
        }
    } else if (message == PROCWIRE_CONTROL_SHUTDOWN) {
        state.news |= PROCWIRE_NEWS_SHUTDOWN;
        begin_exit(procwire_now());
        wake_loop(procwire_now());
    }
    release();
}

/* ---- the thread that reads ------------------------------------------------------------------ */

/* The line that is being read. */
static char line[PROCWIRE_CONTROL_MAX_LINE_SIZE];
static size_t line_size;
static int line_overlong;

void procwire_watch_input(const char *data, size_t size) {
    while (size > 0) {
        const char *newline = memchr(data, '\n', size);
        size_t part = newline ? (size_t)(newline - data) : size;
        if (part > sizeof line - line_size)
            line_overlong = 1;
        if (!line_overlong) {
            memcpy(line + line_size, data, part);
            line_size += part;
        }
        if (newline == NULL)
            return;
        if (!line_overlong)
            take_message(procwire_control_parse(line, line_size));
        line_size = 0;
        line_overlong = 0;
        data += part + 1;
        size -= part + 1;
    }
}

void procwire_watch_input_ended(void) {
    acquire();
    state.news |= PROCWIRE_NEWS_ENDED;
    begin_exit(procwire_now());
    wake_loop(procwire_now());
    release();
}

/* ---- the thread that writes ----------------------------------------------------------------- */

/* The block that is being written, and how much of it has been. */
static block sending;
static size_t sent;

static void take_pong(void) {
    sending.data = malloc(sizeof PONG);
    if (sending.data == NULL)
        return;
    sending.size = strlen(PONG);
    memcpy(sending.data, PONG, sizeof PONG);
    state.pong_due = 0;
}

const char *procwire_watch_output(size_t *size) {
    acquire();
    if (sending.data == NULL && !state.output_ended) {
        sending = state.queue;
        state.queue.data = NULL;
        state.queue.size = 0;
        if (sending.data == NULL && state.pong_due)
            take_pong();
    }
    release();
    *size = sending.size - sent;
    return sending.data == NULL ? NULL : sending.data + sent;
}

void procwire_watch_written(size_t size) {
    sent += size;
    if (sent < sending.size)
        return;
    free(sending.data);
    sending.data = NULL;
    sending.size = sent = 0;
}

void procwire_watch_output_ended(void) {
    /* The parent is gone: its end of the other direction says so, too. */
    acquire();
    state.output_ended = 1;
    release();
    procwire_watch_written(sending.size - sent);
}

/* ---- what Python calls --------------------------------------------------------------------- */

void procwire_watch_forked(void) {
    static const procwire_lock nobodys = PROCWIRE_LOCK_INITIALIZER;
    forked = 1;
    if (state.listener != -1)
        procwire_watch_hang_up(state.listener);
    state.listener = -1;
    state.exit_after = 0;
    lock = nobodys;
    procwire_requests_forked();
}

int procwire_watcher_start(intptr_t input, intptr_t output) {
    int error = 0;
    if (forked)
        return EPERM;
    acquire();
    if (!state.started) {
        error = procwire_watch_start(input, output);
        state.started = error == 0;
    }
    release();
    return error;
}

void procwire_watcher_set_listener(intptr_t listener) {
    acquire();
    if (forked) {
        release();
        return;
    }
    if (state.listener != -1)
        procwire_watch_hang_up(state.listener);
    state.listener = listener;
    state.woken_at = 0;
    state.turned_at = procwire_now();
    state.stall_reported = 0;
    if (state.news || state.ping_waits)
        wake_loop(state.turned_at);
    release();
    procwire_watch_notify();
}

unsigned procwire_watcher_turn(void) {
    acquire();
    unsigned news = state.news;
    int pong = state.ping_waits;
    state.news &= PROCWIRE_NEWS_ENDED;
    state.ping_waits = 0;
    state.pong_due |= pong;
    state.woken_at = 0;
    state.turned_at = procwire_now();
    state.stall_reported = 0;
    int look_again = pong || state.stall != 0;
    release();
    if (look_again)
        procwire_watch_notify();
    return news;
}

void procwire_watcher_set_liveness(int of_process) {
    acquire();
    state.liveness_of_process = of_process;
    /* A ping that came a moment ago must not wait for a loop that is about to stand still. */
    int pong = of_process && state.ping_waits;
    if (pong) {
        state.ping_waits = 0;
        state.pong_due = 1;
    }
    release();
    if (pong)
        procwire_watch_notify();
}

int procwire_watcher_send(const char *text, size_t size) {
    int error = 0;
    acquire();
    char *data = realloc(state.queue.data, state.queue.size + size);
    if (data == NULL) {
        error = ENOMEM;
    } else {
        memcpy(data + state.queue.size, text, size);
        state.queue.data = data;
        state.queue.size += size;
    }
    release();
    procwire_watch_notify();
    return error;
}

void procwire_watcher_report_stalls(int64_t after, int dump_signal, void (*dump)(void)) {
    procwire_watch_set_dump(dump_signal, dump);
    acquire();
    state.stall = after;
    release();
    procwire_watch_notify();
}

void procwire_watcher_own_process(int64_t exit_after) {
    acquire();
    if (!forked) {
        state.exit_after = exit_after;
        if (state.news)
            begin_exit(procwire_now());
    }
    release();
    procwire_watch_notify();
}

void procwire_watcher_begin_exit(void) {
    acquire();
    begin_exit(procwire_now());
    release();
    procwire_watch_notify();
}

void procwire_watcher_exit_on_signal(int number) {
    procwire_watch_signal(number, &exit_signalled);
}
