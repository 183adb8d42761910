#include "procwire_lifeline.h"

#include <errno.h>

#ifdef _WIN32

#include "procwire_platform.h"

static DWORD WINAPI wait_for_end(void *process) {
    WaitForSingleObject(process, INFINITE);
    TerminateProcess(GetCurrentProcess(), 1);
    return 1;
}

int procwire_lifeline_hold(intptr_t sentinel) {
    HANDLE thread = CreateThread(NULL, 0, wait_for_end, (void *)sentinel, 0, NULL);
    if (thread == NULL)
        return EAGAIN;
    CloseHandle(thread);
    return 0;
}

#else

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static void *wait_for_end(void *argument) {
    struct pollfd lifeline = {(int)(intptr_t)argument, POLLIN, 0};
    while (poll(&lifeline, 1, -1) < 0 && (errno == EINTR || errno == EAGAIN))
        continue;
    _exit(1);
    return argument;
}

int procwire_lifeline_hold(intptr_t sentinel) {
    sigset_t all, before;
    pthread_t thread;
    /* Signals are for the threads of Python. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, NULL, wait_for_end, (void *)sentinel);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_detach(thread);
    return error;
}

#endif
