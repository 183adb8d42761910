// JavaScript's values, as Python sees them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { ExtData } from "@msgpack/msgpack";
import { failure, sharedWorker } from "./harness.mjs";

const worker = sharedWorker("values.py", {
  methods: { describe: {}, describe_items: {}, depth: {}, echo: {} },
});

class Point {
  #hidden = 1;
  constructor(x) {
    this.x = x;
  }
  toJSON() {
    return "never asked";
  }
}

const UTC = "tzinfo=datetime.timezone.utc";
const FAR = 8.64e15;

/** An extension of 8 bytes with a float64: Procwire's own form of a Date has type 2. */
function float64Ext(type, number) {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setFloat64(0, number);
  return new ExtData(type, data);
}

/** [name, the value in JavaScript, its type in Python, its text in Python] */
const SEEN = [
  ["null", null, "NoneType", "None"],
  ["undefined", undefined, "NoneType", "None"],
  ["true", true, "bool", "True"],
  ["false", false, "bool", "False"],

  ["0", 0, "int", "0"],
  ["-0", -0, "int", "0"],
  ["127", 127, "int", "127"],
  ["128", 128, "int", "128"],
  ["-32", -32, "int", "-32"],
  ["-33", -33, "int", "-33"],
  ["2**32", 2 ** 32, "int", "4294967296"],
  ["2**53 - 1", Number.MAX_SAFE_INTEGER, "int", "9007199254740991"],
  ["-(2**53 - 1)", Number.MIN_SAFE_INTEGER, "int", "-9007199254740991"],
  ["2**53 is a float64 on the wire", 2 ** 53, "float", "9007199254740992.0"],
  ["-(2**60)", -(2 ** 60), "float", "-1.152921504606847e+18"],
  ["1.0 is an integer", 1.0, "int", "1"],
  ["1.5", 1.5, "float", "1.5"],
  ["the smallest number", Number.MIN_VALUE, "float", "5e-324"],
  ["the largest number", Number.MAX_VALUE, "float", "1.7976931348623157e+308"],
  ["NaN", NaN, "float", "nan"],
  ["Infinity", Infinity, "float", "inf"],
  ["-Infinity", -Infinity, "float", "-inf"],

  ["an empty string", "", "str", "''"],
  ["text", "zażółć 🚀\0", "str", "'za\\u017c\\xf3\\u0142\\u0107 \\U0001f680\\x00'"],
  ["a lone high surrogate", "a\ud800b", "str", "'a\\ud800b'"],
  ["a lone low surrogate", "\udfff", "str", "'\\udfff'"],
  ["surrogates the wrong way round", "\udc00\ud800", "str", "'\\udc00\\ud800'"],
  ["a lone surrogate in a long string", `${"x".repeat(60)}\ud800`, "str",
    `'${"x".repeat(60)}\\ufffd'`],
  ["a lone surrogate as a key", { "\ud800": 1 }, "dict", "{'\\ud800': 1}"],
  ["a String object", new String("a"), "dict", "{'0': 'a'}"],

  ["Date 0", new Date(0), "datetime", `datetime.datetime(1970, 1, 1, 0, 0, ${UTC})`],
  ["Date with milliseconds", new Date("2023-11-14T22:13:20.123Z"), "datetime",
    `datetime.datetime(2023, 11, 14, 22, 13, 20, 123000, ${UTC})`],
  ["Date before the epoch", new Date(-1), "datetime",
    `datetime.datetime(1969, 12, 31, 23, 59, 59, 999000, ${UTC})`],
  ["Date after 2**34 seconds", new Date("2600-01-02T03:04:05Z"), "datetime",
    `datetime.datetime(2600, 1, 2, 3, 4, 5, ${UTC})`],
  ["Python's first day", new Date("0001-01-01T00:00:00Z"), "datetime",
    `datetime.datetime(1, 1, 1, 0, 0, ${UTC})`],
  ["Python's last millisecond", new Date("9999-12-31T23:59:59.999Z"), "datetime",
    `datetime.datetime(9999, 12, 31, 23, 59, 59, 999000, ${UTC})`],
  ["the day after it", new Date("+010000-01-01T00:00:00Z"), "Timestamp",
    "Timestamp(seconds=253402300800, nanoseconds=0)"],
  ["the day before the first", new Date("0000-12-31T23:59:59.5Z"), "Timestamp",
    "Timestamp(seconds=-62135596801, nanoseconds=500000000)"],
  ["JavaScript's last date", new Date(FAR), "Timestamp",
    "Timestamp(seconds=8640000000000, nanoseconds=0)"],
  ["JavaScript's first date", new Date(-FAR), "Timestamp",
    "Timestamp(seconds=-8640000000000, nanoseconds=0)"],
  ["an invalid Date", new Date(NaN), "NoneType", "None"],
  ["an invalid Date beside others", { a: new Date(NaN), b: new Date(0), c: new Date(FAR) }, "dict",
    `{'a': None, 'b': datetime.datetime(1970, 1, 1, 0, 0, ${UTC}), ` +
      "'c': Timestamp(seconds=8640000000000, nanoseconds=0)}"],

  ["Buffer", Buffer.from([0, 255]), "bytes", "b'\\x00\\xff'"],
  ["an empty Buffer", Buffer.alloc(0), "bytes", "b''"],
  ["Buffers at any depth", { a: [Buffer.from("x"), Buffer.from("yz")] }, "dict",
    "{'a': [b'x', b'yz']}"],
  ["an invalid Date's bytes in a Buffer", [Buffer.from("c70cff" + "00".repeat(12), "hex")], "list",
    `[b'\\xc7\\x0c\\xff${"\\x00".repeat(12)}']`],
  ["Uint8Array", new Uint8Array([0, 255]), "bytes", "b'\\x00\\xff'"],
  ["DataView", new DataView(new Uint8Array([1, 2]).buffer), "bytes", "b'\\x01\\x02'"],
  ["Int8Array", new Int8Array([-1]), "bytes", "b'\\xff'"],
  ["Uint16Array", new Uint16Array([1, 258]), "bytes", "b'\\x01\\x00\\x02\\x01'"],
  ["Float32Array", new Float32Array([1.5]), "bytes", "b'\\x00\\x00\\xc0?'"],
  ["Float64Array", new Float64Array([1.5]), "bytes", "b'\\x00\\x00\\x00\\x00\\x00\\x00\\xf8?'"],
  ["BigInt64Array", new BigInt64Array([1n]), "bytes",
    "b'\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00'"],
  ["ArrayBuffer has no form", new ArrayBuffer(2), "dict", "{}"],

  ["an unknown extension", new ExtData(5, new Uint8Array([1, 2])), "ExtType",
    "ExtType(code=5, data=b'\\x01\\x02')"],
  ["an extension without data", new ExtData(127, new Uint8Array()), "ExtType",
    "ExtType(code=127, data=b'')"],
  ["an unknown extension beside an invalid Date",
    [new ExtData(127, new Uint8Array(12)), new Date(NaN)], "list",
    `[ExtType(code=127, data=b'${"\\x00".repeat(12)}'), None]`],
  ["extension 1 is bytes", new ExtData(1, new Uint8Array([7])), "bytes", "b'\\x07'"],
  ["extension 2 is a date", float64Ext(2, 1.5), "datetime",
    `datetime.datetime(1970, 1, 1, 0, 0, 0, 1500, ${UTC})`],
  ["extension 2 beyond Python's years", float64Ext(2, FAR), "Timestamp",
    "Timestamp(seconds=8640000000000, nanoseconds=0)"],
  ["extension 2 that is no date", float64Ext(2, NaN), "NoneType", "None"],

  ["an empty array", [], "list", "[]"],
  ["an array", [1, "a", null, [true]], "list", "[1, 'a', None, [True]]"],
  ["undefined and a hole in an array", [undefined, , 1], "list", "[None, None, 1]"],
  ["16 items", Array(16).fill(0), "list", `[${Array(16).fill(0).join(", ")}]`],
  ["an empty object", {}, "dict", "{}"],
  ["an object", { b: { c: [1] }, a: 2 }, "dict", "{'b': {'c': [1]}, 'a': 2}"],
  ["an undefined property", { u: undefined }, "dict", "{'u': None}"],
  ["number keys are strings", { 1: "a", 2.5: "b" }, "dict", "{'1': 'a', '2.5': 'b'}"],
  ["the key NaN", { [NaN]: 1 }, "dict", "{'NaN': 1}"],
  ["no prototype", Object.assign(Object.create(null), { a: 1 }), "dict", "{'a': 1}"],
  ["Python's own names as keys", { __class__: 1, items: 2, "": 3 }, "dict",
    "{'__class__': 1, 'items': 2, '': 3}"],

  ["a Map has no form", new Map([["a", 1]]), "dict", "{}"],
  ["a Set has no form", new Set([1]), "dict", "{}"],
  ["an Error has no form", new Error("x"), "dict", "{}"],
  ["a RegExp has no form", /x/, "dict", "{}"],
  ["an instance is its own fields", new Point(1), "dict", "{'x': 1}"],
];

