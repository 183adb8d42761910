#include "procwire_lifeline.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

static void *wait_for_end(void *argument) {
    struct pollfd lifeline = {(int)(intptr_t)argument, POLLIN, 0};
    while (poll(&lifeline, 1, -1) < 0 && (errno == EINTR || errno == EAGAIN))
        continue;
    _exit(1);
    return argument;
}

int procwire_lifeline_hold(int descriptor) {
    sigset_t all, before;
    pthread_t thread;
    /* Signals are for the threads of Python. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, NULL, wait_for_end, (void *)(intptr_t)descriptor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_detach(thread);
    return error;
}
