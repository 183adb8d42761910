"""Is the load generator worth believing? It has to refuse every faulty worker.

Run by hand, by `compare.py --self-test` and by CI: `python benchmarks/self_test.py`.
"""

from __future__ import annotations

import re
import subprocess
import sys

from peers_build import LOADGEN, PEERS, BuildError, build_loadgen

ECHO_FAULTS = {
    "flip-first": "wrong payload",
    "flip-middle": "wrong payload",
    "flip-last": "wrong payload",
    "move": "wrong payload",
    "exchange": "wrong payload",
    "twice": "answered before",
    "drop": "without an answer",
    "short": "payload bytes instead of",
    "long": "payload bytes instead of",
    "wrong-id": "answered before or never sent",
    "id-zero": "answered before or never sent",
    "event": "answered before or never sent",
    "wrong-method": "answered for method 2",
    "ack-flags": "flags 0x23 instead of 0x03",
    "reserved-flags": "invalid header",
    "error": "answered with an error: on purpose.",
    "die": "closed the data connection",
    "cut": "closed the data connection",
    "no-method": 'does not offer the method "echo_raw"',
    "wrong-kind": 'of the kind "ack"',
    "start-error": "cannot start: no model",
    "no-init": "sent no .init within",
}
STREAM_FAULTS = {
    "missing-chunk": "wrong payload",
    "repeated-chunk": "wrong payload",
    "swapped-chunks": "wrong payload",
    "after-end": "answered before",
    "end-with-data": "end of a stream carries",
}
# Small frames, frames that straddle every read, and frames of many reads.
SIZES = (1, 64, 1024, 70_000, 3_000_000)
PAYLOAD_FAULTS = ["flip-first", "flip-middle", "flip-last", "short", "long", "twice"]


def faults_at(size: int) -> list[str]:
    if size == 1024:
        return [fault for fault in ECHO_FAULTS if fault != "move"]
    if size == 1:
        return []  # without a payload to speak of: one byte, and it is the stamp
    return PAYLOAD_FAULTS + (["move"] if size > 1_000_000 else [])


def run(fault: str, *options: str) -> subprocess.CompletedProcess[str]:
    worker = [sys.executable, str(PEERS / "faulty" / "worker.py"), "--fault", fault]
    command = [str(LOADGEN), "--warmup-seconds", "0", "--settle-seconds", "0"]
    command += ["--answer-timeout", "0.5", "--init-timeout", "1.5", *options, "--", *worker]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class Score:
    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def check(self, what: str, good: bool, detail: str) -> None:
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {what}: {detail}", file=sys.stderr)


def main() -> int:
    try:
        build_loadgen()
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    score = Score()

    def accepts(*options: str) -> None:
        done = run("none", *options)
        good = done.returncode == 0
        score.check(f"an honest worker with {' '.join(options)}", good, done.stderr.strip())

    def refuses(fault: str, message: str, *options: str) -> None:
        done = run(fault, *options)
        good = done.returncode == 1 and re.search(message, done.stderr) is not None
        said = f"exit {done.returncode}, {done.stderr.strip() or 'not a word'}"
        score.check(f"{fault} with {' '.join(options)}", good, said)

    for size in SIZES:
        echo = ["--payload-bytes", str(size), "--requests", "150"]
        accepts(*echo, "--in-flight", "1")
        accepts(*echo, "--in-flight", "7")
        for fault in faults_at(size):
            refuses(fault, ECHO_FAULTS[fault], *echo, "--in-flight", "7")
    for encoding in ("bin", "msgpack"):
        for size in (100, 1000, 70_000):
            options = ["--encoding", encoding, "--payload-bytes", str(size)]
            options += ["--requests", "150", "--in-flight", "5"]
            accepts(*options)
            refuses("exchange", "wrong payload", *options)
            refuses("flip-last", "wrong payload", *options)
    # The second answer may or may not come with the same read as the first.
    late = "sent more after the last answer|answered before"
    refuses("late-twice", late, "--requests", "100")
    refuses("drop", "without an answer", "--mode", "latency", "--requests", "150")
    # Request ids wrap past 2**32 - 1 and skip 0.
    accepts("--first-request-id", str(2**32 - 50), "--requests", "150", "--in-flight", "7")

    stream = ["--mode", "stream", "--method", "stream_msgpack", "--encoding", "msgpack"]
    stream += ["--payload-bytes", "1000", "--chunks", "100", "--requests", "20"]
    for in_flight in ("1", "3"):
        accepts(*stream, "--in-flight", in_flight)
        for fault, message in STREAM_FAULTS.items():
            refuses(fault, message, *stream, "--in-flight", in_flight)

    print(f"{score.passed} passed, {score.failed} failed")
    return 1 if score.failed else 0


if __name__ == "__main__":
    sys.exit(main())
