// What JavaScript really sends to handlers whose annotations say what they take.

import assert from "node:assert/strict";
import { test } from "node:test";
import { failure, sharedWorker } from "./harness.mjs";

const methods = {
  describe: {},
  describe_many: {},
  describe_pet: {},
  describe_person: {},
  store: {},
  letters: { response: "stream" },
  begin: { response: "ack" },
  norms: {},
  sign_up: {},
  json: {},
};
const worker = sharedWorker("typed.py", { methods });
const lenient = sharedWorker("typed.py", { methods, env: { NIL_AS_MISSING: "1" } });

const item = (fields = "") => {
  const values = { name: "'-'", blob: "b''", at: "None", price: "0.0", by_year: "{}", ...fields };
  const texts = Object.entries(values).map(([name, text]) => `${name}=${text}`);
  return `Item(id=1, ${texts.join(", ")}, order=<Order.UP: 'up'>)`;
};
const UTC = "tzinfo=datetime.timezone.utc";

/** [name, fields in JavaScript, the same in Python] */
const SEEN = [
  ["nothing but what has no default", {}, {}],
  ["a Buffer", { blob: Buffer.from("ab") }, { blob: "b'ab'" }],
  ["an empty Buffer", { blob: Buffer.alloc(0) }, { blob: "b''" }],
  ["a long Buffer", { blob: Buffer.alloc(300, "x") }, { blob: `b'${"x".repeat(300)}'` }],
  ["a Uint8Array", { blob: new Uint8Array([1]) }, { blob: "b'\\x01'" }],
  ["a Date", { at: new Date(1700000000123) },
    { at: `datetime.datetime(2023, 11, 14, 22, 13, 20, 123000, ${UTC})` }],
  ["the epoch", { at: new Date(0) }, { at: `datetime.datetime(1970, 1, 1, 0, 0, ${UTC})` }],
  ["a Date as JSON has it", { at: new Date(1700000000000).toJSON() },
    { at: `datetime.datetime(2023, 11, 14, 22, 13, 20, ${UTC})` }],
  ["an invalid Date, where there may be none", { at: new Date(NaN) }, { at: "None" }],
  ["a whole number for a float", { price: 5.0 }, { price: "5.0" }],
  ["-0", { price: -0 }, { price: "0.0" }],
  ["keys that are numbers", { by_year: { 1999: [1, 2.5], "-1": [] } },
    { by_year: "{1999: [1.0, 2.5], -1: []}" }],
  ["the entries of a Map", { by_year: Object.fromEntries(new Map([[1999, [1]]])) },
    { by_year: "{1999: [1.0]}" }],
  ["a lone surrogate", { name: "a\ud800" }, { name: "'a\\ud800'" }],
  ["fields that nobody knows", { id: 1, extra: undefined, more: new Date(NaN) }, {}],
];

for (const [name, fields, expected] of SEEN) {
  test(`what is understood: ${name}`, async () => {
    assert.equal(await worker.send("describe", { id: 1, ...fields }), item(expected));
  });
}

test("a model is sent by other names than it was read", async () => {
  const input = { userName: "Ada", email: "a@b", address: { city: "London" }, password: "x" };
  assert.deepEqual(await worker.send("sign_up", input), {
    "user-name": "Ada",
    mail: "a@b",
    city: "London",
    street: "-",
    greeting: "Dear Ada",
  });
  const tree = { a: ["b", 1, null] };
  assert.deepEqual(await worker.send("json", tree), tree);
});

