// Medians of the rounds, and ratios to the Node worker, as Markdown.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, type } from "node:os";

const REFERENCE = "procwire-node";

export function median(values) {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const formatRate = (rate) => Math.round(rate).toLocaleString("en");
const formatMegabytes = (bytes) => (bytes / 1e6).toFixed(0);

const row = (cells) => `| ${cells.join(" | ")} |`;
const table = (head, rows) =>
  [row(head), row(head.map((_, column) => (column ? "---:" : "---"))), ...rows.map(row)].join("\n");

export function describeMachine() {
  return { cpu: cpus()[0].model, cores: cpus().length, system: `${type()} ${release()}` };
}

export function versions(python) {
  const script = "import platform as p; print(p.python_implementation(), p.python_version())";
  const answer = spawnSync(python, ["-c", script], { encoding: "utf8" });
  const packages = JSON.parse(readFileSync(new URL("package.json", import.meta.url)));
  return { node: process.version, python: answer.stdout.trim(), ...packages.dependencies };
}

function pick(runs, job, peer, field) {
  return runs.measured
    .filter((one) => one.job === job.key && one.peer === peer.key)
    .map((one) => one[field]);
}

/** The median of the rounds' own ratios: a noisy neighbour slows both sides of one. */
function ratio(runs, job, peer) {
  const found = [];
  for (const one of runs.measured) {
    if (one.job !== job.key || one.peer !== peer.key) continue;
    const other = runs.measured.find(
      (other) => other.job === job.key && other.peer === REFERENCE && other.round === one.round,
    );
    if (other) found.push(one.rate / other.rate);
  }
  return median(found);
}

function ratesTable(runs, jobs) {
  const head = ["rate, × the Node worker", ...runs.peers.map((peer) => peer.label)];
  const rows = jobs.map((job) => [
    `${job.title}, ${job.unit}`,
    ...runs.peers.map((peer) => {
      const rate = median(pick(runs, job, peer, "rate"));
      if (Number.isNaN(rate)) return "–";
      const times = ratio(runs, job, peer);
      const text = formatRate(rate);
      return Number.isNaN(times) ? text : `${text} (${times.toFixed(2)} ×)`;
    }),
  ]);
  return table(head, rows);
}

function cpuTable(runs, jobs) {
  const head = ["µs of CPU: parent + worker", ...runs.peers.map((peer) => peer.label)];
  // For bytes, per MB.
  const rows = jobs.map((job) => {
    const scale = job.scale ? 1 / job.scale : 1;
    const unit = job.scale ? "a MB" : job.unit === "items/s" ? "an item" : "a request";
    const cell = (peer) =>
      ["parentMicros", "childMicros"]
        .map((field) => (median(pick(runs, job, peer, field)) * scale).toFixed(1))
        .join(" + ");
    return [`${job.title}, ${unit}`, ...runs.peers.map(cell)];
  });
  return table(head, rows);
}

function costsTable(runs, jobs) {
  const of = (peer, field) =>
    runs.starts.filter((one) => one.peer === peer.key).map((one) => one[field]);
  const peak = (peer, wanted) => {
    const values = runs.measured
      .filter((one) => one.peer === peer.key && wanted(one.job))
      .reduce((found, one) => {
        found[one.round] = Math.max(found[one.round] ?? 0, one.memoryPeak);
        return found;
      }, []);
    return formatMegabytes(median(values));
  };
  const rare = new Set(jobs.filter((job) => job.rare).map((job) => job.key));
  const rows = runs.peers.map((peer) => [
    peer.label,
    (median(of(peer, "startup")) * 1000).toFixed(0),
    formatMegabytes(median(of(peer, "memoryIdle"))),
    peak(peer, (job) => !rare.has(job)),
    peak(peer, (job) => rare.has(job)),
  ]);
  return table(
    [
      "worker",
      "spawn to first answer, ms",
      "memory idle, MB",
      "peak with 1 KB calls",
      "peak with 10 MiB calls",
    ],
    rows,
  );
}

export function tables(runs, jobs) {
  const others = runs.measured.map((one) => one.otherCores);
  const { machine, versions: found } = runs;
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.system};`,
    `Node ${found.node}, ${found.python};`,
    `${runs.date.slice(0, 10)}; medians of ${runs.rounds} rounds of ${runs.seconds} s; meanwhile`,
    `other programs used ${median(others).toFixed(2)} cores (median)`,
    runs.awake ? "and processors were kept awake" : "and processors slept when there was nothing to do",
  ];
  const parts = [
    lines.join(" "),
    ratesTable(runs, jobs),
    cpuTable(runs, jobs),
    costsTable(runs, jobs),
  ];
  const remarks = [...runs.left, ...runs.failures];
  if (remarks.length > 0) parts.push(remarks.map((text) => `- ${text}`).join("\n"));
  return `${parts.join("\n\n")}\n`;
}
