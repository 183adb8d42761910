// An Arrow table of a million rows and four columns, to a worker and back: Python's and Node's.
//
//   PYTHON=python3 node tables/run.mjs [--rounds 5] [--seconds 3] [--quick] [--output FOLDER]
//
// A table goes to stdout, progress to stderr, every measurement to ../results/tables-DATE.json.
// Each answer is compared with what was sent, outside of what is measured. Exit code 1 when one
// differs.

import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { arrowCodec } from "@procwire/codecs/arrow";
import { Module, ModuleManager } from "@procwire/core";
import { tableFromArrays } from "apache-arrow";

import { beside, importsOf } from "../peers/python.mjs";
import { cpuSeconds, memory } from "../procfs.mjs";
import { describeMachine, median, versions } from "../report.mjs";

const ROWS = 1_000_000;
const TABLE_BYTES = ROWS * (4 + 8 + 8 + 4);
const WARM_UP = 3;

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    quick: { type: "boolean", default: false },
    output: { type: "string" },
  },
});
const rounds = options.quick ? 1 : Number(options.rounds);
const seconds = options.quick ? 0.1 : Number(options.seconds);
const python = process.env.PYTHON || "python3";

const inPython = (loop) => [python, [beside(import.meta.url, "worker.py"), loop]];
const PEERS = [
  { label: "Python (asyncio)", command: inPython("asyncio"), imports: ["procwire", "pyarrow"] },
  { label: "Python (uvloop)", command: inPython("uvloop"), imports: ["pyarrow", "uvloop"] },
  { label: "Node", command: [process.execPath, [beside(import.meta.url, "worker.mjs")]], imports: [] },
];

/** Two tables in turn, so that an answer to another request is noticed. */
function makeTable(offset) {
  const length = ROWS;
  const number = (_, index) => index + offset;
  return tableFromArrays({
    id: Int32Array.from({ length }, number),
    time: BigInt64Array.from({ length }, (_, index) => BigInt(index + offset)),
    price: Float64Array.from({ length }, number),
    weight: Float32Array.from({ length }, number),
  });
}

const bytesOf = ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength);

function check(sent, got) {
  for (const { name } of sent.schema.fields) {
    const [one, other] = [sent, got].map((table) => bytesOf(table.getChild(name).toArray()));
    if (!one.equals(other)) throw new Error(`a wrong answer: the column ${name}`);
  }
}

const ownSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

async function measure({ label, command }, tables) {
  const module = new Module("tables").executable(...command).method("echo", { codec: arrowCodec });
  const manager = new ModuleManager().register(module);
  await manager.spawn();
  try {
    const { pid } = module.process;
    const idle = memory(pid, "VmRSS");
    for (let i = 0; i < WARM_UP; i++) check(tables[i % 2], await module.send("echo", tables[i % 2]));
    const times = [];
    let spent = 0;
    let parentCpu = 0;
    const workerCpu = cpuSeconds(pid);
    for (let i = 0; spent < seconds; i++) {
      const sent = tables[i % 2];
      const [start, cpu] = [performance.now(), ownSeconds()];
      const got = await module.send("echo", sent);
      times.push((performance.now() - start) / 1000);
      parentCpu += ownSeconds() - cpu;
      spent += times.at(-1);
      check(sent, got);
    }
    return {
      peer: label,
      seconds: median(times),
      parent: parentCpu / times.length,
      worker: (cpuSeconds(pid) - workerCpu) / times.length,
      idle,
      peak: memory(pid, "VmHWM"),
    };
  } finally {
    await manager.shutdown();
  }
}

const peers = PEERS.filter(({ label, imports }) => {
  const missing = importsOf(python, imports);
  if (missing) console.error(`${label}: left out, ${missing}`);
  return !missing;
});
const tables = [makeTable(0), makeTable(1)];
const measured = [];
for (let round = 0; round < rounds; round++) {
  // Turned round by round, so that no peer always runs behind the same one.
  for (const peer of round % 2 ? peers.toReversed() : peers) {
    const numbers = { round, ...(await measure(peer, tables)) };
    measured.push(numbers);
    console.error(`[round ${round + 1}/${rounds}] ${peer.label}: ${(numbers.seconds * 1000).toFixed(0)} ms`);
  }
}

const date = new Date().toISOString();
const machine = describeMachine();
const runs = { date, machine, versions: versions(python), rounds, seconds, measured };
const folder = options.output ?? beside(import.meta.url, options.quick ? "../../build/quick/" : "../../results/");
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}/tables-${date.slice(0, 10)}.json`, `${JSON.stringify(runs, null, 1)}\n`);

const megabytes = (bytes) => (bytes / 1e6).toFixed(0);
const of = (peer, field) => median(measured.filter((one) => one.peer === peer.label).map((one) => one[field]));
const lines = [
  ["1 M rows × 4 columns (24 MB), one at a time", ...peers.map((peer) => peer.label)],
  ["---", ...peers.map(() => "---:")],
  ["there and back, ms", ...peers.map((peer) => (of(peer, "seconds") * 1000).toFixed(0))],
  ["MB/s each way", ...peers.map((peer) => megabytes(TABLE_BYTES / of(peer, "seconds")))],
  ["CPU of the parent, ms", ...peers.map((peer) => (of(peer, "parent") * 1000).toFixed(0))],
  ["CPU of the worker, ms", ...peers.map((peer) => (of(peer, "worker") * 1000).toFixed(0))],
  ["memory idle, MB", ...peers.map((peer) => megabytes(of(peer, "idle")))],
  ["peak memory, MB", ...peers.map((peer) => megabytes(of(peer, "peak")))],
];
const { cpu, cores, system } = machine;
console.log(`${cpu}, ${cores} cores, ${system}; ${runs.versions.python}, Node ${runs.versions.node}; medians of ${rounds} rounds\n`);
console.log(lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n"));
