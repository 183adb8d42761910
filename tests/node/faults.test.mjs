// The real parent and a real worker with a bad link between them.
//
// Where the link only stalls, or cuts packets anew, every answer is right. Where it ends, each call
// has its right answer or the parent's error for a lost worker, and the worker cleans up and ends.
//
// FAULTS_SEED=123 repeats a run.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker, failure, until, within } from "./harness.mjs";
import { GONE, METHODS, runJob } from "./jobs.mjs";
import { FaultProxy } from "./proxy.mjs";
import { below, pick, seeded } from "./random.mjs";

const SEED = Number(process.env.FAULTS_SEED ?? below(Math.random, 2 ** 32));

/** About what the jobs send; a fault comes at any byte of it. */
const BYTES = 300_000;
const JOBS = 60;
const LARGEST = 60_000;

const DIRECTIONS = ["toWorker", "toParent"];

/** How a link ends. What the parent does not see keeps it from killing the worker. */
const ENDINGS = {
  "the worker's side is closed": { end: (proxy) => proxy.worker.end(), parentSees: false },
  "the worker's side is destroyed": { end: (proxy) => proxy.worker.destroy(), parentSees: false },
  "the worker's side is reset": { end: (proxy) => proxy.reset(proxy.worker), parentSees: false },
  "the parent's side is closed": { end: (proxy) => proxy.parent.end(), parentSees: true },
  "the parent's side is reset": { end: (proxy) => proxy.reset(proxy.parent), parentSees: true },
  "both sides are destroyed": { end: (proxy) => proxy.close(), parentSees: true },
};

/** A worker behind a proxy. */
async function start(t, random, fault) {
  const worker = new Worker("faults.py", { methods: METHODS });
  const proxy = new FaultProxy(random, fault);
  proxy.interpose(worker.manager);
  t.after(() => proxy.close());
  await worker.start();
  return [worker, proxy];
}

/** Runs many jobs at once; how many of them were done. */
async function runJobs(worker, random, count, largest) {
  const jobs = Array.from({ length: count }, () => runJob(worker, random, largest));
  const done = await within(Promise.all(jobs), "the end of every job");
  return done.filter(Boolean).length;
}

function faultTest(name, run) {
  const seed = (SEED + below(seeded(name.length), 2 ** 32)) >>> 0;
  test(`${name} (FAULTS_SEED=${SEED})`, (t) => run(t, seeded(seed)));
}

for (const direction of DIRECTIONS) {
  const faults = {
    "packets are cut anew": () => ({ at: 0, piece: 5000 }),
    "the link stalls": (random) => ({ at: below(random, BYTES / 4), stall: 300 }),
  };
  for (const [name, make] of Object.entries(faults)) {
    faultTest(`${name}, ${direction}: nothing changes`, async (t, random) => {
      const [worker, proxy] = await start(t, random, { direction, ...make(random) });
      assert.equal(await runJobs(worker, random, JOBS, LARGEST), JOBS);
      await proxy.happened;
      // Some handlers go on behind their answers.
      const idle = async () => (await worker.send("facts", null)).under_way === 0;
      await until(idle, "every handler has ended");
      await worker.stop();
    });
  }

  faultTest(`byte by byte, ${direction}: nothing changes`, async (t, random) => {
    const [worker, proxy] = await start(t, random, { direction, at: 0, piece: 1 });
    assert.equal(await runJobs(worker, random, 20, 100), 20);
    await proxy.happened;
    assert.ok(proxy.passed[direction] > 500, `${proxy.passed[direction]}`);
    await worker.stop();
  });

  for (const [name, { end, parentSees }] of Object.entries(ENDINGS)) {
    faultTest(`${name}, ${direction}: right answers or none`, async (t, random) => {
      const at = pick(random, [below(random, BYTES), below(random, 2000)]);
      const [worker, proxy] = await start(t, random, { direction, at, end });
      const { manager } = worker;
      const ended = async () => {
        await within(proxy.happened, `the fault at byte ${at}`);
        const [code, killer] = await within(manager.exited, "the worker's end");
        proxy.close();
        if (!parentSees) assert.deepEqual([code, killer], [0, null], "status and signal");
        assert.ok(code === 0 || killer === "SIGKILL", `${code}, ${killer}`);
        if (code === 0) await worker.logged(/under way at the end: 0/);
      };
      const jobs = async () => {
        // More of them until the fault comes.
        do await runJobs(worker, random, JOBS, LARGEST);
        while (!proxy.ended);
      };
      const held = failure(worker.send("hold", null));
      await Promise.all([ended(), jobs()]);
      assert.match((await within(held)).message, GONE);
      await worker.stop();
    });
  }
}
