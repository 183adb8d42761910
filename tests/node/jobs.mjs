// Calls of workers/faults.py whose answers are checked, whatever happens to the link.

import assert from "node:assert/strict";
import { rawCodec } from "@procwire/codecs";
import { below, pick } from "./random.mjs";

export const METHODS = {
  echo: undefined,
  raw: { codec: rawCodec },
  slow_echo: undefined,
  thread_echo: undefined,
  fail: undefined,
  chunks: { response: "stream", cancellable: true },
  thread_chunks: { response: "stream", cancellable: true },
  ack: { response: "ack" },
  hold: { cancellable: true },
  facts: undefined,
};

/** How the parent says that it has lost its worker: the only way in which a job may fail. */
export const GONE = new RegExp(
  "^(Module disconnected|Module \".*\" is not ready \\(state: .*\\)" +
    "|Socket closed during backpressure wait)$",
);

let tags = 0;

function value(random, largest) {
  tags += 1;
  return { tag: tags, body: Buffer.alloc(below(random, largest), tags & 0xff), list: [1, "two"] };
}

const JOBS = {
  async echo(worker, random, largest) {
    const method = pick(random, ["echo", "slow_echo", "thread_echo", "ack"]);
    const data = value(random, largest);
    assert.deepEqual(await worker.send(method, data), data);
  },

  async raw(worker, random, largest) {
    tags += 1;
    const data = Buffer.alloc(1 + below(random, largest), tags & 0xff);
    const answer = await worker.send("raw", data);
    assert.ok(data.equals(answer), "the bytes are others");
  },

  async fail(worker, random) {
    const code = below(random, 1000);
    const error = await worker.send("fail", code).then(
      () => assert.fail("no error"),
      (error) => error,
    );
    if (GONE.test(error.message)) throw error;
    assert.equal(error.message, `failed with ${code}`);
    assert.equal(error.data.code, code);
  },

  async stream(worker, random, largest) {
    tags += 1;
    const [tag, count] = [tags, below(random, 20)];
    const size = below(random, largest / 10);
    let number = 0;
    const method = pick(random, ["chunks", "thread_chunks"]);
    for await (const chunk of worker.stream(method, { tag, count, size })) {
      assert.deepEqual(chunk.slice(0, 2), [tag, number]);
      assert.equal(chunk[2].length, size);
      number += 1;
    }
    assert.equal(number, count, "the stream has ended too early, without an error");
  },

  async abort(worker, random) {
    const controller = new AbortController();
    const held = worker.send("hold", null, { signal: controller.signal }).then(
      () => assert.fail("an answer that nobody gives"),
      (error) => error,
    );
    await new Promise((resolve) => setTimeout(resolve, below(random, 5)));
    controller.abort();
    const error = await held;
    if (GONE.test(error.message)) throw error;
    assert.equal(error.name, "AbortError");
  },
};

/**
 * Runs one job; true when it has been done, false when the worker has gone before.
 * Anything else, a wrong answer above all, is thrown.
 */
export async function runJob(worker, random, largest) {
  const job = pick(random, Object.values(JOBS));
  try {
    await job(worker, random, largest);
    return true;
  } catch (error) {
    if (GONE.test(error.message)) return false;
    throw error;
  }
}
