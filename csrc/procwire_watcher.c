#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "procwire_watcher.h"

#include "procwire_control.h"
#include "procwire_requests.h"
#include "procwire_socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SIGPIPE is blocked in the watcher's threads anyway */
#endif

#define NEVER INT64_MAX
#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)

#define CHUNK_SIZE 16384
/* How long standard error is waited for, which may be a pipe that nobody reads: as long as a busy
 * machine may need, and with the rest of the end less than the 5 seconds of the parent. */
#define STDERR_PATIENCE_SECONDS 0.4
#define STDERR_PATIENCE ((int64_t)(STDERR_PATIENCE_SECONDS * SECOND))
#define REPORT_SIZE 4096

static const char PONG[] = "{\"jsonrpc\":\"2.0\",\"method\":\"$pong\"}\n";

typedef struct {
    char *data;
    size_t size;
} block;

/* What several threads touch, between acquire() and release(), where nobody waits. */
static struct {
    int started;
    int input; /* -1 once it has ended */
    int output; /* -1 once nobody reads it */
    int listener;
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
    int dump_signal;
    void (*dump_handler)(int);
    int64_t exit_after; /* 0 when the process is not ours */
    int64_t exit_at; /* NEVER until the end has begun */
} state = {.input = -1, .output = -1, .listener = -1, .exit_at = NEVER};

/* Written to by whoever has changed something that the watcher has to look at. */
static int notify_read = -1;
static volatile sig_atomic_t notify_write = -1;
static volatile sig_atomic_t exit_signalled;
static void (*previous_handlers[NSIG])(int);
/* There was a watcher, in another process. */
static int forked;

/* ---- the platform ------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void acquire(void) {
    pthread_mutex_lock(&lock);
}

static void release(void) {
    pthread_mutex_unlock(&lock);
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static int milliseconds_until(int64_t time) {
    if (time == NEVER)
        return -1;
    int64_t left = time - now();
    if (left <= 0)
        return 0;
    left = (left + MILLISECOND - 1) / MILLISECOND;
    return left < INT_MAX ? (int)left : INT_MAX;
}

/* Read what there is, of a descriptor that poll() has found readable. */
static ssize_t read_some(int descriptor, char *data, size_t size) {
    ssize_t result = recv(descriptor, data, size, MSG_DONTWAIT);
    if (result < 0 && errno == ENOTSOCK)
        result = read(descriptor, data, size);
    return result;
}

/* Write what fits, to a descriptor that poll() has found writable.  Nobody waits, though the
 * descriptor may be a blocking one: so much always fits into a pipe that is writable at all. */
