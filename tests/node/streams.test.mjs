// Streams: every form of handler, from no chunk to many.

import assert from "node:assert/strict";
import { test } from "node:test";
import { rawCodec } from "@procwire/codecs";
import { sharedWorker, within } from "./harness.mjs";

const FORMS = [
  "async_generator",
  "waiting_generator",
  "thread_generator",
  "loop_generator",
  "context",
  "context_without_end",
  "thread_context",
  "yields_and_chunks",
];

const stream = { response: "stream" };
const worker = sharedWorker("streams.py", {
  methods: {
    ...Object.fromEntries(FORMS.map((name) => [name, stream])),
    end_then_chunk: stream,
    raw: { ...stream, codec: rawCodec },
    large: stream,
    in_turns: stream,
  },
  events: { refused: {} },
});

const numbers = (count) => Array.from({ length: count }, (_, number) => ({ number }));

for (const form of FORMS) {
  for (const count of [0, 1, 2, 63, 64, 65, 3000]) {
    test(`${form}, ${count} chunks`, async () => {
      const id = worker.nextRequestId;
      assert.deepEqual(await worker.collect(form, count), numbers(count));
      assert.deepEqual(worker.flagsOf(id), [...Array(count).fill("0b"), "1b"]);
    });
  }
}

test("all forms at the same time", async () => {
  const streams = FORMS.flatMap((form) => [form, form]);
  const all = await Promise.all(streams.map((form, i) => worker.collect(form, 500 + i)));
  assert.deepEqual(all, streams.map((_, i) => numbers(500 + i)));
});

test("streams go on in turns", async () => {
  const players = ["a", "b", "c"];
  const rounds = 20;
  const all = await Promise.all(
    players.map((name) => worker.collect("in_turns", { name, players, rounds })),
  );
  const expected = Array.from({ length: rounds * 3 }, (_, i) => players[i % 3]);
  for (const [player, chunks] of all.entries()) {
    const lengths = chunks.map((board) => board.length);
    assert.deepEqual(lengths, Array.from({ length: rounds }, (_, i) => 3 * i + player + 1));
    assert.deepEqual(chunks.at(-1), expected.slice(0, lengths.at(-1)));
  }
});

test("nothing is sent after the end, and the handler is told so", async () => {
  const refused = worker.events("refused", 2);
  const id = worker.nextRequestId;
  assert.deepEqual(await worker.collect("end_then_chunk", null), ["last"]);
  const [chunk, end] = await refused;
  assert.match(chunk, /"?'?end_then_chunk'? has been answered/);
  assert.equal(end, chunk);
  assert.deepEqual(worker.flagsOf(id), ["0b", "1b"]);
});

test("raw chunks, empty ones among them", async () => {
  const sizes = [0, 1, 0, 255, 17];
  assert.deepEqual(
    await worker.collect("raw", Buffer.from(sizes)),
    sizes.map((size) => Buffer.alloc(size, size)),
  );
  assert.deepEqual(await worker.collect("raw", Buffer.alloc(0)), []);
});

test("chunks of 3 MiB arrive whole and in order", async () => {
  const size = 3 << 20;
  const chunks = await worker.collect("large", { count: 8, size });
  assert.equal(chunks.length, 8);
  for (const [i, chunk] of chunks.entries()) assert.ok(chunk.equals(Buffer.alloc(size, i)));
});

test("a consumer that leaves early disturbs nobody", async () => {
  for (const form of FORMS) {
    for await (const { number } of worker.stream(form, 1000)) {
      if (number === 3) break;
    }
  }
  // The abandoned streams' chunks come first, so this also waits for their ends.
  assert.deepEqual(await within(worker.collect("async_generator", 2)), numbers(2));
});
