#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fail.h"

#define SHUTDOWN_LINE "{\"jsonrpc\":\"2.0\",\"method\":\"$shutdown\",\"params\":{}}\n"
#define KILL_AFTER_NS 5000000000ull

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void spawn(worker *w, char **command) {
    int to_child[2], from_child[2];
    if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0)
        fail("pipe: %s", strerror(errno));
    w->pid = fork();
    if (w->pid < 0)
        fail("fork: %s", strerror(errno));
    if (w->pid == 0) {
        /* When the generator is killed, its worker goes too. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(to_child[0], STDIN_FILENO);
        dup2(from_child[1], STDOUT_FILENO);
        signal(SIGPIPE, SIG_DFL);
        setenv("PROCWIRE_MODULE_NAME", "bench", 1);
        unsetenv("PROCWIRE_TOKEN");
        execvp(command[0], command);
        fprintf(stderr, "loadgen: cannot run %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    fail_kills(w->pid);
    close(to_child[0]);
    close(from_child[1]);
    w->stdin_fd = to_child[1];
    w->stdout_fd = from_child[0];
}

void worker_start(worker *w, char **command, const char *method, double timeout_s) {
    static char buffer[1 << 20];
    size_t used = 0;
    uint64_t started = now_ns();
    uint64_t deadline = started + (uint64_t)(timeout_s * 1e9);
    spawn(w, command);
    for (;;) {
        uint64_t now = now_ns();
        struct pollfd wait = {.fd = w->stdout_fd, .events = POLLIN};
        if (now >= deadline || poll(&wait, 1, (int)((deadline - now) / 1000000 + 1)) == 0)
            fail("the worker sent no $init within %.0f s", timeout_s);
        ssize_t got = read(w->stdout_fd, buffer + used, sizeof buffer - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            fail("the worker closed its stdout before its $init");
        used += (size_t)got;
        char *line = buffer, *newline;
        while ((newline = memchr(line, '\n', used - (size_t)(line - buffer))) != NULL) {
            char problem[512];
            control_kind kind = control_parse(line, (size_t)(newline - line), method, &w->init,
                                              problem, sizeof problem);
            if (kind == CONTROL_ERROR)
                fail("the worker cannot start: %s", problem);
            if (kind == CONTROL_MALFORMED)
                fail("%s", problem);
            if (kind == CONTROL_INIT) {
                w->spawn_to_init_ms = (double)(now_ns() - started) / 1e6;
                if (clock_getcpuclockid(w->pid, &w->cpu_clock) != 0)
                    fail("the worker has no CPU clock");
                fcntl(w->stdout_fd, F_SETFL, O_NONBLOCK);
                return;
            }
            line = newline + 1;
        }
        used -= (size_t)(line - buffer);
        memmove(buffer, line, used);
        if (used == sizeof buffer)
            fail("the worker wrote a line of more than 1 MiB before its $init");
    }
}

int worker_connect(const worker *w) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, w->init.pipe, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("cannot connect to %s: %s", w->init.pipe, strerror(errno));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* What /proc says of the main thread behind its name: the state and numbers. */
static const char *stat_of(const worker *w, char *text, size_t room) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)w->pid);
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, room - 1, file) : 0;
    if (file)
        fclose(file);
    text[length] = '\0';
    /* The second field is the command in parentheses and may hold spaces. */
    const char *rest = strrchr(text, ')');
    if (rest == NULL)
        fail("cannot read the worker's state: it has died");
    return rest + 1;
}

bool worker_sleeps(const worker *w) {
    char text[1024], state;
    return sscanf(stat_of(w, text, sizeof text), " %c", &state) == 1 && state == 'S';
}

worker_cpu worker_cpu_now(const worker *w) {
    worker_cpu cpu = {0};
    struct timespec t;
    if (clock_gettime(w->cpu_clock, &t) != 0)
        fail("the worker's CPU clock is gone: it has died");
    cpu.cpu_ns = (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;

    char text[1024];
    unsigned long user, system;
    if (sscanf(stat_of(w, text, sizeof text),
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        fail("cannot read the worker's CPU times");
    cpu.user_s = (double)user / (double)sysconf(_SC_CLK_TCK);
    cpu.system_s = (double)system / (double)sysconf(_SC_CLK_TCK);
    return cpu;
}

long worker_status(const worker *w, const char *name) {
    char path[64], line[256];
    long value = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)w->pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return -1;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtol(line + strlen(name), NULL, 10);
    fclose(file);
    return value;
}

int worker_reset_peak(const worker *w) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)w->pid);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int done = write(fd, "5", 1) == 1;
    close(fd);
    return done;
}

worker_end worker_stop(worker *w, int data_fd) {
    worker_end end = {0};
    struct rusage usage;
    int status;
    uint64_t started = now_ns();
    ssize_t ignored = write(w->stdin_fd, SHUTDOWN_LINE, sizeof SHUTDOWN_LINE - 1);
    (void)ignored; /* a dead worker shows in wait4 */
    close(data_fd);
    while (wait4(w->pid, &status, WNOHANG, &usage) == 0) {
        if (now_ns() - started > KILL_AFTER_NS) {
            fprintf(stderr, "loadgen: the worker ignored $shutdown for 5 s and was killed\n");
            kill(w->pid, SIGKILL);
            wait4(w->pid, &status, 0, &usage);
            break;
        }
        usleep(500);
    }
    fail_kills(0);
    end.shutdown_ms = (double)(now_ns() - started) / 1e6;
    end.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    end.total_user_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    end.total_system_s = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    return end;
}
