"""From single runs to medians, ratios and tables."""

from __future__ import annotations

import os
import platform
import re
import shutil
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from peers_build import PEERS
from scenarios import ROWS, Row, Scenario


@dataclass(frozen=True)
class Run:
    scenario: str
    peer: str
    round: int
    numbers: dict[str, float]


class Runs:
    """All runs of one comparison, asked for by scenario and peer."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._values: dict[tuple[str, str], dict[int, dict[str, float]]] = {}
        for run in runs:
            self._values.setdefault((run.scenario, run.peer), {})[run.round] = run.numbers

    def by_round(self, scenario: str, peer: str, metric: str) -> dict[int, float]:
        rounds = self._values.get((scenario, peer), {})
        return {number: run[metric] for number, run in rounds.items() if metric in run}

    def median(self, scenario: str, peer: str, metric: str) -> float | None:
        values = self.by_round(scenario, peer, metric).values()
        return statistics.median(values) if values else None

    def ratios(self, row: Row) -> list[float]:
        """Ours against the peer's of the same round: neighbours on the machine slow both."""
        if row.peer is None:
            return []
        ours = self.by_round(row.scenarios[0], row.ours, row.metric)
        theirs = self.by_round(row.scenarios[0], row.peer, row.metric)
        both = sorted(ours.keys() & theirs.keys())
        if row.less_is_better:
            return [theirs[number] / ours[number] for number in both]
        return [ours[number] / theirs[number] for number in both]


@dataclass(frozen=True)
class Verdict:
    row: Row
    value: float | None
    low: float = 0.0
    high: float = 0.0

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value <= self.row.bar if self.row.peer is None else self.value >= self.row.bar


def judge(row: Row, runs: Runs) -> Verdict:
    if row.peer is not None:
        ratios = runs.ratios(row)
        if not ratios:
            return Verdict(row, None)
        return Verdict(row, statistics.median(ratios), min(ratios), max(ratios))
    worst: Verdict = Verdict(row, None)
    for scenario in row.scenarios:
        values = [v * row.scale for v in runs.by_round(scenario, row.ours, row.metric).values()]
        if not values:
            return Verdict(row, None)
        value = statistics.median(values)
        if worst.value is None or value > worst.value:
            worst = Verdict(row, value, min(values), max(values))
    return worst


def verdicts(runs: Runs) -> list[Verdict]:
    return [judge(row, runs) for row in ROWS]


# ---- words -------------------------------------------------------------------


