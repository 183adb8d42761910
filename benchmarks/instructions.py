"""Counts the instructions that a request costs, and fails when they have become more.

    python benchmarks/instructions.py                    # compare with instructions.json
    python benchmarks/instructions.py --record           # write it
    python benchmarks/instructions.py --functions raw    # where they go, function by function

Instructions do not depend on the neighbours, and neither does the course of a run: the next
requests are sent when all are answered and the worker sleeps, and they fit into one packet of a
Unix socket. So it reads all of them in one turn of its loop however slow valgrind makes it, and
every turn is the same. What a worker saves by looking at the socket again before it sleeps is not
in the counts: whether it finds something is a matter of time. A case is the difference
between two runs, a short and a long one, over the difference in what they did: start-up and
shutdown cancel out. The C library's choice between routines for different processors is fixed.

The counts depend on the interpreter's and the compiler's version and options. Elsewhere than where
the baseline was recorded, record one from the unchanged source first, with --baseline.

Exit code 0: no case is above its limit. 1: one is. 2: wrong arguments. 3: no valgrind here. 4: a
run failed. 5: nothing is recorded for this version of Python.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peers_build

HERE = Path(__file__).resolve().parent
WORKER = HERE / "workers" / "echo.py"
BASELINE = HERE / "instructions.json"
TOLERANCE = 0.05

REGRESSION = 1
NO_VALGRIND = 3
RUN_FAILED = 4
NOT_RECORDED = 5

# The load generator gives a worker 5 seconds to shut down, which a busy machine does not always
# manage under valgrind.
ATTEMPTS = 4
TOTAL = re.compile(r"^totals: (\d+)", re.MULTILINE)

# 32 frames of 1 KB are the most that one packet holds.
BATCH = 32
# A byte that is copied by one repeated instruction would count as an instruction.
TUNABLES = f"glibc.cpu.x86_rep_movsb_threshold={1 << 40}"
# Of the worker: what decides how many instructions it takes.
DESCRIBE = """
import json, platform, sys, sysconfig
import msgpack, procwire
print(json.dumps({
    "python": platform.python_version(),
    "built by": platform.python_compiler(),
    "optimized": "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""),
    "shared library": bool(sysconfig.get_config_var("Py_ENABLE_SHARED")),
    "machine": platform.machine(),
    "msgpack": ".".join(map(str, msgpack.version)),
}))
"""

Profile = Counter[str]
Record = dict[str, Any]


class RunFailedError(Exception):
    """A worker or the load generator has failed; the text is what they said."""


@dataclass(frozen=True)
class Case:
    """Two runs, and what the second one did more often than the first."""

    title: str
    common: tuple[str, ...]
    short: tuple[str, ...]
    long: tuple[str, ...]
    units: int


def _echo(title: str, method: str, requests: int, in_flight: int = BATCH) -> Case:
    what = (
        ("--encoding=msgpack", "--payload-bytes=1000")
        if method == "msgpack"
        else ("--encoding=raw", "--payload-bytes=1024")
    )
    return Case(
        title,
        (f"--method={method}", *what, f"--in-flight={in_flight}"),
        ("--requests=2000",),
        (f"--requests={2000 + requests}",),
        requests,
    )


STREAMS = 1000
SHORT_STREAM = 8
LONG_STREAM = 32

CASES = {
    "raw": _echo("1 KB raw, async def", "raw", 40_000),
    "raw-inline": _echo("1 KB raw, inline def", "raw_inline", 40_000),
    "raw-suspends": _echo("1 KB raw, async def that suspends once", "raw_suspends", 10_000),
    "raw-alone": _echo("1 KB raw, async def, one at a time", "raw", 5_000, in_flight=1),
    "msgpack": _echo("1 KB MessagePack, async def", "msgpack", 20_000),
    "stream": Case(
        "1 KB raw chunk of an async generator",
        (
            *("--mode=stream", "--method=stream", "--encoding=raw", "--payload-bytes=1000"),
            f"--requests={STREAMS}",
        ),
        (f"--chunks={SHORT_STREAM}",),
        (f"--chunks={LONG_STREAM}",),
        STREAMS * (LONG_STREAM - SHORT_STREAM),
    ),
}


def count(case: Case, length: tuple[str, ...], python: str, valgrind: str, out: Path) -> Path:
    """Run the worker under callgrind; returns the file with its counts."""
    command = [str(peers_build.LOADGEN), *case.common, *length]
    command += ["--warmup-seconds", "0", "--settle-seconds", "0"]
    command += ["--lockstep", "--init-timeout", "300", "--answer-timeout", "300", "--"]
    command += [valgrind, "--tool=callgrind", f"--callgrind-out-file={out}", "--quiet"]
    command += [python, str(WORKER)]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "GLIBC_TUNABLES": TUNABLES}
    for _ in range(ATTEMPTS):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            break
        # Killed in its shutdown, the worker leaves a file without a total.
        if out.exists() and TOTAL.search(out.read_text()):
            return out
    raise RunFailedError((done.stdout + done.stderr).strip() or f"exit {done.returncode}")


def total_of(counts: Path) -> int:
    found = TOTAL.search(counts.read_text())
    assert found is not None
    return int(found[1])


def profiles_of(counts: Path) -> tuple[Profile, Profile, Profile]:
    """By function: instructions of its own, with those that it calls, and how often it is called.

    The second is too much for functions that call themselves through others.
    """
    names: dict[str, str] = {}
    own: Profile = Counter()
    inclusive: Profile = Counter()
    calls: Profile = Counter()
    caller = callee = ""
    is_call = False
    for line in counts.read_text().splitlines():
        if named := re.match(r"(c?)fn=(\(\d+\))(?: (.*))?", line):
            called, number, name = named.groups()
            if name:
                # A number at the end tells apart the clones that the compiler made.
                names[number] = re.sub(r"(\.(isra|part|constprop|cold|lto_priv)\.?\d*)+$", "", name)
            if called:
                callee = names[number]
            else:
                caller = names[number]
        elif line.startswith("calls="):
            is_call = True
            calls[callee] += int(line[6:].split()[0])
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            cost = int(line.rsplit(" ", 1)[1])
            inclusive[caller] += cost
            if is_call:
                is_call = False
                if callee == caller:
                    inclusive[caller] -= cost
            else:
                own[caller] += cost
    return own, inclusive, calls


def measure(
    names: list[str], python: str, valgrind: str, folder: Path
) -> Iterator[tuple[str, Path, Path]]:
    """The cases one by one, each with the counts of its two runs."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [
            (
                name,
                pool.submit(count, case, case.short, python, valgrind, folder / f"{name}.short"),
                pool.submit(count, case, case.long, python, valgrind, folder / f"{name}.long"),
            )
            for name, case in ((name, CASES[name]) for name in names)
        ]
        try:
            for name, short, long in runs:
                yield name, short.result(), long.result()
        finally:
            pool.shutdown(cancel_futures=True)


