// Several workers under load for SECONDS, killed and aborted at random; nothing may be left behind.
//
// At the end: every call has been answered or has failed as it must, every answer was right, no
// process and no socket is left, and workers that were not killed have not grown.
// SOAK_SEED=123 repeats the random choices.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WINDOWS, Worker, until, within } from "./harness.mjs";
import { METHODS, runJob } from "./jobs.mjs";
import { below, pick, seeded } from "./random.mjs";

const SECONDS = Number(process.env.SECONDS ?? 600);
const SEED = Number(process.env.SOAK_SEED ?? below(Math.random, 2 ** 32));
const WORKERS = 4;
/** Of them, those that are never killed, so that their memory can be watched. */
const SPARED = 2;
const AT_ONCE = 8;
const LARGEST = 40_000;
/** The loop's and two of handlers, which are begun when they are needed. */
const THREADS = 3;
/** Windows counts handles, and so what is under way; of something else than a leak there are few. */
const HANDLES = WINDOWS ? 50 : 0;
/** Bytes that a worker may grow in a request, on average. */
const SLOPE = 1;
/** Bytes that say nothing: what the allocator keeps for later, in so many requests. */
const ALLOWANCE = 6 * 1024 * 1024;

const random = seeded(SEED);
const runtime = mkdtempSync(join(tmpdir(), "procwire-soak-"));
process.on("exit", () => rmSync(runtime, { recursive: true, force: true }));
console.log(`soak for ${SECONDS} s, SOAK_SEED=${SEED}`);

const workers = Array.from({ length: WORKERS }, () => {
  const worker = new Worker("faults.py", {
    methods: METHODS,
    env: { XDG_RUNTIME_DIR: runtime },
    policy: {
      restartOnCrash: true,
      maxRetries: 5,
      restartLimit: { maxRestarts: 1e6, windowMs: 1000 },
      heartbeat: { intervalMs: 500, timeoutMs: 10_000 },
    },
  });
  return Object.assign(worker, { done: 0, lost: 0, kills: 0, pids: new Set() });
});
await Promise.all(workers.map((worker) => worker.start()));
for (const worker of workers) worker.pids.add(worker.pid);
const spared = workers.slice(0, SPARED);

const end = Date.now() + SECONDS * 1000;
const goesOn = () => Date.now() < end;
const ready = (worker) => until(() => worker.module.state === "ready", "a worker is ready");

/** Milliseconds of each job, by third of the whole: for a reader to see whether they drift. */
const times = [[], [], []];
const thirdNow = () => Math.min(2, Math.floor(3 * (1 - (end - Date.now()) / (SECONDS * 1000))));

async function call(worker) {
  while (goesOn()) {
    await ready(worker);
    const began = performance.now();
    // A call that nobody answers is what `within` is for.
    if (await within(runJob(worker, random, LARGEST), "the end of a job")) {
      worker.done += 1;
      if (spared.includes(worker)) times[thirdNow()].push(performance.now() - began);
    } else worker.lost += 1;
  }
}

const killed = new Set();

async function kill(worker) {
  while (goesOn()) {
    await sleep(below(random, Math.min(3000, SECONDS * 100)));
    await ready(worker);
    const { pid } = worker;
    worker.pids.add(pid);
    process.kill(pid, "SIGKILL");
    killed.add(pid);
    worker.kills += 1;
    await until(() => worker.pid !== pid, "a killed worker is started anew");
    worker.pids.add(worker.pid);
  }
}

async function watch(worker) {
  // The first tenth warms up.
  await sleep(SECONDS * 100);
  const facts = await worker.send("facts", null);
  worker.before = { ...facts, done: worker.done };
}

await Promise.all([
  ...workers.flatMap((worker) => Array.from({ length: AT_ONCE }, () => call(worker))),
  ...workers.slice(SPARED).map(kill),
  ...spared.map(watch),
]);

const p99 = (all) => all.sort((a, b) => a - b)[Math.floor(all.length * 0.99)]?.toFixed(1);
console.log(`99 of 100 jobs of workers that were not killed ended within, by third: ${times.map(p99)} ms`);
for (const worker of spared) {
  const idle = async () => (await worker.send("facts", null)).under_way === 0;
  await until(idle, "every handler has ended");
  const { before } = worker;
  const after = await worker.send("facts", null);
  const requests = worker.done - before.done;
  const growth = after.resident - before.resident;
  console.log(
    `worker ${after.pid}: ${worker.done} jobs, ${before.resident} → ${after.resident} bytes, ` +
      `${before.descriptors} → ${after.descriptors} descriptors, ` +
      `${before.threads} → ${after.threads} threads`,
  );
  assert.equal(worker.lost, 0, "a worker that nobody kills loses nothing");
  assert.equal(after.pid, before.pid);
  const more = after.descriptors - before.descriptors;
  assert.ok(Math.abs(more) <= HANDLES, `${more} descriptors more`);
  assert.ok(after.threads <= THREADS, `${after.threads} threads`);
  assert.ok(growth < ALLOWANCE + SLOPE * requests, `grew by ${growth} bytes in ${requests} requests`);
}
for (const worker of workers.slice(SPARED)) {
  console.log(`killed ${worker.kills} times: ${worker.done} jobs done, ${worker.lost} lost`);
  assert.ok(worker.kills > 0 && worker.done > 0);
}
// A parent that is told to shut down while it starts a worker forgets that worker.
await Promise.all(workers.map(ready));
for (const worker of workers) worker.pids.add(worker.pid);
const pids = workers.flatMap((worker) => [...worker.pids]);
await Promise.all(workers.map((worker) => worker.manager.shutdown()));
const alive = pids.filter((pid) => {
  try {
    if (WINDOWS) return process.kill(pid, 0);
    // Another process may have the number by now.
    const command =
      process.platform === "linux"
        ? readFileSync(`/proc/${pid}/cmdline`)
        : execFileSync("ps", ["-ww", "-o", "command=", "-p", `${pid}`]);
    return command.includes("faults.py");
  } catch {
    return false;
  }
});
assert.deepEqual(alive, [], "processes are left");
// One that is killed before its parent has connected leaves its socket: nobody else can remove it.
const left = readdirSync(runtime).filter((name) => !killed.has(Number(name.split("-")[1])));
assert.deepEqual(left, [], "sockets are left");
console.log("ok");