def amount(value: float | None, unit: str) -> str:
    """A number as people read it: 1.24 M, 3.1 GB/s, 18.2 µs."""
    if value is None:
        return "–"
    if unit == "kB":
        return f"{value / 1024:.1f} MB"
    steps: list[tuple[float, str]] = [(1e9, " G"), (1e6, " M"), (1e3, " k"), (1, "")]
    if unit == "ns":
        steps = [(1e6, " ms"), (1e3, " µs"), (1, " ns")]
    elif unit == "B/s":
        steps = [(1e9, " GB/s"), (1e6, " MB/s"), (1, " B/s")]
    for factor, suffix in steps:
        if value >= factor:
            scaled = value / factor
            digits = 0 if scaled >= 100 else 1 if scaled >= 10 else 2
            return f"{scaled:.{digits}f}{suffix}"
    return f"{value:.2f}{steps[-1][1]}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" + " ---: |" * (len(header) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _goal(row: Row, value: float) -> str:
    if value == float("inf"):
        return "what the parent can take"
    if row.peer is None:
        return f"≤ {value:g} {row.unit}"
    return f"{value:g} ×"


def bars_table(runs: Runs) -> str:
    rows = []
    for verdict in verdicts(runs):
        row = verdict.row
        measured, spread, word = "–", "–", "not measured"
        if verdict.value is not None:
            unit = f" {row.unit}"
            measured = f"**{verdict.value:.2f}{unit}**"
            spread = f"{verdict.low:.2f} … {verdict.high:.2f}"
            word = "met" if verdict.met else "missed"
        rows.append((row.title, _goal(row, row.bar), _goal(row, row.hope), measured, spread, word))
    return _table(("median of the rounds", "bar", "hoped for", "measured", "spread", ""), rows)


def rates_table(runs: Runs, scenarios: Sequence[Scenario], peers: dict[str, str]) -> str:
    rows = []
    for scenario in scenarios:
        cells = [
            amount(runs.median(scenario.name, key, scenario.metric), scenario.unit) for key in peers
        ]
        unit = scenario.unit if scenario.unit in ("requests/s", "items/s") else ""
        rows.append((f"{scenario.title}{', ' + unit if unit else ''}", *cells))
    return _table(("median", *peers.values()), rows)


COSTS: tuple[tuple[str, str, str, str], ...] = (
    ("CPU per 1 KB request", "raw-1k", "cpu_ns_per_request", "ns"),
    ("CPU per 1 KB MessagePack request", "msgpack-1k", "cpu_ns_per_request", "ns"),
    ("CPU per 1 MiB request", "raw-1m", "cpu_ns_per_request", "ns"),
    ("CPU per 1 KB stream item", "stream-1k", "cpu_ns_per_item", "ns"),
    ("memory idle", "raw-1k", "rss_idle_kb", "kB"),
    ("memory peak, 1 KB × 256", "raw-1k", "rss_peak_kb", "kB"),
    ("memory peak, 10 MiB × 2", "raw-10m", "rss_peak_kb", "kB"),
    ("spawn to `$init`", "raw-1k", "spawn_to_init_ns", "ns"),
    ("threads", "raw-1k", "worker_threads", "count"),
)


def costs_table(runs: Runs, peers: dict[str, str]) -> str:
    rows = []
    for title, scenario, metric, unit in COSTS:
        cells = [amount(runs.median(scenario, key, metric), unit) for key in peers]
        if unit == "count":
            cells = [f"{float(cell):g}" if cell != "–" else cell for cell in cells]
        rows.append((title, *cells))
    return _table(("median", *peers.values()), rows)


# ---- the machine -------------------------------------------------------------


def _first_line(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        return "not there"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[0] if done.returncode == 0 else "?"


def _grep(path: Path, pattern: str) -> str:
    found = re.search(pattern, path.read_text()) if path.exists() else None
    return found.group(1).strip() if found else "?"


def machine() -> dict[str, str]:
    return {
        "cpu": _grep(Path("/proc/cpuinfo"), r"model name\s*:\s*(.*)"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": _grep(Path("/proc/meminfo"), r"MemTotal:\s*(\d+ kB)"),
        "system": f"{platform.system()} {platform.release()}",
        "load_average_before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def versions(node: str) -> dict[str, str]:
    node_lock = PEERS / "node" / "node_modules" / "@procwire"
    rust_lock = PEERS / "rust" / "Cargo.lock"
    found = {
        "gcc": _first_line(["gcc", "--version"]),
        "node": _first_line([node, "--version"]),
        "rustc": _first_line(["rustc", "--version"]),
    }
    for name in ("client", "codecs", "core"):
        manifest = node_lock / name / "package.json"
        found[f"@procwire/{name}"] = _grep(manifest, r'"version":\s*"([^"]+)"')
    for name in ("procwire-client", "tokio", "rmp-serde"):
        found[name] = _grep(rust_lock, rf'name = "{name}"\nversion = "([^"]+)"')
    return found


PYTHON_VERSIONS = """
import platform, sys
from importlib import metadata
words = [platform.python_implementation(), platform.python_version()]
for name in ("procwire", "msgpack", "uvloop"):
    try:
        words.append(f"{name} {metadata.version(name)}")
    except metadata.PackageNotFoundError:
        pass
print(", ".join([" ".join(words[:2]), *words[2:]]))
"""


def python_versions(python: str) -> str:
    return _first_line([python, "-c", PYTHON_VERSIONS])
