// Time limits, the pool of processes, batches and events from threads, as the real parent sees them.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { failure, PATIENCE, sharedWorker, startWorker, until, within } from "./harness.mjs";

const METHODS = {
  take_notes: undefined,
  slow: undefined,
  slow_for_a_patient_parent: { timeout: PATIENCE },
  slow_in_thread: { timeout: PATIENCE },
  ticks: { response: "stream" },
  pid: undefined,
  spin: { cancellable: true },
  fail: undefined,
  embed: { cancellable: true },
  one_at_a_time: undefined,
  tick_from_threads: undefined,
};
const options = { methods: METHODS, events: { tick: undefined } };
const worker = sharedWorker("elsewhere.py", options);

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    if (process.platform !== "linux") return true;
    // One that has ended and waits for whoever reads its status is there as well.
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

/** Waits for a note of the worker. */
const noted = (note) =>
  until(async () => (await worker.send("take_notes", null)).includes(note), `noted: ${note}`);

/** Starts a call that never ends; returns the process that runs it. */
async function spinning(t, under, sendOptions) {
  const directory = mkdtempSync(join(tmpdir(), "procwire-spin-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "pid");
  const answer = failure(under.send("spin", path, sendOptions));
  await until(() => existsSync(path) && readFileSync(path, "utf8"), "a process spins");
  return { pid: Number(readFileSync(path, "utf8")), answer };
}

test("the parent gives up by itself, and the handler is cancelled a little later", async () => {
  const error = await failure(worker.send("slow", "a"));
  assert.match(error.message, /^Timeout waiting for response from "slow"$/);
  assert.equal(error.data, undefined);
  await noted("a cancelled");
});

test("a parent with more patience gets an error", async () => {
  const error = await failure(worker.send("slow_for_a_patient_parent", "b"));
  const message = "'slow_for_a_patient_parent' has not answered within 0.2 s";
  assert.equal(error.message, message);
  assert.deepEqual(error.data, { message, code: "E_TIMEOUT" });
  await noted("b cancelled");
});

test("a thread is told as well", async () => {
  const error = await failure(worker.send("slow_in_thread", "c"));
  assert.equal(error.data.code, "E_TIMEOUT");
  await noted("c aborted=True");
});

test("a stream that nobody reads any more ends", async () => {
  for await (const number of worker.stream("ticks", null)) if (number === 1) break;
  await noted("ticks closed");
});

test("one that is still read ends with an error", async () => {
  const error = await failure(worker.collect("ticks", null));
  assert.equal(error.data.code, "E_TIMEOUT");
  assert.match(error.message, /'ticks' ran longer than 0.3 s/);
});

test("an abort kills the one process that runs the call", async (t) => {
  const other = await worker.send("pid", null);
  const controller = new AbortController();
  const { pid, answer } = await spinning(t, worker, { signal: controller.signal });
  assert.equal(pid, other, "the one that was idle");
  const another = await worker.send("pid", null);
  assert.notEqual(another, pid);
  controller.abort();
  assert.equal((await answer).name, "AbortError");
  await until(() => !isAlive(pid), "it is killed");
  assert.equal(await worker.send("pid", null), another);
});

test("an error in a process is as any other", async () => {
  const error = await failure(worker.send("fail", "raise"));
  assert.deepEqual(error.data, { message: "not today", code: "E42", when: "tomorrow" });
});

test("a process that ends by itself fails its own request", async () => {
  const [error, pid] = await Promise.all([
    failure(worker.send("fail", "die")),
    worker.send("pid", null),
  ]);
  assert.equal(error.message, "the pool process ended with status 3");
  assert.deepEqual([error.data.code, error.data.status], ["E_PROCESS", 3]);
  assert.equal(typeof pid, "number");
});

test("the processes end with the worker, also when that is killed", async (t) => {
  for (const end of ["shutdown", "kill"]) {
    const mortal = await startWorker(t, "elsewhere.py", options);
    const { pid, answer } = await spinning(t, mortal);
    const idle = await mortal.send("pid", null);
    if (end === "shutdown") await mortal.manager.shutdown();
    else process.kill(mortal.pid, "SIGKILL");
    await within(answer);
    await until(() => !isAlive(pid) && !isAlive(idle), `they have ended after ${end}`);
  }
});

test("concurrent calls are one call in the worker, with an answer each", async () => {
  await worker.send("take_notes", null);
  const texts = ["a", "", "ccc", "dd"];
  const answers = await Promise.allSettled(texts.map((text) => worker.send("embed", text)));
  assert.deepEqual(
    answers.map(({ value, reason }) => value ?? reason.data),
    [[1], { message: "an empty text", code: "E_EMPTY" }, [3], [2]],
  );
  assert.deepEqual(await worker.send("take_notes", null), ["4 texts"]);
});

test("an aborted call is not in the batch", async () => {
  const controller = new AbortController();
  const aborted = failure(worker.send("embed", "aborted", { signal: controller.signal }));
  const answered = worker.send("embed", "four");
  controller.abort();
  assert.equal((await aborted).name, "AbortError");
  assert.deepEqual(await answered, [4]);
  assert.deepEqual(await worker.send("take_notes", null), ["1 texts"]);
});

test("one at a time", async () => {
  const numbers = Array.from({ length: 20 }, (_, i) => i);
  const answers = await Promise.all(numbers.map((i) => worker.send("one_at_a_time", i)));
  assert.deepEqual(answers, numbers);
  const expected = numbers.flatMap((i) => [`${i} began`, `${i} ended`]);
  assert.deepEqual(await worker.send("take_notes", null), expected);
});

test("threads emit", async () => {
  const events = worker.events("tick", 300);
  await worker.send("tick_from_threads", 100);
  const numbers = await events;
  assert.equal(numbers.reduce((sum, number) => sum + number), (3 * 100 * 99) / 2);
});
