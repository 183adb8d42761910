#include "fail.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static pid_t worker_pid = 0;

void fail_kills(pid_t worker) {
    worker_pid = worker;
}

noreturn void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("loadgen: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    if (worker_pid > 0)
        kill(worker_pid, SIGKILL);
    exit(1);
}