for (const [name, value, type, text] of SEEN) {
  test(name, async () => {
    assert.deepEqual(await worker.send("describe", value), [type, text]);
  });
}

test("all of them in one array", async () => {
  const seen = await worker.send("describe_items", SEEN.map(([, value]) => value));
  assert.deepEqual(seen, SEEN.map(([, , type, text]) => [type, text]));
});

test("an extension type that MessagePack reserves", async () => {
  assert.deepEqual(await worker.send("describe", [new ExtData(-2, new Uint8Array([9]))]), [
    "list",
    "[ExtType(code=-2, data=b'\\t')]",
  ]);
});

test("a value that comes back is the same, or what table 4a says", async () => {
  const same = [
    ...[null, true, 0, -1, 1.5, Number.MAX_SAFE_INTEGER, NaN, Infinity, "", "zażółć 🚀"],
    ...[2 ** 60, new Date(0), new Date(-1), new Date(1.7e12 + 123), new Date(FAR)],
    ...[Buffer.from("x"), [], {}, [[1], { a: null }], { a: { b: [1, "c"] } }],
  ];
  assert.deepEqual(await worker.send("echo", same), same);
  assert.deepEqual(await worker.send("echo", new Uint8Array([1, 2])), Buffer.from([1, 2]));
  assert.equal(await worker.send("echo", undefined), null);
  assert.equal(await worker.send("echo", new Date(NaN)), null);
  assert.ok(Object.is(await worker.send("echo", -0), 0));
});

