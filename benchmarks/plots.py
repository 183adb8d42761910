"""SVG plots of one result file, written by hand: no dependency, light and dark.

Usage: python benchmarks/plots.py results/2026-01-31.json [FOLDER]
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from report import Run, Runs, amount
from scenarios import IN_FLIGHT, PAYLOAD_SIZES

STYLE = """
  :root { --page: #ffffff; --ink: #1f2328; --quiet: #656d76; --grid: #d8dee4; --track: #f1f4f7;
          --python: #2563eb; --python-inline: #60a5fa; --python-suspend: #a5b4fc;
          --rust: #d9730d; --node: #2f9e44; --c: #868e96;
          --other-0: #c026d3; --other-1: #0d9488; --other-2: #e11d48; --other-3: #7c5c2e; }
  @media (prefers-color-scheme: dark) {
    :root { --page: #0d1117; --ink: #e6edf3; --quiet: #8d96a0; --grid: #30363d; --track: #161b22;
            --python: #58a6ff; --python-inline: #9ecbff; --python-suspend: #7c83db;
            --rust: #f0883e; --node: #56d364; --c: #8b949e;
            --other-0: #e879f9; --other-1: #2dd4bf; --other-2: #fb7185; --other-3: #d6b27c; } }
  text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif;
         fill: var(--ink); }
  .title { font-size: 16px; font-weight: 600; }
  .head { font-size: 13px; font-weight: 600; }
  .quiet { fill: var(--quiet); }
  .page { fill: var(--page); }
  .track { fill: var(--track); }
  .grid { stroke: var(--grid); stroke-width: 1; }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
"""

COLOURED = ("python", "python-inline", "python-suspend", "rust", "node", "c")


def colours(peers: dict[str, str]) -> dict[str, str]:
    """The peers of the table keep their colours; further interpreters take what is left."""
    others = [key for key in peers if key not in COLOURED]
    names = {key: f"other-{i % 4}" for i, key in enumerate(others)}
    return {key: f"var(--{names.get(key, key)})" for key in peers}


@dataclass
class Drawing:
    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list)

    def text(
        self, x: float, y: float, words: str, cls: str = "", anchor: str = "start", turn: int = 0
    ) -> None:
        turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{cls}" text-anchor="{anchor}"{turned}>'
            f"{escape(words)}</text>"
        )

    def box(self, x: float, y: float, width: float, height: float, paint: str) -> None:
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="3" '
            f"{paint}/>"
        )

    def grid(self, x1: float, y1: float, x2: float, y2: float) -> None:
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="grid"/>'
        )

    def line(self, points: Sequence[tuple[float, float]], stroke: str) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" class="line" stroke="{stroke}"/>')
        for x, y in points:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{stroke}"/>')

    def write(self, path: Path) -> None:
        body = "\n".join(self.parts)
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img">\n'
            f"<title>{escape(self.title)}</title>\n<style>{STYLE}</style>\n"
            f'<rect class="page" width="{self.width}" height="{self.height}" rx="8"/>\n'
            f"{body}\n</svg>\n"
        )


# ---- bars ----------------------------------------------------------------------


@dataclass(frozen=True)
class Panel:
    head: str
    scenario: str
    metric: str
    unit: str


PANELS = (
    Panel("1 KB bytes, 256 in flight · requests/s", "raw-1k", "requests_per_s", ""),
    Panel("1 KB MessagePack, 256 in flight · requests/s", "msgpack-1k", "requests_per_s", ""),
    Panel("1 MiB bytes, 4 in flight", "raw-1m", "bytes_per_s", "B/s"),
    Panel("10 MiB bytes, 2 in flight", "raw-10m", "bytes_per_s", "B/s"),
    Panel("one at a time, median · less is better", "latency", "latency_p50_ns", "ns"),
    Panel("worker CPU per 1 KB request · less is better", "raw-1k", "cpu_ns_per_request", "ns"),
    Panel("memory, idle · less is better", "raw-1k", "rss_idle_kb", "kB"),
    Panel("memory, peak at 10 MiB × 2 · less is better", "raw-10m", "rss_peak_kb", "kB"),
)
TRACK_WIDTH, VALUE_WIDTH, BAR = 230, 84, 22


def bars(runs: Runs, peers: dict[str, str], subtitle: str) -> Drawing:
    shown = []
    for panel in PANELS:
        values = {
            key: value
            for key in peers
            if (value := runs.median(panel.scenario, key, panel.metric)) is not None
        }
        if values:
            shown.append((panel, values))
    rows = [shown[i : i + 2] for i in range(0, len(shown), 2)]
    heights = [34 + BAR * max(len(values) for _, values in row) + 16 for row in rows]
    labels = {key: label.replace("`", "") for key, label in peers.items()}
    label_width = 7 * max(map(len, labels.values()), default=0) + 8
    panel_width = label_width + TRACK_WIDTH + VALUE_WIDTH
    paint = colours(peers)
    drawing = Drawing(2 * panel_width + 48, 70 + sum(heights), "Workers side by side")
    drawing.text(24, 30, "Procwire workers, driven by one native load generator", "title")
    drawing.text(24, 50, subtitle, "quiet")
    y = 70.0
    for row, height in zip(rows, heights, strict=True):
        for column, (panel, values) in enumerate(row):
            x = 24.0 + column * panel_width
            drawing.text(x, y + 16, panel.head, "head")
            track = x + label_width
            for i, (key, value) in enumerate(values.items()):
                top = y + 26 + i * BAR
                length = max(2.0, TRACK_WIDTH * value / max(values.values()))
                drawing.text(track - 8, top + 14, labels[key], anchor="end")
                drawing.box(track, top + 3, TRACK_WIDTH, BAR - 7, 'class="track"')
                drawing.box(track, top + 3, length, BAR - 7, f'fill="{paint[key]}"')
                drawing.text(track + TRACK_WIDTH + 8, top + 14, amount(value, panel.unit))
        y += height
    return drawing


# ---- curves --------------------------------------------------------------------


def _size_name(size: float) -> str:
    for unit, factor in (("MiB", 1024 * 1024), ("KiB", 1024)):
        if size >= factor:
            return f"{size / factor:g} {unit}"
    return f"{size:g} B"


@dataclass(frozen=True)
class Curves:
    title: str
    prefix: str
    xs: tuple[int, ...]
    metric: str
    unit: str
    x_title: str


SIZE_CURVES = Curves(
    "Rate against payload size", "size", PAYLOAD_SIZES, "bytes_per_s", "B/s", "payload"
)
IN_FLIGHT_CURVES = Curves(
    "1 KB requests/s against requests in flight",
    "in-flight",
    IN_FLIGHT,
    "requests_per_s",
    "",
    "requests in flight",
)


def curves(what: Curves, runs: Runs, peers: dict[str, str], subtitle: str) -> Drawing | None:
    series: dict[str, list[tuple[int, float]]] = {}
    for key in peers:
        found = [
            (x, value)
            for x in what.xs
            if (value := runs.median(f"{what.prefix}-{x}", key, what.metric)) is not None
        ]
        if found:
            series[key] = found
    if not series:
        return None
    left, top, width, height = 84.0, 78.0, 700.0, 360.0
    xs = [math.log2(x) for points in series.values() for x, _ in points]
    ys = [math.log10(y) for points in series.values() for _, y in points]
    x_low, x_high = min(xs), max(max(xs), min(xs) + 1)
    y_low, y_high = math.floor(min(ys)), math.ceil(max(ys) + 0.05)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log2(x) - x_low) / (x_high - x_low)
        up = (math.log10(y) - y_low) / (y_high - y_low)
        return left + 10 + across * (width - 20), top + height - up * height

    paint = colours(peers)
    drawing = Drawing(1000, 500, what.title)
    drawing.text(24, 30, what.title, "title")
    drawing.text(24, 50, f"{subtitle} · both axes logarithmic", "quiet")
    for power in range(y_low, y_high + 1):
        _, y = place(2**x_low, 10.0**power)
        drawing.grid(left, y, left + width, y)
        tick = amount(10.0**power, what.unit).replace(".00", "").replace(".0", "")
        drawing.text(left - 8, y + 4, tick, "quiet", "end")
    for x in sorted({x for points in series.values() for x, _ in points}):
        at, _ = place(x, 10.0**y_low)
        name = _size_name(x) if what.prefix == "size" else str(x)
        drawing.text(at, top + height + 20, name, "quiet", "middle")
    drawing.text(left + width / 2, top + height + 42, what.x_title, "quiet", "middle")
    for key, points in series.items():
        drawing.line([place(x, y) for x, y in points], paint[key])
    # Names at the ends of the lines, moved apart where the lines meet.
    ends = sorted((place(*points[-1])[1], key) for key, points in series.items())
    last = -math.inf
    for y, key in ends:
        last = max(y, last + 16)
        drawing.box(left + width + 14, last - 5, 10, 10, f'fill="{paint[key]}"')
        drawing.text(left + width + 30, last + 4, peers[key].replace("`", ""))
    return drawing


# ---- files ---------------------------------------------------------------------


def write_all(results: Path, folder: Path) -> list[Path]:
    document = json.loads(results.read_text())
    runs = Runs(Run(**run) for run in document["runs"])
    peers: dict[str, str] = document["peers"]
    machine = document["machine"]
    subtitle = f"{machine['cpu']}, {machine['cores']} cores · {document['date'][:10]} · medians"
    drawings = {
        "peers.svg": bars(runs, peers, subtitle),
        "payload-size.svg": curves(SIZE_CURVES, runs, peers, subtitle),
        "in-flight.svg": curves(IN_FLIGHT_CURVES, runs, peers, subtitle),
    }
    written = []
    for name, drawing in drawings.items():
        if drawing is not None:
            drawing.write(folder / name)
            written.append(folder / name)
    return written


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    results = Path(sys.argv[1])
    folder = Path(sys.argv[2]) if len(sys.argv) == 3 else results.parent
    for path in write_all(results, folder):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
