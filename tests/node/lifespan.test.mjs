// What a parent sees of a worker's start-up and shutdown.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Worker, failure, startWorker, within } from "./harness.mjs";

const place = mkdtempSync(join(tmpdir(), "procwire-startups-"));
after(() => rmSync(place, { recursive: true }));

let gates = 0;
function makeGate() {
  gates += 1;
  const path = join(place, `gate-${gates}`);
  return { path, open: () => writeFileSync(path, "") };
}

const options = (what, gate) => ({
  methods: {
    state: undefined,
    count: { cancellable: true },
    words: { response: "stream" },
    accept: { response: "ack" },
  },
  env: { WHAT: what, ...(gate && { GATE: gate.path }) },
});

const FAILURE = "FileNotFoundError: [Errno 2] No such file or directory: 'model.bin'";

test("spawn() waits for start-up, shutdown() for the end", async (t) => {
  const gate = makeGate();
  const worker = new Worker("startups.py", options("gate", gate));
  t.after(() => worker.stop());
  let announced = false;
  const started = worker.start().then(() => (announced = true));
  await worker.logged(/waiting for the gate/);
  assert.equal(announced, false);
  gate.open();
  await within(started, "the start");
  assert.deepEqual(await worker.send("state", null), { model: "loaded", warm: true });
  await worker.manager.shutdown();
  assert.deepEqual(await worker.manager.exited, [0, null]);
  assert.match(worker.log(), /cooled down\nmodel closed/);
});

test("a start-up that fails rejects spawn() with the cause", async (t) => {
  const worker = new Worker("startups.py", options("fails"));
  t.after(() => worker.stop());
  const begun = performance.now();
  const error = await failure(worker.manager.spawn());
  assert.ok(performance.now() - begun < 5000);
  assert.ok(error.lastError.message.includes(FAILURE), error.lastError.message);
  assert.match(worker.log(), /Traceback[^]*FileNotFoundError/);
});

test("announced early, requests wait for start-up", async (t) => {
  const gate = makeGate();
  const worker = await startWorker(t, "startups.py", options("early, gate", gate));
  const controller = new AbortController();
  const answers = [1, 2].map((number) => worker.send("count", number));
  const aborted = failure(worker.send("count", 100, { signal: controller.signal }));
  answers.push(worker.send("count", 3));
  const words = worker.collect("words", null);
  const accepted = worker.send("accept", "yes");
  controller.abort();
  assert.equal((await aborted).name, "AbortError");
  gate.open();
  assert.deepEqual(await within(Promise.all(answers)), [1, 3, 6]);
  assert.deepEqual(await words, ["loaded"]);
  assert.equal(await accepted, "yes");
});

test("a heartbeat is answered meanwhile", async (t) => {
  const gate = makeGate();
  const heartbeat = { intervalMs: 50, timeoutMs: 5000 };
  const worker = await startWorker(t, "startups.py", {
    ...options("early, gate", gate),
    policy: { heartbeat },
  });
  const pongs = new Promise((resolve) => worker.manager.once("pong", resolve));
  await within(pongs, "a pong");
  gate.open();
  assert.equal(await worker.send("count", 1), 1);
});

test("a worker that waits for its start-up ends with its parent", async (t) => {
  const worker = await startWorker(t, "startups.py", options("early, gate"));
  const waiting = failure(worker.send("count", 1));
  await worker.manager.shutdown();
  assert.deepEqual(await worker.manager.exited, [0, null]);
  await within(waiting, "the end of the request");
});

test("announced early, a failed start-up is the answer to each request", async (t) => {
  const gate = makeGate();
  const worker = new Worker("startups.py", options("early, gate, fails", gate));
  t.after(() => worker.manager.shutdown());
  await worker.start();
  const calls = () => [
    failure(worker.send("count", 1)),
    failure(worker.collect("words", null)),
    failure(worker.send("accept", 1)),
  ];
  const waiting = calls();
  gate.open();
  const errors = await within(Promise.all(waiting));
  for (const error of [...errors, ...(await within(Promise.all(calls())))]) {
    assert.equal(error.message, `the worker cannot start: ${FAILURE}`);
    assert.equal(error.data.code, "E_START");
    assert.equal(error.data.name, "FileNotFoundError");
  }
  await worker.manager.shutdown();
  assert.deepEqual(await worker.manager.exited, [1, null]);
  assert.doesNotMatch(worker.log(), /cooled down/);
});
