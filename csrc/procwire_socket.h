/*
 * Receiving from and sending to a non-blocking stream socket without a turn of the event loop.
 *
 * Both are shortcuts: what they cannot do at once, and every end and error of the connection,
 * is left to the event loop's transport, which meets it at its next attempt.
 *
 * This file knows no Python.
 */
#ifndef PROCWIRE_SOCKET_H
#define PROCWIRE_SOCKET_H

#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32

#define PROCWIRE_HAS_SOCKET_SHORTCUTS 0

static inline void procwire_set_send_buffer(int fd, int size) {
    (void)fd, (void)size;
}

static inline ptrdiff_t procwire_receive_soon(int fd, void *data, size_t size, int64_t ns) {
    (void)fd, (void)data, (void)size, (void)ns;
    return 0;
}

static inline ptrdiff_t procwire_send(int fd, const void *data, size_t size) {
    (void)fd, (void)data, (void)size;
    return 0;
}

static inline int procwire_hung_up(int fd) {
    (void)fd;
    return 0;
}

#else

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>

#define PROCWIRE_HAS_SOCKET_SHORTCUTS 1

#ifndef MSG_NOSIGNAL /* macOS; Python ignores the signal anyway */
#define MSG_NOSIGNAL 0
#endif
#ifndef POLLRDHUP
#ifdef __linux__ /* which has it when asked for */
#define POLLRDHUP 0x2000
#else /* macOS does not look at all when it is asked for nothing */
#define POLLRDHUP POLLHUP
#endif
#endif

/* Ask for room for so many bytes that are sent and not read; the system may give less. */
static inline void procwire_set_send_buffer(int fd, int size) {
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

/*
 * How many bytes have come; 0 for none, for the end and for an error. Waits for them a while, in
 * which the processor is anybody's.
 */
static inline ptrdiff_t procwire_receive_soon(int fd, void *data, size_t size, int64_t ns) {
    struct timespec begin, now;
    ptrdiff_t got = recv(fd, data, size, MSG_DONTWAIT);
    if (got > 0)
        return got;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        sched_yield();
        got = recv(fd, data, size, MSG_DONTWAIT);
        if (got >= 0)
            return got;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000000000LL + (now.tv_nsec - begin.tv_nsec) < ns);
    return 0;
}

/* How many bytes the socket has taken; 0 for none and for an error. */
static inline ptrdiff_t procwire_send(int fd, const void *data, size_t size) {
    ptrdiff_t sent = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent > 0 ? sent : 0;
}

/* Whether the peer has closed its end, whatever is left to be read. */
static inline int procwire_hung_up(int fd) {
    struct pollfd end = {fd, POLLRDHUP, 0};
    return poll(&end, 1, 0) > 0 && (end.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

#endif
#endif
