// Every form that a handler can have, and where it runs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedWorker, startWorker, within } from "./harness.mjs";

const ON_LOOP = { main: true, loop: true };
const IN_TASK = { ...ON_LOOP, task: true };

const worker = sharedWorker("handlers.py", {
  methods: Object.fromEntries(
    [
      ...["bare", "unnamed", "named", "waiting", "thread", "inline", "context", "thread_context"],
      ...["object", "async_object", "bound_method", "partial", "lambda", "builtin", "with_default"],
      ...["wait_in_thread", "open_gate", "leave_in_reverse"],
    ].map((name) => [name, undefined]),
  ),
});

for (const name of ["bare", "unnamed", "named", "waiting"]) {
  test(`a coroutine runs in a task: ${name}`, async () => {
    assert.deepEqual(await worker.send(name, { a: [1] }), [{ a: [1] }, IN_TASK]);
  });
}

test("a plain function runs in a thread", async () => {
  assert.deepEqual(await worker.send("thread", 5), [5, { main: false, loop: false }]);
});

test("with sync_to_thread=False it runs on the loop, outside of any task", async () => {
  assert.deepEqual(await worker.send("inline", 5), [5, { ...ON_LOOP, task: false }]);
});

test("a second parameter receives the context", async () => {
  for (const name of ["context", "thread_context"]) {
    const id = worker.nextRequestId;
    assert.deepEqual(await worker.send(name, null), [name, id, false]);
  }
});

test("callable objects, bound methods, partials, lambdas and builtins", async () => {
  assert.equal(await worker.send("object", 7), 14);
  assert.equal(await worker.send("async_object", 7), 21);
  assert.equal(await worker.send("bound_method", 7), 28);
  assert.equal(await worker.send("partial", 7), 49);
  assert.equal(await worker.send("lambda", 7), 8);
  assert.equal(await worker.send("builtin", [1, 2, 3]), 3);
  assert.equal(await worker.send("with_default", 7), "7 ms");
});

test("a plain function does not keep the loop from serving others", async () => {
  const waiting = ["a", "b", "c"].map((name) => worker.send("wait_in_thread", name));
  for (const name of ["c", "b", "a"]) await worker.send("open_gate", name);
  assert.deepEqual(await within(Promise.all(waiting)), ["a opened", "b opened", "c opened"]);
});

test("concurrent requests to one method end in any order, each with its own answer", async () => {
  const of = 200;
  const ended = [];
  const all = Array.from({ length: of }, async (_, number) => {
    const answer = await worker.send("leave_in_reverse", { number, of });
    ended.push(number);
    return answer;
  });
  const numbers = Array.from({ length: of }, (_, number) => number);
  assert.deepEqual(await within(Promise.all(all)), numbers);
  assert.deepEqual(ended, numbers.toReversed());
});

test("a thousand requests to threads are all answered", async () => {
  const numbers = [...Array(1000).keys()];
  const answers = await Promise.all(numbers.map((number) => worker.send("lambda", number)));
  assert.deepEqual(answers, numbers.map((number) => number + 1));
});

test("a client can be built by chaining", async (t) => {
  const built = await startWorker(t, "chained.py", {
    methods: {
      double: {},
      count: { response: "stream" },
      accept: { response: "ack" },
      forget: { response: "none" },
    },
    events: { forgotten: {} },
  });
  assert.equal(await built.send("double", 4), 8);
  assert.deepEqual(await built.collect("count", 3), [0, 1, 2]);
  assert.deepEqual(await built.send("accept", { job: 1 }), { job: 1 });
  const forgotten = built.event("forgotten");
  assert.equal(await built.send("forget", "me"), undefined);
  assert.equal(await forgotten, "me");
});
