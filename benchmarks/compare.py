"""Our worker beside the C, Rust and Node ones: one generator, interleaved rounds.

    python benchmarks/compare.py                    the whole table, about half an hour
    python benchmarks/compare.py --quick            a smoke run
    python benchmarks/compare.py --self-test        does the generator notice faults?
    python benchmarks/compare.py --python A --python B --loop asyncio --loop uvloop

Tables go to stdout, progress to stderr, every single run to results/DATE.json,
plots beside it. Exit code 1 when any answer of any worker was wrong.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import awake
import plots
import report
import scenarios as plan
import self_test
from peers_build import (
    BUILD,
    C_WORKER,
    HERE,
    LOADGEN,
    NODE_PARENT,
    NODE_WORKER,
    PYTHON_TYPED_WORKER,
    PYTHON_WORKER,
    RUST_WORKER,
    BuildError,
    build_c_worker,
    build_loadgen,
    build_node_peer,
    build_rust_peer,
    check_python,
    say,
)
from scenarios import Scenario

TICKS = os.sysconf("SC_CLK_TCK")
DISTURBED = 0.15  # cores
TABLE_PEERS = ("python", "python-inline", "python-suspend", "python-typed", "rust", "node", "c")


@dataclass(frozen=True)
class Peer:
    key: str  # unique; of the first Python and loop it is the kind
    kind: str  # what scenarios ask for
    label: str
    command: tuple[str, ...]
    method_suffix: str = ""
    python: str = ""


@dataclass(frozen=True)
class Settings:
    rounds: int
    sweep_rounds: int
    seconds: float
    sweep_seconds: float
    warmup: float
    spin_us: int
    retries: int
    node: str
    quick: bool
    awake: bool


class Failed(Exception):
    """A worker that answered wrongly, or not at all."""


# ---- single runs -------------------------------------------------------------


def bare_python_rss_kb(python: str) -> float:
    """What an interpreter with asyncio weighs before any package is imported."""
    code = "import asyncio, sys; sys.stdin.read()"
    with subprocess.Popen([python, "-c", code], stdin=subprocess.PIPE) as process:
        time.sleep(0.5)
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert process.stdin is not None
        process.stdin.close()
    return float(status.split("VmRSS:")[1].split()[0])


class Watch:
    """What else the machine did during a run: cores that neither side of it used."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._busy, self._stolen = self._machine()
        self._ours = self._children()

    @staticmethod
    def _machine() -> tuple[float, float]:
        fields = Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
        user, nice, system, _, _, irq, softirq, stolen = (float(x) / TICKS for x in fields)
        return user + nice + system + irq + softirq, stolen

    @staticmethod
    def _children() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def cores(self) -> dict[str, float]:
        elapsed = time.monotonic() - self._started
        busy, stolen = self._machine()
        others = busy - self._busy - (self._children() - self._ours)
        return {
            "other_cores": max(0.0, others / elapsed),
            "stolen_cores": (stolen - self._stolen) / elapsed,
        }


def run_command(command: Sequence[str]) -> dict[str, float]:
    watch = Watch()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        raise Failed("no end after 300 s") from None
    if done.returncode != 0:
        raise Failed((done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1])
    numbers = json.loads(done.stdout)
    found = {key: float(value) for key, value in numbers.items() if not isinstance(value, str)}
    return {**found, **watch.cores()}


def run_generator(scenario: Scenario, peer: Peer, seconds: float, s: Settings) -> dict[str, float]:
    command = [str(LOADGEN), "--json", "--spin-us", str(s.spin_us)]
    command += ["--method", scenario.method + peer.method_suffix, *scenario.options]
    if scenario.counted:
        command += ["--warmup-seconds", "0"]
    else:
        command += ["--warmup-seconds", str(s.warmup), "--seconds", str(seconds)]
    if s.quick and scenario.counted:
        command += ["--requests", "4"] if "--chunks" not in command else ["--chunks", "32"]
    numbers = run_command([*command, "--", *peer.command])
    numbers["rss_growth_kb"] = numbers["rss_peak_kb"] - numbers["rss_idle_kb"]
    numbers["spawn_to_init_ns"] = numbers["spawn_to_init_ms"] * 1e6
    if peer.python and scenario.name == "raw-1k":
        bare = bare_python_rss_kb(peer.python)
        numbers["rss_bare_kb"] = bare
        numbers["rss_idle_over_bare_kb"] = numbers["rss_idle_kb"] - bare
    return numbers


def run_once(scenario: Scenario, peer: Peer, seconds: float, s: Settings) -> dict[str, float]:
    if not scenario.node_parent_items:
        return run_generator(scenario, peer, seconds, s)
    parent = [s.node, str(NODE_PARENT), str(scenario.node_parent_items), str(seconds)]
    return run_command([*parent, *peer.command])


