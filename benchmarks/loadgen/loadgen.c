/* Plays the Procwire parent for any worker command and measures the worker.
 *
 *   options -> worker.c (spawn, $init, connect) -> drive.c (load, checks) -> report
 */
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drive.h"
#include "fail.h"
#include "worker.h"

static const char *const MODES[] = {"echo", "latency", "stream", "slow-stream"};

typedef struct {
    drive_options drive;
    const char *method;
    const char *encoding;
    double settle_s;
    double init_timeout_s;
    bool one_cpu;
    bool json;
} settings;

static noreturn void usage(void) {
    fputs("usage: loadgen [options] -- WORKER-COMMAND [ARGUMENTS]\n"
          "\n"
          "  --method NAME          the worker's method to call (echo_raw)\n"
          "  --mode MODE            echo, latency, stream or slow-stream (echo)\n"
          "  --encoding ENCODING    raw, bin or msgpack (raw)\n"
          "                         bin: raw bytes which also are one MessagePack bin value\n"
          "                         msgpack: {\"n\": int, \"s\": a string of N characters}\n"
          "                         stream modes: what the chunks are, raw or msgpack\n"
          "  --payload-bytes N      size of a raw payload, a string or a chunk's string (1024)\n"
          "  --in-flight K          requests, or streams, under way at a time (1)\n"
          "  --seconds S            length of the measured window (2)\n"
          "  --requests N           or: exactly N requests, from the first to the last answer\n"
          "  --warmup-seconds S     load before the window (0.5)\n"
          "  --chunks N             chunks of one stream (20000)\n"
          "  --read-rate BYTES      bytes a second that the slow-stream parent takes\n"
          "  --spin-us N            look for answers so long before sleeping (50)\n"
          "  --lockstep             send only when all is answered and the worker sleeps: what it\n"
          "                         does for a request does not depend on who is faster\n"
          "  --answer-timeout S     how long nothing may move (10)\n"
          "  --init-timeout S       how long the worker has for its $init (30)\n"
          "  --settle-seconds S     rest before the idle memory is read (0.2)\n"
          "  --one-cpu              generator and worker share one processor, and no spinning:\n"
          "                         one at a time without the cost of waking another processor\n"
          "  --first-request-id N   where request ids start (1)\n"
          "  --json                 one JSON object instead of lines\n"
          "\n"
          "Exit code 1: a wrong, missing or surplus answer, or a worker that does not start.\n",
          stderr);
    exit(2);
}

static double number(const char *option, const char *text, double least, double most) {
    char *end;
    double value = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || !(value >= least && value <= most)) {
        fprintf(stderr, "loadgen: --%s needs a number from %g to %g\n", option, least, most);
        exit(2);
    }
    return value;
}