test("a string of JavaScript that is no text can come in, but not go out", async () => {
  const error = await failure(worker.send("echo", { name: ["\ud800"] }));
  assert.match(error.message, /\$\.name\[0\]: the string has a lone surrogate/);
});

test("nesting as deep as the parent can send", async () => {
  const nest = (levels, wrap) => {
    let value = 0;
    for (let i = 0; i < levels; i++) value = wrap(value);
    return value;
  };
  const inList = (value) => [value];
  const inMap = (value) => ({ a: value });
  assert.equal(await worker.send("depth", nest(99, inList)), 99);
  assert.equal(await worker.send("depth", nest(99, inMap)), 99);
  const error = await failure(worker.send("depth", nest(101, inList)));
  assert.match(error.message, /Too deep objects/);
});

test("a large and crooked message", async () => {
  const rows = Array.from({ length: 2000 }, (_, i) => ({
    id: i,
    [`key ${i}`]: [i / 7, -i - 1, null, `${i}`.repeat(i % 50)],
    at: new Date(i * 86_400_000),
    body: Buffer.alloc(i % 70, i),
  }));
  // Not deepEqual, whose report of a difference would be as large.
  assert.ok(isDeepStrictEqual(await worker.send("echo", rows), rows));
});

test("what the parent itself refuses to send", async () => {
  const circle = [];
  circle.push(circle);
  for (const value of [5n, [1n], () => 1, Symbol("s"), circle]) {
    const error = await failure(worker.send("describe", value));
    assert.match(error.message, /bigint|Unrecognized object|Too deep objects/i);
  }
  assert.deepEqual(await worker.send("describe", 1), ["int", "1"]);
});