def run_undisturbed(
    scenario: Scenario, peer: Peer, seconds: float, s: Settings
) -> dict[str, float]:
    """Again when other programs took a share of the machine; the quietest run counts."""
    best: dict[str, float] = {}
    for _ in range(1 + s.retries):
        numbers = run_once(scenario, peer, seconds, s)
        if not best or numbers["other_cores"] < best["other_cores"]:
            best = numbers
        if best["other_cores"] <= DISTURBED:
            break
        if s.retries:
            say(f"    other programs used {numbers['other_cores']:.2f} cores meanwhile")
    return best


class Comparison:
    def __init__(self, peers: Sequence[Peer], settings: Settings) -> None:
        self.peers = peers
        self.settings = settings
        self.runs: list[report.Run] = []
        self.failures: list[str] = []

    def run(self, what: str, scenarios: Sequence[Scenario], rounds: int, seconds: float) -> None:
        jobs = [
            (scenario, peer)
            for scenario in scenarios
            for peer in self.peers
            if peer.kind in scenario.peers
        ]
        if not any(peer.kind == "node" for peer in self.peers):
            jobs = [job for job in jobs if not job[0].node_parent_items]
        broken: set[tuple[str, str]] = set()
        for round_number in range(rounds):
            # Turned round by round, so that no peer always runs behind the same one.
            turned = jobs[::-1] if round_number % 2 else jobs
            for done, (scenario, peer) in enumerate(turned, start=1):
                if (scenario.name, peer.key) in broken:
                    continue
                head = f"[{what} {round_number + 1}/{rounds}, {done}/{len(jobs)}]"
                try:
                    numbers = run_undisturbed(scenario, peer, seconds, self.settings)
                except Failed as error:
                    broken.add((scenario.name, peer.key))
                    self.failures.append(f"{peer.label}, {scenario.title}: {error}")
                    say(f"{head} {scenario.title} · {peer.label}: FAILED: {error}")
                    continue
                self.runs.append(report.Run(scenario.name, peer.key, round_number, numbers))
                value = report.amount(numbers.get(scenario.metric), scenario.unit)
                say(f"{head} {scenario.title} · {peer.label}: {value}")


# ---- peers -------------------------------------------------------------------


def find_peers(arguments: argparse.Namespace) -> tuple[list[Peer], list[str]]:
    peers: list[Peer] = []
    missing: list[str] = []

    def add(label: str, wanted: str, prepare: Callable[[], None], *found: Peer) -> None:
        if arguments.peers and wanted not in arguments.peers:
            return
        try:
            prepare()
        except BuildError as error:
            say(f"{label}: skipped, {error}")
            missing.append(f"{label}: skipped, {str(error).splitlines()[0]}")
            return
        peers.extend(found)

    for number, (python, loop) in enumerate(
        (python, loop) for python in arguments.python for loop in arguments.loop
    ):
        version = report.python_versions(python).split(",")[0].replace("CPython ", "")
        name = f"Python {version}" if len(arguments.python) > 1 else "Python"
        name += f", {loop}" if len(arguments.loop) > 1 else ""
        command = (python, str(PYTHON_WORKER), "--loop", loop)
        mark = "" if number == 0 else f"@{version}-{loop}"
        forms = {"python": ("`async def`", ""), "python-inline": ("inline `def`", "_inline")}
        if number == 0:
            forms["python-suspend"] = ("`async def` that waits", "_suspend")
        typed = (python, str(PYTHON_TYPED_WORKER), "--loop", loop)
        label = f"{name}, `async def`, typed"
        with_types = Peer("python-typed", "python-typed", label, typed, "_typed", python)
        add(
            f"Python {version} with {loop}",
            "python",
            partial(check_python, python, loop),
            *(
                Peer(kind + mark, kind, f"{name}, {form}", command, suffix, python)
                for kind, (form, suffix) in forms.items()
            ),
            *([with_types] if number == 0 else []),
        )
    add("Rust", "rust", build_rust_peer, Peer("rust", "rust", "Rust", (str(RUST_WORKER),)))
    node = (arguments.node, str(NODE_WORKER))
    add(
        "Node", "node", partial(build_node_peer, arguments.node), Peer("node", "node", "Node", node)
    )
    add("C", "c", build_c_worker, Peer("c", "c", "bare C", (str(C_WORKER),)))
    return peers, missing


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--python", action="append", help="interpreter of our worker; repeat to compare several")
    add("--loop", action="append", choices=["asyncio", "uvloop"], help="its loop; repeatable")
    add("--node", default="node", help="the Node binary (its packages ask for 22 or newer)")
    add("--peers", type=lambda text: text.split(","), help="only these, of python,rust,node,c")
    add("--only", type=lambda text: text.split(","), help="only these scenarios, by name")
    add("--rounds", type=int, default=5)
    add("--seconds", type=float, default=2.0, help="of each measured window")
    add("--spin-us", type=int, default=50, help="see loadgen --help")
    add("--retries", type=int, default=2, help="of a run that other programs disturbed")
    add("--asleep", action="store_true", help="let idle processors sleep; see awake.py")
    add("--no-sweeps", action="store_true", help="leave out the runs for the curves")
    add("--quick", action="store_true", help="a few seconds, numbers without meaning")
    add("--self-test", action="store_true", help="check the generator with faulty workers")
    add("--output", type=Path, help="folder of the JSON and the plots")
    arguments = parser.parse_args()
    arguments.python = arguments.python or [sys.executable]
    arguments.loop = arguments.loop or ["asyncio"]
    return arguments


