// An AbortSignal on a cancellable method stops the handler, and nothing is sent afterwards.

import assert from "node:assert/strict";
import { test } from "node:test";
import { failure, sharedWorker, within } from "./harness.mjs";

const REQUESTS = ["coroutine", "stubborn", "failing", "context", "waits_for_abort"];
const THREADS = ["thread", "waiting_thread"];
const STREAMS = [
  "generator",
  "waiting_generator",
  "busy_generator",
  "thread_generator",
  "loop_generator",
  "chunks",
  "thread_chunks",
];

const cancellable = { cancellable: true };
const worker = sharedWorker("aborts.py", {
  methods: {
    noted: undefined,
    ...Object.fromEntries([...REQUESTS, ...THREADS].map((name) => [name, cancellable])),
    ...Object.fromEntries(STREAMS.map((name) => [name, { ...cancellable, response: "stream" }])),
    acked: { ...cancellable, response: "ack" },
    held: { timeout: 100 },
    release: undefined,
    impatient_thread: undefined,
    counted: { response: "stream" },
  },
});

/** Sends a request, aborts it once its handler has begun; returns what the handler noted. */
async function abort(method, awaited) {
  await worker.send("noted", "");
  const id = worker.nextRequestId;
  const controller = new AbortController();
  const answer = failure(worker.send(method, null, { signal: controller.signal }));
  const begun = await worker.send("noted", "started");
  controller.abort();
  assert.equal((await answer).name, "AbortError");
  const notes = await worker.send("noted", awaited);
  assert.deepEqual(worker.flagsOf(id), [], "nothing is sent for an aborted request");
  return [...begun, ...notes].filter((note) => note !== "started");
}

/** Takes a few chunks of an endless stream, then aborts it. */
async function abortStream(method, count, awaited) {
  await worker.send("noted", "");
  const controller = new AbortController();
  const id = worker.nextRequestId;
  const chunks = [];
  const error = await within(
    failure(
      (async () => {
        for await (const chunk of worker.stream(method, null, { signal: controller.signal })) {
          chunks.push(chunk);
          if (chunks.length === count) controller.abort();
        }
      })(),
    ),
  );
  assert.equal(error.name, "AbortError");
  const notes = await worker.send("noted", awaited);
  const sent = worker.flagsOf(id);
  await worker.send("noted", "");
  assert.deepEqual(worker.flagsOf(id), sent, "nothing is sent once the handler has been stopped");
  assert.deepEqual(new Set(sent), new Set(["0b"]), "neither an end nor an error");
  return notes;
}

test("a coroutine gets CancelledError where it waits", async () => {
  assert.deepEqual(await abort("coroutine", "cancelled"), ["cancelled"]);
});

test("one that goes on all the same is not heard any more", async () => {
  assert.deepEqual(await abort("stubborn", "went on"), ["went on"]);
});

test("an error of its clean-up is logged, not sent", async () => {
  assert.deepEqual(await abort("failing", "failing"), ["failing"]);
  await worker.logged(/ValueError: the clean-up failed/);
});

test("callbacks are called, answers refused", async () => {
  const notes = await abort("context", "callback at once");
  assert.match(notes.shift(), /^aborted=True, the request #\d+ to 'context' was aborted$/);
  assert.deepEqual(notes, ["callback first", "callback second", "callback at once"]);
  assert.match(worker.log(), /an abort callback of 'context' raised[^]*ZeroDivisionError/);
});

test("wait_aborted returns", async () => {
  assert.deepEqual(await abort("waits_for_abort", "wait_aborted returned"), [
    "wait_aborted returned",
  ]);
});

test("a handler in a thread sees it in ctx.aborted", async () => {
  const notes = await abort("thread", "refused");
  assert.deepEqual(notes.toSorted(), ["aborted=True", "callback in thread", "refused"]);
});

test("a handler in a thread can wait for it", async () => {
  assert.deepEqual(await abort("waiting_thread", "wait_aborted=True"), ["wait_aborted=True"]);
  assert.equal(await worker.send("impatient_thread", null), false);
});

for (const method of STREAMS.filter((name) => !/waiting|thread_chunks/.test(name))) {
  test(`a stream's finally runs: ${method}`, async () => {
    for (const count of [1, 500]) {
      assert.deepEqual(await abortStream(method, count, "closed"), ["closed"]);
    }
  });
}

test("an async generator that waits gets CancelledError", async () => {
  assert.deepEqual(await abortStream("waiting_generator", 1, "closed"), ["cancelled", "closed"]);
});

test("a thread that sends chunks is refused", async () => {
  assert.deepEqual(await abortStream("thread_chunks", 5, "refused"), ["refused"]);
});

test("only the aborted request is touched", async () => {
  await worker.send("noted", "");
  const controllers = Array.from({ length: 20 }, () => new AbortController());
  const answers = controllers.map(({ signal }) =>
    failure(worker.send("coroutine", null, { signal })),
  );
  // All have begun: the notes come in the order of the requests.
  let begun = 0;
  while (begun < 20) begun += (await worker.send("noted", "started")).length;
  for (const i of [3, 17]) controllers[i].abort();
  await Promise.all([answers[3], answers[17]]);
  let cancelled = 0;
  while (cancelled < 2) cancelled += (await worker.send("noted", "cancelled")).length;
  assert.equal(cancelled, 2);
  assert.deepEqual(await worker.send("noted", ""), []);
  for (const controller of controllers) controller.abort();
  await Promise.all(answers);
  while (cancelled < 20) cancelled += (await worker.send("noted", "cancelled")).length;
  assert.equal(cancelled, 20);
});

test("an abort after the answer changes nothing", async () => {
  await worker.send("noted", "");
  const controller = new AbortController();
  assert.equal(await worker.send("acked", null, { signal: controller.signal }), "accepted");
  controller.abort();
  // The parent has forgotten the request and sends no abort; this one is sent all the same.
  await worker.module._sendAbort(worker.nextRequestId - 1);
  await worker.module._sendAbort(4_000_000_000);
  await worker.send("release", null);
  assert.deepEqual(await worker.send("noted", "finished, aborted=False"), [
    "started",
    "finished, aborted=False",
  ]);
});

test("the parent's own time limit tells the worker nothing", async () => {
  await worker.send("noted", "");
  const id = worker.nextRequestId;
  const error = await failure(worker.send("held", null));
  assert.equal(error.message, 'Timeout waiting for response from "held"');
  await worker.send("release", null);
  assert.deepEqual(await worker.send("noted", "finished, aborted=False"), [
    "started",
    "finished, aborted=False",
  ]);
  await worker.send("noted", "");
  assert.deepEqual(worker.flagsOf(id), ["03"], "the late answer is sent, and dropped there");
});

test("nor does a consumer that leaves a stream early", async () => {
  await worker.send("noted", "");
  for await (const number of worker.stream("counted", 1000)) if (number === 2) break;
  assert.deepEqual(await worker.send("noted", "finished"), ["finished"]);
});

test("nor a signal that was aborted before, on a method that is not cancellable", async () => {
  await worker.send("noted", "");
  const answer = failure(worker.send("held", null, { signal: AbortSignal.abort() }));
  assert.match((await answer).message, /^Timeout/);
  await worker.send("release", null);
  await worker.send("noted", "finished, aborted=False");
});