def per_unit(case: Case, short: int, long: int) -> float:
    return (long - short) / case.units


def describe(python: str, valgrind: str) -> Record:
    """What the counts depend on."""
    done = subprocess.run(
        [python, "-P", "-c", DESCRIBE], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RunFailedError(done.stderr.strip())
    environment: Record = json.loads(done.stdout)
    for tool in ("gcc", valgrind):
        said = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
        environment[Path(tool).name] = (said.stdout.splitlines() or ["?"])[0]
    return environment


def compare(measured: dict[str, int], recorded: dict[str, int]) -> bool:
    """Print the table; whether no case is above its limit."""
    good = True
    print(f"{'case':<42} {'recorded':>9} {'now':>9} {'change':>8}")
    for name, now in measured.items():
        before = recorded.get(name)
        line = f"{CASES[name].title:<42} {before or '-':>9} {now:>9}"
        if before is not None:
            change = now / before - 1
            line += f" {change:>+8.1%}"
            if change > TOLERANCE:
                good = False
                line += "  too much"
        print(line)
    return good


def print_functions(case: Case, short: Path, long: Path, inclusive: bool, lines: int) -> None:
    own, with_callees, calls = (
        {name: per_unit(case, before[name], after[name]) for name in after}
        for before, after in zip(profiles_of(short), profiles_of(long), strict=True)
    )
    print(f"{case.title}: per request or chunk")
    print(f"{'calls':>9} {'own':>9} {'inclusive':>9}  function")
    print(f"{'':>9} {sum(own.values()):>9.1f} {'':>9}  all")
    key = with_callees if inclusive else own
    for name in sorted(key, key=key.__getitem__, reverse=True)[:lines]:
        print(f"{calls.get(name, 0):>9.2f} {own.get(name, 0):>9.1f} ", end="")
        print(f"{with_callees[name]:>9.1f}  {name}")


def report_change(recorded: Record, now: Record) -> None:
    for key, value in now.items():
        if recorded.get(key) != value:
            print(f"note: recorded with {key} {recorded.get(key)}, now {value}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Instructions per request of the worker, against a recorded baseline."
    )
    parser.add_argument("--python", default=sys.executable, help="one that has procwire")
    parser.add_argument("--case", action="append", choices=CASES, help="this one only")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    parser.add_argument("--record", action="store_true", help="write the baseline")
    parser.add_argument("--functions", metavar="CASE", choices=CASES, help="print its profile")
    parser.add_argument("--inclusive", action="store_true", help="... by cost with callees")
    parser.add_argument("--lines", type=int, default=45, help="... of so many functions")
    return parser.parse_args()


def run(options: argparse.Namespace, valgrind: str, folder: Path) -> int:
    environment = describe(options.python, valgrind)
    version = ".".join(environment["python"].split(".")[:2])
    if options.functions:
        for name, short, long in measure([options.functions], options.python, valgrind, folder):
            print_functions(CASES[name], short, long, options.inclusive, options.lines)
        return 0
    baseline: Record = json.loads(options.baseline.read_text()) if options.baseline.exists() else {}
    if not options.record and version not in baseline:
        print(f"nothing is recorded for Python {version} in {options.baseline.name}: use --record")
        return NOT_RECORDED
    measured: dict[str, int] = {}
    for name, short, long in measure(options.case or list(CASES), options.python, valgrind, folder):
        measured[name] = round(per_unit(CASES[name], total_of(short), total_of(long)))
        print(f"{name}: {measured[name]}", file=sys.stderr, flush=True)
    recorded = baseline.get(version, {"environment": environment, "instructions": {}})
    good = compare(measured, recorded["instructions"])
    if options.record:
        counts = {**recorded["instructions"], **measured}
        baseline[version] = {"environment": environment, "instructions": counts}
        options.baseline.parent.mkdir(parents=True, exist_ok=True)
        options.baseline.write_text(json.dumps(baseline, indent=2, sort_keys=True) + "\n")
        return 0
    report_change(recorded["environment"], environment)
    return 0 if good else REGRESSION


def main() -> int:
    options = arguments()
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        print("valgrind is not installed: instructions cannot be counted", file=sys.stderr)
        return NO_VALGRIND
    try:
        peers_build.build_loadgen()
        with tempfile.TemporaryDirectory() as folder:
            return run(options, valgrind, Path(folder))
    except (RunFailedError, peers_build.BuildError) as error:
        print(f"the run failed:\n{error}", file=sys.stderr)
        return RUN_FAILED


if __name__ == "__main__":
    sys.exit(main())