def stay_awake() -> bool:
    """Keep idle processors awake until this process ends; whether they are."""
    try:
        awake.keep_awake()
    except OSError as error:
        say(f"idle processors sleep: {error}")
        return False
    return True


def make_settings(arguments: argparse.Namespace, are_awake: bool) -> Settings:
    if arguments.quick:
        return Settings(
            1, 1, 0.1, 0.05, 0.05, arguments.spin_us, 0, arguments.node, True, are_awake
        )
    return Settings(
        rounds=arguments.rounds,
        sweep_rounds=min(arguments.rounds, 3),
        seconds=arguments.seconds,
        sweep_seconds=arguments.seconds / 2,
        warmup=1.0,  # V8 compiles the hot code only after a while
        spin_us=arguments.spin_us,
        retries=arguments.retries,
        node=arguments.node,
        quick=False,
        awake=are_awake,
    )


# ---- the whole ---------------------------------------------------------------


def main() -> int:
    arguments = parse_arguments()
    if arguments.self_test:
        return self_test.main()
    started = datetime.datetime.now(datetime.UTC)
    machine = report.machine()
    settings = make_settings(arguments, not arguments.asleep and stay_awake())
    try:
        build_loadgen()
    except BuildError as error:
        say(f"no load generator: {error}")
        return 2
    peers, missing = find_peers(arguments)
    ours = not arguments.peers or "python" in arguments.peers
    if ours and not any(peer.python for peer in peers):
        say("without our own worker there is nothing to compare")
        return 2
    comparison = Comparison(peers, settings)

    def wanted(found: Sequence[Scenario]) -> list[Scenario]:
        return [s for s in found if not arguments.only or s.name in arguments.only]

    comparison.run("table", wanted(plan.MAIN), settings.rounds, settings.seconds)
    if not arguments.no_sweeps:
        sweeps = [*plan.size_sweep(), *plan.in_flight_sweep()]
        chosen = wanted(sweeps)[::4] if settings.quick else wanted(sweeps)
        comparison.run("curves", chosen, settings.sweep_rounds, settings.sweep_seconds)

    folder: Path = arguments.output or (BUILD / "quick" if settings.quick else HERE / "results")
    folder.mkdir(parents=True, exist_ok=True)
    pythons = {str(n): report.python_versions(p) for n, p in enumerate(arguments.python)}
    document = {
        "date": started.isoformat(timespec="seconds"),
        "machine": machine,
        "versions": {**report.versions(arguments.node), "python": pythons},
        "settings": {key: v for key, v in vars(settings).items() if key != "node"},
        "skipped": missing,
        "failures": comparison.failures,
        "peers": {peer.key: peer.label for peer in peers},
        "runs": [vars(run) for run in comparison.runs],
    }
    path = folder / f"{started:%Y-%m-%d}.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    plots.write_all(path, folder)

    runs = report.Runs(comparison.runs)
    labels = {peer.key: peer.label for peer in peers}
    names = {key: labels[key] for key in (*TABLE_PEERS, *labels) if key in labels}
    measured = [s for s in plan.MAIN if s in wanted(plan.MAIN)]
    others = [run.numbers["other_cores"] for run in comparison.runs]
    busy = f"other programs used {statistics.median(others or [0]):.2f} cores (median)"
    busy += f", {max(others, default=0):.2f} at most"
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"
    print(f"{where}; {started:%Y-%m-%d}; {settings.rounds} rounds of {settings.seconds:g} s")
    idle = "were kept awake" if settings.awake else "slept when there was nothing to do"
    print(f"meanwhile {busy}, and processors {idle}\n")
    for table in (
        report.bars_table(runs),
        report.rates_table(runs, measured, names),
        report.costs_table(runs, names),
    ):
        print(table + "\n")
    for line in [*missing, *comparison.failures]:
        print(f"- {line}")
    say(f"written: {path.name} and the plots, in {folder.name}/")
    return 1 if comparison.failures else 0


if __name__ == "__main__":
    sys.exit(main())
