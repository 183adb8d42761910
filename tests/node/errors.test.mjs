// Whatever goes wrong in a handler reaches the caller as one error, and the worker lives on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { rawCodec, msgpackCodec } from "@procwire/codecs";
import { failure, sharedWorker, within } from "./harness.mjs";

const stream = { response: "stream" };
const ack = { response: "ack" };
const rawAnswer = { requestCodec: msgpackCodec, responseCodec: rawCodec };

const FAILING = ["fail", "fail_later", "fail_in_thread", "fail_inline", "fail_with_context"];
const STREAMS = [
  "stream_async",
  "stream_waiting",
  "stream_thread",
  "stream_inline",
  "stream_context",
  "stream_thread_context",
];
const ANSWERS = ["ack_it", "respond_it", "chunk_it", "end_it"];

const worker = sharedWorker("errors.py", {
  methods: {
    ...Object.fromEntries(FAILING.map((name) => [name, undefined])),
    fail_ack: ack,
    fail_raw: { codec: rawCodec },
    fail_raw_ack: { ...ack, codec: rawCodec },
    ...Object.fromEntries(STREAMS.map((name) => [name, stream])),
    stream_raw: { ...stream, ...rawAnswer },
    stream_told: stream,
    tell: undefined,
    tell_in_thread: undefined,
    tell_raw: rawAnswer,
    unencodable: undefined,
    unencodable_ack: ack,
    unencodable_chunk: stream,
    raw_text: { codec: rawCodec },
    second_try: undefined,
    ...Object.fromEntries(
      ["result", "ack", "stream"].flatMap((response) =>
        ANSWERS.map((name) => [`${name}_${response}`, { response }]),
      ),
    ),
    recovers: undefined,
    returns_a_value: stream,
    twice: undefined,
    respond_and_return: undefined,
    respond_and_raise: undefined,
    error_and_return: undefined,
    once_result: undefined,
    once_result_later: undefined,
    once_result_thread: undefined,
    once_ack: ack,
    once_stream: stream,
    once_generator: stream,
    // The worker reads MessagePack here, and this parent sends whatever it likes.
    echo: { requestCodec: rawCodec, responseCodec: msgpackCodec },
    echo_stream: { ...stream, requestCodec: rawCodec, responseCodec: msgpackCodec },
  },
  events: { refused: {} },
});

/** The error of a request, which must be the only answer that is sent for it. */
async function errorOf(method, data) {
  const id = worker.nextRequestId;
  const error = await failure(worker.send(method, data));
  await settled();
  assert.deepEqual(worker.flagsOf(id), ["07"]);
  return error;
}

/** What a stream gave before it failed, and the error. */
async function brokenStream(method, data, flags) {
  const id = worker.nextRequestId;
  const chunks = [];
  const error = await within(
    failure(
      (async () => {
        for await (const chunk of worker.stream(method, data)) chunks.push(chunk);
      })(),
    ),
    `the error of ${method}`,
  );
  await settled();
  assert.deepEqual(worker.flagsOf(id), [...chunks.map(() => "0b"), "0f"]);
  return [chunks, error];
}

/** All that earlier requests could still send has arrived. */
async function settled() {
  await worker.send("once_result_thread", null);
}

const DETAILS = { message: "bad", code: "E1", tries: [1, 2], nested: { a: null } };

const MESSAGES = {
  text: "oops",
  lines: "first\nsecond\ttab",
  unicode: "zażółć 🚀",
  surrogate: "file \\udcff",
  empty: "ValueError",
  empty_text: "ValueError",
  arguments: "('a', 1)",
  number: "404",
  key: "KeyError: 'missing'",
  index: "list index out of range",
  attribute: "'NoneType' object has no attribute 'nothing'",
  division: "division by zero",
  assertion: "not equal",
  os: "[Errno 2] No such file or directory: '/no/such/file'",
  group: "several (2 sub-exceptions)",
  chained: "effect",
  textless: "Textless (whose text cannot be made)",
  unprintable: "Unprintable (whose text cannot be made)",
  long: "x".repeat(100_000),
  exit: "3",
  interrupt: "KeyboardInterrupt",
  cancelled: "CancelledError",
  timeout: "TimeoutError",
  stop_async: "stopped",
  generator_exit: "GeneratorExit",
};

