// A stream that always has something to send does not keep others waiting.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { failure, sharedWorker, within } from "./harness.mjs";

const FORMS = [
  "async_generator",
  "thread_generator",
  "loop_generator",
  "context",
  "thread_context",
];

/** size of a chunk → how many; an answer that comes behind most of them has been kept waiting. */
const FLOODS = { 1000: 30_000, 65_536: 2000, 1_048_576: 400 };

const worker = sharedWorker("floods.py", {
  methods: {
    ...Object.fromEntries(
      FORMS.map((name) => [name, { response: "stream", cancellable: true }]),
    ),
    echo: undefined,
  },
});

const place = mkdtempSync(join(tmpdir(), "procwire-fairness-"));
after(() => rmSync(place, { recursive: true }));
const path = join(place, "progress");
const echo = { path: join(place, "answered"), body: Buffer.from("x") };

for (const form of FORMS) {
  for (const [size, count] of Object.entries(FLOODS)) {
    test(`requests are answered, aborts heard: ${form}, ${size} bytes a chunk`, async () => {
      const controller = new AbortController();
      const request = { path, count, size: Number(size) };
      let chunks = 0;
      let answer;
      let answeredAt;
      const reading = (async () => {
        for await (const _ of worker.stream(form, request, { signal: controller.signal })) {
          chunks += 1;
          if (chunks !== 10) continue;
          answer = worker.send("echo", echo).then(() => {
            answeredAt = chunks;
            controller.abort();
          });
        }
      })();
      const error = await within(failure(reading), "the end of the stream");
      assert.equal(error.name, "AbortError");
      await answer;
      assert.ok(answeredAt < count * 0.75, `answered after ${answeredAt} of ${count} chunks`);
    });
  }
}
