// What a Node user sees: Procwire's workers beside the other ways to call Python.
//
//   PYTHON=python3 node run.mjs [--rounds 5] [--seconds 1] [--quick]
//       [--peers KEY,…] [--jobs KEY,…] [--asleep] [--output FOLDER]
//
// A table goes to stdout, progress to stderr, every measurement to ../results/node-DATE.json.
// Exit code 1 when a peer gave a wrong answer or broke.

import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { JOBS } from "./jobs.mjs";
import { PEERS, whatIsMissing } from "./peers/index.mjs";
import { workerCommand } from "./peers/procwire/worker_command.mjs";
import { beside } from "./peers/python.mjs";
import { describeMachine, formatRate, tables, versions } from "./report.mjs";

const RESULTS = beside(import.meta.url, "../results/");
const QUICK_RESULTS = beside(import.meta.url, "../build/quick/");
const GIVE_UP_MS = 120_000;

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "1" },
    warmup: { type: "string", default: "0.3" },
    peers: { type: "string" },
    jobs: { type: "string" },
    quick: { type: "boolean", default: false },
    asleep: { type: "boolean", default: false },
    output: { type: "string" },
  },
});
const python = process.env.PYTHON || "python3";
const rounds = options.quick ? 1 : Number(options.rounds);
const timing = options.quick
  ? { seconds: 0.1, warmup: 0 }
  : { seconds: Number(options.seconds), warmup: Number(options.warmup) };
const warming = { calls: options.quick ? 10 : 10_000, maxSeconds: 5 };

const say = (text) => console.error(text);
const chosen = (all, keys) => all.filter((one) => !keys || keys.split(",").includes(one.key));

/** Processors that do not sleep while peers wait for each other, where that can be had; see ../awake.py. */
async function keepAwake() {
  const stdio = ["pipe", "pipe", "inherit"];
  const keeper = spawn(python, ["-I", beside(import.meta.url, "../awake.py")], { stdio });
  const [text] = await Promise.race([once(keeper.stdout, "data"), once(keeper, "exit")]);
  if (Buffer.isBuffer(text)) return keeper;
  say("processors sleep when there is nothing to do: small differences mean little");
  return null;
}

/** A parent in Python; it answers over the same channel as one that was forked. */
function inPython({ parent, options }) {
  const words = [parent, ...workerCommand(python, options.worker)];
  const stdio = ["ignore", "inherit", "inherit", "ipc"];
  return spawn(python, [beside(import.meta.url, "parent.py"), ...words], { stdio });
}

class Parent {
  constructor(peer) {
    this.peer = peer;
    this.process = peer.parent ? inPython(peer) : fork(beside(import.meta.url, "parent.mjs"));
  }

  async ask(command, rest = {}) {
    // Whoever loses the race stops listening.
    const settled = new AbortController();
    const signal = AbortSignal.any([settled.signal, AbortSignal.timeout(GIVE_UP_MS)]);
    const answered = once(this.process, "message", { signal });
    const ended = once(this.process, "exit", { signal }).then(() => [{ error: "it ended" }]);
    this.process.send({ command, ...rest });
    try {
      const [{ result, error }] = await Promise.race([answered, ended]);
      if (error) throw new Error(error);
      return result;
    } finally {
      settled.abort();
    }
  }

  async stop() {
    if (this.process.exitCode !== null) return;
    const gone = once(this.process, "exit");
    this.process.kill();
    await gone;
  }
}

const left = [];
const failures = [];
const measured = [];
const starts = [];

async function findPeers() {
  const found = [];
  for (const peer of chosen(PEERS, options.peers)) {
    const missing = await whatIsMissing(peer, python);
    if (missing === null) {
      found.push(peer);
      continue;
    }
    left.push(`${peer.label}: left out, ${missing}`);
    say(left.at(-1));
  }
  return found;
}

async function round(number, peers, jobs) {
  const head = `[round ${number + 1}/${rounds}]`;
  const broken = (peer, what, error) => {
    failures.push(`${peer.label}, ${what}: ${error.message}`);
    say(`${head} FAILED: ${failures.at(-1)}`);
  };
  const parents = [];
  for (const peer of peers) {
    const parent = new Parent(peer);
    try {
      const started = await parent.ask("start", { key: peer.key, python });
      starts.push({ peer: peer.key, round: number, ...started });
      await parent.ask("warmUp", warming);
      parents.push(parent);
    } catch (error) {
      broken(peer, "start", error);
      await parent.stop();
    }
  }
  // Turned round by round, so that no peer always runs behind the same one.
  if (number % 2) parents.reverse();
  for (const job of jobs) {
    for (const parent of [...parents]) {
      const { peer } = parent;
      try {
        const numbers = await parent.ask("job", { key: job.key, ...timing });
        measured.push({ job: job.key, peer: peer.key, round: number, ...numbers });
        say(`${head} ${job.title} · ${peer.label}: ${formatRate(numbers.rate)} ${job.unit}`);
      } catch (error) {
        broken(peer, job.title, error);
        parents.splice(parents.indexOf(parent), 1);
        await parent.stop();
      }
    }
  }
  for (const parent of parents) await parent.stop();
}

const date = new Date().toISOString();
const peers = await findPeers();
if (left.some((reason) => reason.startsWith("procwire"))) {
  say("without our own workers there is nothing to compare");
  process.exit(2);
}
const jobs = chosen(JOBS, options.jobs);
const awake = options.asleep ? null : await keepAwake();
for (let number = 0; number < rounds; number++) await round(number, peers, jobs);
awake?.stdin.end();

const runs = {
  date,
  machine: describeMachine(),
  versions: versions(python),
  rounds,
  ...timing,
  awake: awake !== null,
  peers: peers.map(({ key, label }) => ({ key, label })),
  left,
  failures,
  starts,
  measured,
};
const folder = options.output ?? (options.quick ? QUICK_RESULTS : RESULTS);
mkdirSync(folder, { recursive: true });
const file = `node-${date.slice(0, 10)}.json`;
writeFileSync(`${folder}/${file}`, `${JSON.stringify(runs, null, 1)}\n`);
console.log(tables(runs, jobs));
say(`written: ${file}`);
process.exitCode = failures.length > 0 ? 1 : 0;