for (const method of [...FAILING, "fail_ack"]) {
  test(`an exception reaches the caller as its text: ${method}`, async () => {
    for (const [kind, message] of Object.entries(MESSAGES)) {
      const error = await errorOf(method, kind);
      assert.equal(error.name, "ProcwireError");
      assert.equal(error.message, message, kind);
      assert.equal(error.data, message, kind);
    }
  });

  test(`HandlerError brings its code and details: ${method}`, async () => {
    const expected = {
      handler: { message: "bad" },
      code: { message: "bad", code: "E1" },
      number_code: { message: "bad", code: 42 },
      details: DETAILS,
      rich_details: {
        message: "bad",
        body: Buffer.from([0, 255]),
        at: new Date("2023-11-14T22:13:20.123Z"),
      },
      empty_message: { message: "" },
    };
    for (const [kind, data] of Object.entries(expected)) {
      const error = await errorOf(method, kind);
      assert.equal(error.message, data.message, kind);
      assert.deepEqual(error.data, data, kind);
    }
  });
}

test("StopIteration is an error as any other", async () => {
  for (const method of FAILING) {
    // A coroutine cannot raise it: Python makes that a RuntimeError.
    const error = await errorOf(method, "stop");
    assert.match(error.message, /^(stopped|coroutine raised StopIteration)$/);
  }
});

test("the traceback is logged, and never sent", async () => {
  for (const method of FAILING) await errorOf(method, "chained");
  const log = worker.log();
  assert.match(log, /Traceback[^]*KeyError: 'cause'[^]*direct cause[^]*ValueError: effect/);
  assert.ok(log.split("direct cause").length > FAILING.length);
});

test("details that cannot be sent do not swallow the message", async () => {
  for (const kind of ["bad_details", "big_details"]) {
    const error = await errorOf("fail", kind);
    assert.equal(error.message, "bad");
  }
});

test("an error is MessagePack on raw methods, too", async () => {
  for (const method of ["fail_raw", "fail_raw_ack"]) {
    assert.equal((await errorOf(method, Buffer.from("text"))).message, "oops");
    const { data } = await errorOf(method, Buffer.from("details"));
    assert.deepEqual(data, DETAILS);
  }
  assert.equal((await errorOf("tell_raw", "mapping")).data.code, 7);
});

for (const method of [...STREAMS, "stream_raw"]) {
  test(`a stream's error comes after its chunks: ${method}`, async () => {
    for (const after of [0, 1, 100]) {
      const [chunks, error] = await brokenStream(method, { after, kind: "text" });
      const numbers = [...Array(after).keys()];
      assert.deepEqual(
        chunks,
        method === "stream_raw" ? numbers.map((number) => Buffer.from([number])) : numbers,
      );
      assert.equal(error.message, "oops");
    }
  });

  test(`every kind of exception ends a stream: ${method}`, async () => {
    for (const [kind, message] of Object.entries(MESSAGES)) {
      // Python makes this one a RuntimeError in a generator.
      if (kind === "stop_async") continue;
      const [chunks, error] = await brokenStream(method, { after: 1, kind });
      assert.equal(chunks.length, 1);
      assert.equal(error.message, message, kind);
    }
    const [, error] = await brokenStream(method, { after: 1, kind: "details" });
    assert.deepEqual(error.data, DETAILS);
  });
}

test("a stream can be told to fail", async () => {
  for (const after of [0, 3]) {
    const [chunks, error] = await brokenStream("stream_told", after);
    assert.equal(chunks.length, after);
    assert.deepEqual(error.data, { message: "told", after });
  }
});

for (const method of ["tell", "tell_in_thread"]) {
  test(`ctx.error takes a text, an exception or a mapping: ${method}`, async () => {
    assert.equal((await errorOf(method, "text")).data, "as a text");
    assert.equal((await errorOf(method, "exception")).data, "as an exception");
    assert.equal((await errorOf(method, "surrogate")).data, "file \\udcff");
    const told = await errorOf(method, "handler_error");
    assert.deepEqual(told.data, { message: "as a HandlerError", code: "E2" });
    const mapping = await errorOf(method, "mapping");
    assert.equal(mapping.message, "as a mapping");
    assert.deepEqual(mapping.data, { message: "as a mapping", code: 7, list: [1] });
    assert.deepEqual((await errorOf(method, "mapping_without_message")).data, { code: 7 });
    assert.equal((await errorOf(method, "unencodable")).message, "as a mapping");
  });

  test(`ctx.error refuses anything else: ${method}`, async () => {
    for (const [kind, type] of Object.entries({ number: "int", none: "NoneType" })) {
      const error = await errorOf(method, kind);
      assert.match(error.message, new RegExp(`an error is a text.* got ${type}`));
    }
  });
}

test("an answer that cannot be encoded is an error that says where", async () => {
  assert.match((await errorOf("unencodable", null)).message, /\$\.items\[1\]\.id: object /);
  assert.match((await errorOf("unencodable_ack", null)).message, /object has no MessagePack form/);
  assert.match((await errorOf("raw_text", Buffer.alloc(0))).message, /bytes.*str/);
  const [chunks, error] = await brokenStream("unencodable_chunk", null);
  assert.deepEqual(chunks, [1]);
  assert.match(error.message, /9007199254740992 is beyond/);
});