static settings parse_options(int argc, char **argv) {
    enum {
        METHOD = 1, MODE, ENCODING, PAYLOAD, IN_FLIGHT, SECONDS, REQUESTS, WARMUP, CHUNKS,
        READ_RATE, SPIN, ANSWER_TIMEOUT, INIT_TIMEOUT, SETTLE, FIRST_ID, LOCKSTEP, ONE_CPU,
        JSON,
    };
    static const struct option LONG[] = {
        {"method", required_argument, NULL, METHOD},
        {"mode", required_argument, NULL, MODE},
        {"encoding", required_argument, NULL, ENCODING},
        {"payload-bytes", required_argument, NULL, PAYLOAD},
        {"in-flight", required_argument, NULL, IN_FLIGHT},
        {"seconds", required_argument, NULL, SECONDS},
        {"requests", required_argument, NULL, REQUESTS},
        {"warmup-seconds", required_argument, NULL, WARMUP},
        {"chunks", required_argument, NULL, CHUNKS},
        {"read-rate", required_argument, NULL, READ_RATE},
        {"spin-us", required_argument, NULL, SPIN},
        {"answer-timeout", required_argument, NULL, ANSWER_TIMEOUT},
        {"init-timeout", required_argument, NULL, INIT_TIMEOUT},
        {"settle-seconds", required_argument, NULL, SETTLE},
        {"first-request-id", required_argument, NULL, FIRST_ID},
        {"lockstep", no_argument, NULL, LOCKSTEP},
        {"one-cpu", no_argument, NULL, ONE_CPU},
        {"json", no_argument, NULL, JSON},
        {"help", no_argument, NULL, '?'},
        {NULL, 0, NULL, 0},
    };
    settings s = {
        .drive = {.mode = MODE_ECHO, .payload_size = 1024, .in_flight = 1, .chunks = 20000,
                  .seconds = 2, .warmup_seconds = 0.5,
                  .answer_timeout_s = 10, .spin_ns = 50000, .first_request_id = 1},
        .method = "echo_raw",
        .encoding = "raw",
        .settle_s = 0.2,
        .init_timeout_s = 30,
    };
    int choice, index = 0;
    while ((choice = getopt_long(argc, argv, "+", LONG, &index)) != -1) {
        const char *name = LONG[index].name;
        switch (choice) {
        case METHOD: s.method = optarg; break;
        case ENCODING: s.encoding = optarg; break;
        case MODE: {
            int mode = 0;
            while (mode < 4 && strcmp(optarg, MODES[mode]) != 0)
                mode++;
            if (mode == 4)
                usage();
            s.drive.mode = (drive_mode)mode;
            break;
        }
        case PAYLOAD: s.drive.payload_size = (uint32_t)number(name, optarg, 0, 1 << 30); break;
        case IN_FLIGHT: s.drive.in_flight = (uint32_t)number(name, optarg, 1, 1 << 20); break;
        case SECONDS: s.drive.seconds = number(name, optarg, 0.01, 86400); break;
        case REQUESTS: s.drive.requests = (uint64_t)number(name, optarg, 1, 1e15); break;
        case WARMUP: s.drive.warmup_seconds = number(name, optarg, 0, 86400); break;
        case CHUNKS: s.drive.chunks = (uint32_t)number(name, optarg, 0, UINT32_MAX); break;
        case READ_RATE: s.drive.read_rate = number(name, optarg, 1, 1e12); break;
        case SPIN: s.drive.spin_ns = (uint64_t)(number(name, optarg, 0, 1e6) * 1e3); break;
        case ANSWER_TIMEOUT: s.drive.answer_timeout_s = number(name, optarg, 0.1, 3600); break;
        case INIT_TIMEOUT: s.init_timeout_s = number(name, optarg, 0.1, 3600); break;
        case SETTLE: s.settle_s = number(name, optarg, 0, 60); break;
        case FIRST_ID:
            s.drive.first_request_id = (uint32_t)number(name, optarg, 1, UINT32_MAX);
            break;
        case LOCKSTEP: s.drive.lockstep = true; break;
        case ONE_CPU: s.one_cpu = true; break;
        case JSON: s.json = true; break;
        default: usage();
        }
    }
    if (optind >= argc)
        usage();
    bool streaming = s.drive.mode == MODE_STREAM || s.drive.mode == MODE_SLOW_STREAM;
    if (strcmp(s.encoding, "raw") == 0)
        s.drive.payload = streaming ? PAYLOAD_RAW_CHUNK : PAYLOAD_RAW;
    else if (strcmp(s.encoding, "msgpack") == 0)
        s.drive.payload = streaming ? PAYLOAD_CHUNK : PAYLOAD_MSGPACK;
    else if (strcmp(s.encoding, "bin") == 0 && !streaming)
        s.drive.payload = PAYLOAD_BIN;
    else
        usage();
    if (s.drive.mode == MODE_LATENCY)
        s.drive.in_flight = 1;
    if ((s.drive.mode == MODE_SLOW_STREAM) != (s.drive.read_rate > 0)) {
        fputs("loadgen: --read-rate belongs to --mode slow-stream\n", stderr);
        exit(2);
    }
    return s;
}

/* ---- the report ---------------------------------------------------------- */

static bool as_json;

static void put_number(const char *name, double value) {
    if (as_json)
        printf(",\"%s\":%.10g", name, value);
    else
        printf("%-24s %.10g\n", name, value);
}

