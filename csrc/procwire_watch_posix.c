/* One thread waits for all there is, with poll(). */
#ifndef _WIN32

#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "procwire_platform.h"
#include "procwire_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SIGPIPE is blocked in the watcher's threads anyway */
#endif

/* The parent's: -1 once it has ended, or nobody reads it.  The watcher's thread has them. */
static int input = -1;
static int output = -1;

/* Written to by whoever has changed something that the watcher has to look at. */
static int notify_read = -1;
static volatile sig_atomic_t notify_write = -1;

static int milliseconds_until(int64_t time) {
    if (time == PROCWIRE_NEVER)
        return -1;
    int64_t left = time - procwire_now();
    if (left <= 0)
        return 0;
    left = (left + PROCWIRE_MILLISECOND - 1) / PROCWIRE_MILLISECOND;
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
#ifdef __APPLE__
    /* The flag of send() does not keep it there from waiting for room: see sosendcheck() of XNU. */
    if (size > PIPE_BUF)
        size = PIPE_BUF;
#endif
    ssize_t result = send(descriptor, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (result < 0 && errno == ENOTSOCK)
        result = write(descriptor, data, size < PIPE_BUF ? size : PIPE_BUF);
    return result;
}

static int is_passing(int error) {
    return error == EINTR || error == EAGAIN || error == EWOULDBLOCK;
}

/* ---- the watcher's thread ------------------------------------------------------------------- */

static void read_input(void) {
    char chunk[PROCWIRE_WATCH_CHUNK_SIZE];
    ssize_t size = read_some(input, chunk, sizeof chunk);
    if (size > 0) {
        procwire_watch_input(chunk, (size_t)size);
    } else if (size == 0 || !is_passing(errno)) {
        input = -1;
        procwire_watch_input_ended();
    }
}

static void write_output(const char *data, size_t size) {
    ssize_t written = write_some(output, data, size);
    if (written >= 0) {
        procwire_watch_written((size_t)written);
    } else if (!is_passing(errno)) {
        output = -1;
        procwire_watch_output_ended();
    }
}

static void watch(void) {
#ifdef __linux__
    pthread_setname_np(pthread_self(), "procwire-watch");
#endif
    for (;;) {
        char ignored[64];
        size_t size;
        int64_t look_again = procwire_watch_act();
        const char *data = procwire_watch_output(&size);
        /* poll() leaves out what is negative. */
        struct pollfd ready[] = {
            {notify_read, POLLIN, 0},
            {input, POLLIN, 0},
            {data != NULL ? output : -1, POLLOUT, 0},
        };
        if (poll(ready, 3, milliseconds_until(look_again)) < 0)
            continue;
        if (ready[0].revents)
            while (read(notify_read, ignored, sizeof ignored) == sizeof ignored) {
            }
        if (ready[1].revents)
            read_input();
        if (ready[2].revents)
            write_output(data, size);
        procwire_watch_woken(look_again);
    }
}

/* ---- its beginning, and what it does not survive --------------------------------------------- */

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

/* In the child after a fork: what the other process's watcher uses is no business of this one. */
static void forget(void) {
    int descriptors[] = {input, output, notify_read, notify_write};
    notify_read = notify_write = input = output = -1;
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    procwire_watch_forked();
}

int procwire_watch_start(intptr_t from_parent, intptr_t to_parent) {
    int error = 0;
    if (notify_read < 0) {
        error = open_notify_pipe();
        if (error == 0)
            error = pthread_atfork(NULL, NULL, forget);
    }
    input = (int)from_parent;
    output = (int)to_parent;
    return error ? error : procwire_watch_aside(watch);
}

void procwire_watch_notify(void) {
    int error = errno;
    if (notify_write >= 0 && write(notify_write, "", 1) < 0) {
        /* The pipe is full: it is on its way. */
    }
    errno = error;
}

void procwire_watch_ring(intptr_t socket) {
    send((int)socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void procwire_watch_hang_up(intptr_t socket) {
    close((int)socket);
}

/* ---- threads, signals, the end ---------------------------------------------------------------- */

static void *call(void *function) {
    (*(void (**)(void))function)();
    free(function);
    return NULL;
}

int procwire_watch_aside(void (*function)(void)) {
    sigset_t blocked, before;
    pthread_attr_t attributes;
    pthread_t thread;
    /* No signal is delivered to it, but those that its own faults raise. */
    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    void (**argument)(void) = malloc(sizeof *argument);
    if (argument == NULL)
        return ENOMEM;
    *argument = function;
    int error = pthread_attr_init(&attributes);
    if (error == 0) {
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_sigmask(SIG_SETMASK, &blocked, &before);
        error = pthread_create(&thread, &attributes, call, argument);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
    }
    if (error)
        free(argument);
    return error;
}

int procwire_watch_tell(const char *text, size_t size) {
    int64_t end = procwire_now() + PROCWIRE_STDERR_PATIENCE;
    while (size > 0) {
        struct pollfd ready = {STDERR_FILENO, POLLOUT, 0};
        int count = poll(&ready, 1, milliseconds_until(end));
        /* What takes it late takes it: this thread may not have run for a while. */
        if (count == 0 || (count < 0 && errno != EINTR))
            return 0;
        if (count < 0)
            continue;
        ssize_t written = write_some(STDERR_FILENO, text, size);
        if (written < 0 && !is_passing(errno))
            return 0;
        if (written > 0) {
            text += written;
            size -= (size_t)written;
        }
    }
    return 1;
}

static int dump_signal;
static void (*dump_handler)(int);

void procwire_watch_set_dump(int number, void (*dump)(void)) {
    struct sigaction action;
    (void)dump;
    if (sigaction(number, NULL, &action) != 0)
        action.sa_handler = SIG_DFL;
    dump_signal = number;
    dump_handler = action.sa_handler;
}

/* The handler of Python's faulthandler needs no lock of Python's; raised here, the signal
 * interrupts nobody's system call. */
void procwire_watch_dump_stacks(void) {
    struct sigaction action;
    sigset_t unblocked;
    /* Without the handler the signal would end the process. */
    if (sigaction(dump_signal, NULL, &action) != 0 || action.sa_handler != dump_handler)
        return;
    sigemptyset(&unblocked);
    sigaddset(&unblocked, dump_signal);
    pthread_sigmask(SIG_UNBLOCK, &unblocked, NULL);
    pthread_kill(pthread_self(), dump_signal);
}

static volatile sig_atomic_t *signal_flag;
static void (*previous_handlers[NSIG])(int);

static void on_signal(int number) {
    *signal_flag = 1;
    procwire_watch_notify();
    previous_handlers[number](number);
}

void procwire_watch_signal(int number, volatile sig_atomic_t *flag) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0 || action.sa_flags & SA_SIGINFO ||
        action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN ||
        action.sa_handler == on_signal)
        return;
    signal_flag = flag;
    previous_handlers[number] = action.sa_handler;
    action.sa_handler = on_signal;
    sigaction(number, &action, NULL);
}

void procwire_watch_pause(int64_t time) {
    struct timespec pause = {time / PROCWIRE_SECOND, time % PROCWIRE_SECOND};
    nanosleep(&pause, NULL);
}

void procwire_watch_end_process(void) {
    _exit(0);
}

#endif