test("after a failed respond the handler may answer something else", async () => {
  const id = worker.nextRequestId;
  assert.match(await worker.send("second_try", null), /^CodecError: \$\.a: the integer /);
  assert.deepEqual(worker.flagsOf(id), ["03"]);
});

const VERBS = { ack: "ack", respond: "result", chunk: "stream", end: "stream" };
for (const [verb, own] of Object.entries(VERBS)) {
  for (const kind of ["result", "ack", "stream"].filter((kind) => kind !== own)) {
    test(`${verb}() on a method that answers with ${kind} is an error at once`, async () => {
      const method = `${verb}_it_${kind}`;
      const error =
        kind === "stream" ? (await brokenStream(method, 1))[1] : await errorOf(method, 1);
      assert.equal(
        error.message,
        `${verb}() cannot answer '${method}', whose response is '${kind}'`,
      );
    });
  }
}

test("the handler can catch that and answer rightly", async () => {
  assert.match(await worker.send("recovers", 1), /^ack\(\) cannot answer 'recovers'/);
});

test("a stream handler that returns a value fails", async () => {
  const [chunks, error] = await brokenStream("returns_a_value", null);
  assert.deepEqual(chunks, [1]);
  assert.match(error.message, /a stream handler yields, but 'returns_a_value' returned str/);
});

test("a second answer is refused, the first one stands", async () => {
  const refused = worker.event("refused");
  const id = worker.nextRequestId;
  assert.equal(await worker.send("twice", null), "first");
  assert.match(await refused, /has been answered/);
  assert.equal(await worker.send("respond_and_return", null), "responded");
  assert.equal(await worker.send("respond_and_raise", null), "responded");
  await settled();
  for (const i of [0, 1, 2]) assert.deepEqual(worker.flagsOf(id + i), ["03"]);
  assert.match(worker.log(), /'respond_and_return' returned a value for request/);
  assert.match(worker.log(), /ValueError: too late to be heard/);
  assert.equal((await errorOf("error_and_return", null)).message, "told");
});

test("who answers through the context and returns None is not answered twice", async () => {
  const answers = {
    once_result: ["03"],
    once_result_later: ["03"],
    once_result_thread: ["03"],
    once_ack: ["23"],
    once_stream: ["0b", "1b"],
    once_generator: ["0b", "1b"],
  };
  for (const [method, flags] of Object.entries(answers)) {
    const id = worker.nextRequestId;
    if (flags.length === 1) assert.equal(await worker.send(method, "data"), "data");
    else assert.deepEqual(await worker.collect(method, "data"), ["data"]);
    await settled();
    assert.deepEqual(worker.flagsOf(id), flags, method);
  }
});

test("a method id that the worker does not have", async () => {
  const { module } = worker;
  module.method("ghost").method("ghost_stream", { response: "stream" });
  for (const [name, response] of [["ghost", "result"], ["ghost_stream", "stream"]]) {
    module._methodNameToId.set(name, 999);
    module._childSchema.methods[name] = { id: 999, response };
  }
  assert.equal((await errorOf("ghost", 1)).message, "Unknown method ID: 999");
  const error = await within(failure(worker.collect("ghost_stream", 1)));
  assert.equal(error.message, "Unknown method ID: 999");
});

test("a payload that is no MessagePack", async () => {
  const payloads = {
    empty: Buffer.alloc(0),
    truncated: Buffer.from("92 01".replaceAll(" ", ""), "hex"),
    trailing: Buffer.from("0102", "hex"),
    reserved: Buffer.from("c1", "hex"),
    "invalid UTF-8": Buffer.from("a2c328", "hex"),
    "a length that is not there": Buffer.from("c6ffffffff", "hex"),
    "a list that is not there": Buffer.from("ddffffffff", "hex"),
    "a date of the wrong size": Buffer.from("c70302000000", "hex"),
    "too deep": Buffer.alloc(100_000, 0x91),
  };
  for (const [name, payload] of Object.entries(payloads)) {
    const error = await errorOf("echo", payload);
    assert.match(error.message, /^the payload for 'echo' is not msgpack: .*same codec\?$/, name);
    const [chunks, streamError] = await brokenStream("echo_stream", payload);
    assert.deepEqual(chunks, [], name);
    assert.match(streamError.message, /^the payload for 'echo_stream' is not msgpack: /, name);
  }
  assert.equal(await worker.send("echo", Buffer.from("05", "hex")), 5);
});