static void put_text(const char *name, const char *value) {
    if (as_json)
        printf(",\"%s\":\"%s\"", name, value);
    else
        printf("%-24s %s\n", name, value);
}

static double percentile(const drive_result *r, double share) {
    uint64_t rank = (uint64_t)(share * (double)r->latency_count);
    return (double)r->latencies[rank < r->latency_count ? rank : r->latency_count - 1];
}

int main(int argc, char **argv) {
    settings s = parse_options(argc, argv);
    worker w = {0};
    drive_result r = {0};
    signal(SIGPIPE, SIG_IGN);
    if (s.one_cpu) {
        cpu_set_t here; /* the worker inherits it */
        CPU_ZERO(&here);
        CPU_SET(sched_getcpu(), &here);
        if (sched_setaffinity(0, sizeof here, &here) != 0)
            fail("cannot stay on one processor");
        s.drive.spin_ns = 0; /* it would only keep the worker from running */
    }

    worker_start(&w, argv + optind, s.method, s.init_timeout_s);
    bool streaming = s.drive.mode == MODE_STREAM || s.drive.mode == MODE_SLOW_STREAM;
    const char *wanted = streaming ? "stream" : "result";
    if (strcmp(w.init.response, wanted) != 0)
        fail("the method \"%s\" is of the kind \"%s\", not \"%s\"", s.method, w.init.response,
             wanted);
    int fd = worker_connect(&w);
    usleep((useconds_t)(s.settle_s * 1e6));
    long rss_idle = worker_status(&w, "VmRSS:");
    bool peak_reset = worker_reset_peak(&w);

    drive(&s.drive, &w, fd, &r);

    long rss_peak = worker_status(&w, "VmHWM:"), rss_end = worker_status(&w, "VmRSS:");
    long threads = worker_status(&w, "Threads:");
    worker_end end = worker_stop(&w, fd);

    /* The unit of a stream is a chunk: that is what a consumer waits for. */
    uint64_t units = streaming ? r.items : r.requests;
    double cpu_ns = (double)(r.cpu_end.cpu_ns - r.cpu_start.cpu_ns);
    as_json = s.json;
    if (as_json)
        printf("{\"procwire_loadgen\":1");
    put_text("mode", MODES[s.drive.mode]);
    put_text("method", s.method);
    put_text("encoding", s.encoding);
    put_number("payload_bytes", s.drive.payload_size);
    put_number("in_flight", s.drive.in_flight);
    put_number("requests", (double)r.requests);
    put_number("seconds", r.seconds);
    put_number("requests_per_s", (double)r.requests / r.seconds);
    put_number("bytes_per_s", (double)r.bytes / r.seconds);
    if (streaming) {
        put_number("items", (double)r.items);
        put_number("items_per_s", (double)r.items / r.seconds);
    }
    if (r.latency_count > 0) {
        put_number("latency_p50_ns", percentile(&r, 0.50));
        put_number("latency_p90_ns", percentile(&r, 0.90));
        put_number("latency_p99_ns", percentile(&r, 0.99));
        put_number("latency_max_ns", percentile(&r, 1.0));
    }
    put_number("worker_cpu_s", cpu_ns / 1e9);
    put_number("worker_cpu_user_s", r.cpu_end.user_s - r.cpu_start.user_s);
    put_number("worker_cpu_system_s", r.cpu_end.system_s - r.cpu_start.system_s);
    if (units > 0)
        put_number(streaming ? "cpu_ns_per_item" : "cpu_ns_per_request", cpu_ns / (double)units);
    put_number("rss_idle_kb", (double)rss_idle);
    put_number("rss_peak_kb", (double)rss_peak);
    put_number("rss_end_kb", (double)rss_end);
    put_number("rss_peak_was_reset", peak_reset);
    put_number("worker_threads", (double)threads);
    put_number("spawn_to_init_ms", w.spawn_to_init_ms);
    put_number("shutdown_ms", end.shutdown_ms);
    put_number("worker_exit_code", end.exit_code);
    put_number("worker_total_user_s", end.total_user_s);
    put_number("worker_total_system_s", end.total_system_s);
    if (as_json)
        printf("}\n");
    return 0;
}