static ssize_t write_some(int descriptor, const char *data, size_t size) {
    ssize_t result = send(descriptor, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (result < 0 && errno == ENOTSOCK)
        result = write(descriptor, data, size < PIPE_BUF ? size : PIPE_BUF);
    return result;
}

static int is_passing(int error) {
    return error == EINTR || error == EAGAIN || error == EWOULDBLOCK;
}

/* Write a text for people; returns whether that was possible in the time there is. */
static int write_stderr(const char *data, size_t size) {
    int64_t end = now() + STDERR_PATIENCE;
    while (size > 0) {
        struct pollfd ready = {STDERR_FILENO, POLLOUT, 0};
        int count = poll(&ready, 1, milliseconds_until(end));
        if (count == 0 || (count < 0 && errno != EINTR) || now() >= end)
            return 0;
        if (count < 0)
            continue;
        ssize_t written = write_some(STDERR_FILENO, data, size);
        if (written < 0 && !is_passing(errno))
            return 0;
        if (written > 0) {
            data += written;
            size -= (size_t)written;
        }
    }
    return 1;
}

static int open_notify_pipe(void) {
    int ends[2];
#ifdef __linux__
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return errno;
#else
    if (pipe(ends) != 0)
        return errno;
    for (int i = 0; i < 2; i++) {
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
#endif
    notify_read = ends[0];
    notify_write = ends[1];
    return 0;
}

/* Have the watcher look again.  A signal handler may call it. */
static void notify(void) {
    int error = errno;
    if (notify_write >= 0 && write(notify_write, "", 1) < 0) {
        /* The pipe is full: it is on its way. */
    }
    errno = error;
}

/* A detached thread that no signal is delivered to, but those that its own faults raise. */
static int start_thread(void *(*function)(void *), void *argument) {
    sigset_t blocked, before;
    pthread_attr_t attributes;
    pthread_t thread;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    int error = pthread_attr_init(&attributes);
    if (error)
        return error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    error = pthread_create(&thread, &attributes, function, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* All Python stacks.  The handler of Python's faulthandler needs no lock of Python's; raised here,
 * the signal interrupts nobody's system call. */
static void dump_stacks(int number, void (*handler)(int)) {
    struct sigaction action;
    sigset_t unblocked;
    /* Without the handler the signal would end the process. */
    if (sigaction(number, NULL, &action) != 0 || action.sa_handler != handler)
        return;
    sigemptyset(&unblocked);
    sigaddset(&unblocked, number);
    pthread_sigmask(SIG_UNBLOCK, &unblocked, NULL);
    pthread_kill(pthread_self(), number);
}

/* ---- what the watcher decides; wake_loop() to act() are called under the lock --------------- */

static void wake_loop(int64_t time) {
    if (state.listener >= 0 && state.woken_at == 0) {
        send(state.listener, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        state.woken_at = time;
    }
}

static void begin_exit(int64_t time) {
    if (state.exit_after && state.exit_at == NEVER)
        state.exit_at = time + state.exit_after;
}

static char last_words[REPORT_SIZE] = "procwire: the worker did not end in time; ";

static void *say_last_words(void *argument) {
    write_stderr(last_words, strlen(last_words));
    _exit(0);
    return argument;
}

static void end_process(void) {
    struct timespec step = {0, STDERR_PATIENCE / 40};
    size_t size = strlen(last_words);
    procwire_socket_file_remove();
    procwire_requests_describe(last_words + size, sizeof last_words - size - 1);
    strcat(last_words, "\n");
    /* In a thread of its own: standard error may be a pipe that others fill at the same time. */
    if (start_thread(say_last_words, NULL) == 0) {
        /* In steps: on a machine that stands still meanwhile, that thread has its turns as well. */
        for (int i = 0; i < 40; i++)
            nanosleep(&step, NULL);
    }
    _exit(0);
}

static void *report(void *argument) {
    char line[REPORT_SIZE];
    acquire();
    double seconds = (double)(now() - state.woken_at) / SECOND;
    int dump_signal = state.dump_signal;
    void (*dump_handler)(int) = state.dump_handler;
    int stands_still = state.woken_at != 0;
    release();
    if (stands_still) {
        int size = snprintf(line, sizeof line,
                            "procwire: the event loop has stood still for %.1f s; ", seconds);
        procwire_requests_describe(line + size, sizeof line - (size_t)size - 1);
        strcat(line, "\n");
        if (write_stderr(line, strlen(line)))
            dump_stacks(dump_signal, dump_handler);
    }
    acquire();
    state.reporting = 0;
    release();
    return argument;
}

/* See to it that the loop turns now and then, and tell when it does not.  Returns when to look
 * again. */
static int64_t watch_loop(int64_t time) {
    if (state.stall == 0 || state.listener < 0)
        return NEVER;
    if (state.woken_at == 0) {
        int64_t probe_at = state.turned_at + state.stall / 4;
        if (time < probe_at)
            return probe_at;
        wake_loop(time);
    }
    if (state.stall_reported)
        return NEVER;
    if (time - state.woken_at < state.stall) {
        /* In small steps, so that watch() notices when it has not been running itself. */
        int64_t report_at = state.woken_at + state.stall;
        int64_t step = time + state.stall / 4;
        return step < report_at ? step : report_at;
    }
    state.stall_reported = 1;
    /* In a thread of its own: standard error may be a pipe that nobody reads. */
    if (!state.reporting && start_thread(report, NULL) == 0)
        state.reporting = 1;
    return NEVER;
}

/* Do what is due; returns when something else will be. */
static int64_t act(int64_t time) {
    if (exit_signalled)
        begin_exit(time);
    if (time >= state.exit_at)
        end_process();
    int64_t look_again = watch_loop(time);
    return look_again < state.exit_at ? look_again : state.exit_at;
}

static void take_message(procwire_control_message message) {
    acquire();
    if (message == PROCWIRE_CONTROL_PING) {
        if (state.liveness_of_process) {
            state.pong_due = 1;
        } else {
            state.ping_waits = 1;
            wake_loop(now());
        }
    } else if (message == PROCWIRE_CONTROL_SHUTDOWN) {
        state.news |= PROCWIRE_NEWS_SHUTDOWN;
        begin_exit(now());
        wake_loop(now());
    }
    release();
}

static void take_end(void) {
    acquire();
    state.input = -1;
    state.news |= PROCWIRE_NEWS_ENDED;
    begin_exit(now());
    wake_loop(now());
    release();
}

/* ---- the watcher's thread; what is declared here is its own -------------------------------- */

/* The line that is being read. */
static char line[PROCWIRE_CONTROL_MAX_LINE_SIZE];
static size_t line_size;
static int line_overlong;

/* The block that is being written, and how much of it has been. */
static block sending;
static size_t sent;

static void take_input(const char *data, size_t size) {
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

static void read_input(int input) {
    char chunk[CHUNK_SIZE];
    ssize_t size = read_some(input, chunk, sizeof chunk);
    if (size > 0)
        take_input(chunk, (size_t)size);
    else if (size == 0 || !is_passing(errno))
        take_end();
}

static void drop_sending(void) {
    free(sending.data);
    sending.data = NULL;
    sending.size = sent = 0;
}

/* What is written next; returns whether there is anything.  Under the lock. */
static int has_output(void) {
    if (state.output < 0)
        return 0;
    if (sending.data != NULL)
        return 1;
    sending = state.queue;
    state.queue.data = NULL;
    state.queue.size = 0;
    if (sending.data == NULL && state.pong_due && (sending.data = strdup(PONG)) != NULL) {
        sending.size = strlen(PONG);
        state.pong_due = 0;
    }
    return sending.data != NULL;
}

static void write_output(int output) {
    ssize_t size = write_some(output, sending.data + sent, sending.size - sent);
    if (size >= 0)
        sent += (size_t)size;
    else if (!is_passing(errno)) {
        /* The parent is gone: its end of the other direction says so, too. */
        acquire();
        state.output = -1;
        release();
        sent = sending.size;
    }
    if (sent == sending.size)
        drop_sending();
}

static void *watch(void *unused) {
#ifdef __linux__
    pthread_setname_np(pthread_self(), "procwire-watch");
#endif
    for (;;) {
        char ignored[64];
        acquire();
        int64_t look_again = act(now());
        /* poll() leaves out what is negative. */
        struct pollfd ready[] = {
            {notify_read, POLLIN, 0},
            {state.input, POLLIN, 0},
            {has_output() ? state.output : -1, POLLOUT, 0},
        };
        release();
        if (poll(ready, 3, milliseconds_until(look_again)) < 0)
            continue;
        if (ready[0].revents)
            while (read(notify_read, ignored, sizeof ignored) == sizeof ignored) {
            }
        if (ready[1].revents)
            read_input(ready[1].fd);
        if (ready[2].revents)
            write_output(ready[2].fd);
        if (look_again != NEVER) {
            /* The process has been stopped, or starved: what the watcher could not do, the loop
             * need not have done. */
            acquire();
            int64_t late = now() - look_again;
            if (state.woken_at && late > state.stall / 4)
                state.woken_at = now();
            release();
        }
    }
    return unused;
}

/* ---- what Python calls --------------------------------------------------------------------- */

/* In the child after a fork: what the other process's watcher uses is no business of this one. */
static void forget(void) {
    int descriptors[] = {state.input, state.output, state.listener, notify_read, notify_write};
    forked = 1;
    notify_read = notify_write = -1;
    state.input = state.output = state.listener = -1;
    state.exit_after = 0;
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    pthread_mutex_init(&lock, NULL);
    procwire_requests_forked();
}

int procwire_watcher_start(int input, int output) {
    int error = 0;
    if (forked)
        return EPERM;
    acquire();
    if (!state.started) {
        if (notify_read < 0) {
            error = open_notify_pipe();
            if (error == 0)
                error = pthread_atfork(NULL, NULL, forget);
        }
        state.input = input;
        state.output = output;
        if (error == 0)
            error = start_thread(watch, NULL);
        state.started = error == 0;
    }
    release();
    return error;
}

void procwire_watcher_set_listener(int descriptor) {
    acquire();
    if (forked) {
        release();
        return;
    }
    if (state.listener >= 0)
        close(state.listener);
    state.listener = descriptor;
    state.woken_at = 0;
    state.turned_at = now();
    state.stall_reported = 0;
    if (state.news || state.ping_waits)
        wake_loop(state.turned_at);
    release();
    notify();
}

unsigned procwire_watcher_turn(void) {
    acquire();
    unsigned news = state.news;
    int pong = state.ping_waits;
    state.news &= PROCWIRE_NEWS_ENDED;
    state.ping_waits = 0;
    state.pong_due |= pong;
    state.woken_at = 0;
    state.turned_at = now();
    state.stall_reported = 0;
    int look_again = pong || state.stall != 0;
    release();
    if (look_again)
        notify();
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
        notify();
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
    notify();
    return error;
}

void procwire_watcher_report_stalls(int64_t after, int dump_signal) {
    struct sigaction action;
    if (sigaction(dump_signal, NULL, &action) != 0)
        action.sa_handler = SIG_DFL;
    acquire();
    state.stall = after;
    state.dump_signal = dump_signal;
    state.dump_handler = action.sa_handler;
    release();
    notify();
}

void procwire_watcher_own_process(int64_t exit_after) {
    acquire();
    if (!forked) {
        state.exit_after = exit_after;
        if (state.news)
            begin_exit(now());
    }
    release();
    notify();
}

void procwire_watcher_begin_exit(void) {
    acquire();
    begin_exit(now());
    release();
    notify();
}

static void on_exit_signal(int number) {
    exit_signalled = 1;
    notify();
    previous_handlers[number](number);
}

void procwire_watcher_exit_on_signal(int number) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0 || action.sa_flags & SA_SIGINFO ||
        action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN ||
        action.sa_handler == on_exit_signal)
        return;
    previous_handlers[number] = action.sa_handler;
    action.sa_handler = on_exit_signal;
    sigaction(number, &action, NULL);
}