test("whole numbers of 2**53 and more are integers", async () => {
  const text = await worker.send("describe", { id: 2 ** 53 });
  assert.match(text, /^Item\(id=9007199254740992, /);
});

/** [name, method, value, path, expected, got] */
const REFUSED = [
  ["a string for a number", "describe", { id: "1" }, "$.id", "int", "str"],
  ["half a number", "describe", { id: 1.5 }, "$.id", "int", "float"],
  ["a field that is missing", "describe", {}, "$.id", "int", "nothing"],
  ["undefined", "describe", { id: undefined }, "$.id", "int", "None"],
  ["undefined where there is a default", "describe", { id: 1, name: undefined }, "$.name", "str",
    "None"],
  ["undefined as all there is", "describe", undefined, "$", "Item", "None"],
  ["a string for a Buffer", "describe", { id: 1, blob: "YWI=" }, "$.blob", "bytes", "str"],
  ["a Map", "describe_many", new Map(), "$", "list[Item]", "dict"],
  ["a number for a Date", "describe", { id: 1, at: Date.now() }, "$.at", "datetime | None", "int"],
  ["a date beyond Python's", "describe", { id: 1, at: new Date(8.64e15) }, "$.at",
    "datetime | None", "Timestamp"],
  ["a key that is no number", "describe", { id: 1, by_year: { 1: [], x: [] } }, "$.by_year",
    "int keys", "the key 'x'"],
  ["something deep in an object", "describe", { id: 1, by_year: { 1: [], 2: [0, null] } },
    "$.by_year.2[1]", "float", "None"],
  ["another word", "describe", { id: 1, order: "sideways" }, "$.order", "'up' | 'down'",
    "'sideways'"],
  ["one of a list", "describe_many", [{ id: 1 }, { id: true }], "$[1].id", "int", "bool"],
  ["a tag that nobody has", "describe_pet", { type: "Cow" }, "$.type", "'Cat' | 'Dog'", "'Cow'"],
  ["a model's field", "describe_person", { name: [] }, "$.name", "a valid string", "list"],
];

for (const [name, method, value, path, expected, got] of REFUSED) {
  test(`what is refused: ${name}`, async () => {
    const error = await failure(worker.send(method, value));
    const message = `${path}: expected ${expected}, got ${got}`;
    assert.deepEqual({ ...error.data, message: error.message.slice(0, message.length) }, {
      message, code: "VALIDATION", path, expected, got,
    });
  });
}

test("with nil_as_missing, undefined stands for the default", async () => {
  const value = { id: 1, name: undefined, blob: null, at: undefined };
  assert.equal(await lenient.send("describe", value), item());
  assert.equal(
    await lenient.send("describe_person", { name: "a", age: undefined }),
    "Person(name='a', age=0, photo=b'')",
  );
});

test("models and tagged unions", async () => {
  const photo = Buffer.from("ab");
  assert.equal(
    await worker.send("describe_person", { name: "a", age: "5", photo }),
    "Person(name='a', age=5, photo=b'ab')",
  );
  assert.equal(await worker.send("describe_pet", { lives: 9, type: "Cat" }), "Cat(lives=9)");
  assert.equal(
    await worker.send("describe_pet", { type: "Dog", weight: "1.50" }),
    "Dog(weight=Decimal('1.50'))",
  );
});

test("streams, acks and batches", async () => {
  assert.deepEqual(await worker.collect("letters", "a"), ["a"]);
  assert.equal((await failure(worker.collect("letters", "c"))).data.got, "'c'");
  const ids = { 7: "00000000-0000-0000-0000-000000000001" };
  assert.equal(await worker.send("begin", { depth: 1, ids }), null);
  assert.equal((await failure(worker.send("begin", { depth: "1" }))).data.path, "$.depth");
  const calls = [[1], [1, 2], ["1"], [3, 4]].map((point) => worker.send("norms", point));
  const settled = await Promise.allSettled(calls);
  assert.deepEqual(settled.map(({ value, reason }) => value ?? reason.data.path), [
    1.5, 3, "$[0]", 7,
  ]);
});

test("bad payloads among others fail alone", async () => {
  const calls = Array.from({ length: 500 }, (_, id) =>
    worker.send("describe", { id: id % 5 ? id : String(id) }),
  );
  const settled = await Promise.allSettled(calls);
  const refused = settled.filter(({ status }) => status === "rejected");
  assert.equal(refused.length, 100);
  assert.ok(refused.every(({ reason }) => reason.data.code === "VALIDATION"));
});
