// Python's values, as JavaScript sees them, and those that Python refuses to send.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { failure, sharedWorker } from "./harness.mjs";

const worker = sharedWorker("values.py", {
  methods: { produce: {}, produce_in_list: {}, dates_between: {}, has_numpy: {}, has_models: {} },
});

/** name → what Node sees */
const SEEN = {
  none: null,
  true: true,
  false: false,
  int: 1,
  negative: -(2 ** 31),
  max_int: Number.MAX_SAFE_INTEGER,
  min_int: Number.MIN_SAFE_INTEGER,
  int_subclass: 7,
  float: 1.5,
  whole_float: 1,
  big_float: 1e300,
  float_beyond: 2 ** 60,
  float_subclass: 2.5,
  negative_zero: -0,
  nan: NaN,
  infinity: Infinity,
  negative_infinity: -Infinity,
  empty_text: "",
  text: "zażółć 🚀 \0 end",
  text_subclass: "text",
  long_text: "ż".repeat(100_000),
  bytes: Buffer.from([0, 255]),
  empty_bytes: Buffer.alloc(0),
  bytearray: Buffer.from([0, 255]),
  memoryview: Buffer.from([0, 255]),
  memoryview_part: Buffer.from("bc"),
  memoryview_of_words: Buffer.from([1, 0, 2, 0]),
  array: Buffer.from(new Float64Array([1.5, -2]).buffer),
  array_of_bytes: Buffer.from([0, 255]),
  list: [1, "a", null, [true]],
  tuple: [1, ["a"]],
  list_subclass: [1, 2],
  namedtuple: [1, "b"],
  set: [1],
  frozenset: ["a"],
  nested_set: { tags: ["a"] },
  dict: { a: { b: [1] } },
  empty_dict: {},
  dict_subclass: { a: 1 },
  ordered_dict: { b: 1, a: 2 },
  default_dict: { a: [1] },
  counter: { a: 2, b: 1 },
  mapping_proxy: { a: 1 },
  chain_map: { a: 1, b: 3 },
  dataclass: { x: 1, y: 2.5, label: null },
  nested_dataclass: {
    start: { x: 0, y: 0, label: null },
    ends: [{ x: 1, y: 1.5, label: "end" }],
  },
  enum: "red",
  enum_of_tuple: ["a", 1],
  enum_of_uuid: "00000000-0000-0000-0000-000000000001",
  enum_of_datetime: new Date("2023-11-14T00:00:00Z"),
  enum_of_date: "2023-11-14",
  enum_of_set: ["a"],
  enum_of_enum: "red",
  int_enum: 3,
  str_enum: "sweet",
  flag: 3,
  uuid: "00000000-0000-0000-0000-000000000001",
  decimal: "1.10",
  path: "/tmp/a",
  real_path: join("a", "b"),
  ip: "127.0.0.1",
  network: "2001:db8::/32",
  scalar: 42,
  date_epoch: new Date(0),
  date_milliseconds: new Date("2023-11-14T22:13:20.123Z"),
  // JavaScript's dates have no more than milliseconds.
  date_microseconds: new Date("2023-11-14T22:13:20.123Z"),
  date_zone: new Date("2023-11-14T22:13:20Z"),
  date_1969: new Date(-1),
  date_first: new Date("0001-01-01T00:00:00Z"),
  date_last: new Date("9999-12-31T23:59:59.999Z"),
  dates: Array(3).fill({ at: new Date("2023-11-14T00:00:00Z") }),
  timestamp: new Date("2023-11-14T22:13:20.123Z"),
  timestamp_far: new Date(8.64e15),
  calendar_date: "2023-11-14",
  time: "22:13:20.123000",
  timedelta: "PT1S",
  number_keys: { 1: "a", "-2": "b", 2.5: "c" },
  mixed_keys: { 1: "number", 2: "text" },
  key_enum: { red: 1 },
  key_uuid: { "00000000-0000-0000-0000-000000000001": 1 },
  proto_value: { constructor: 1, toString: "x", hasOwnProperty: null },
};

/** name → where the value is at fault, and what is said about it */
const REFUSED = {
  int_beyond: ["$.items[3].id", /the integer 9007199254740992 is beyond ±\(2\*\*53 - 1\)/],
  int_below: ["$[0]", /-9007199254740992/],
  int_huge: ["$", /18446744073709551616/],
  int_enormous: ["$", /of 3322 bits/],
  int_subclass_beyond: ["$[0]", /9007199254740992/],
  int_beyond_in_tuple: ["$[1][1]", /1152921504606846976/],
  int_beyond_in_dataclass: ["$.p.x", /9007199254740992/],
  int_beyond_in_set: ["$.s[0]", /1152921504606846976/],
  key_beyond: ["$.a", /9007199254740992/],
  key_none: ["$.a[0]", /keys of type NoneType/],
  key_bool: ["$", /keys of type bool/],
  key_bytes: ["$", /keys of type bytes/],
  key_tuple: ["$", /keys of type tuple/],
  key_proto: ["$[0]", /'__proto__'/],
  key_date: ["$", /keys of type datetime/],
  keys_twice: ["$.a", /two keys are '1' in JavaScript/],
  surrogate: ["$.files[1]", /lone surrogate at index 1/],
  surrogate_key: ["$", /lone surrogate at index 1/],
  memoryview_with_gaps: ["$", /contiguous/],
  date_naive: ["$.items[0].at", /naive datetime/],
  timestamp_too_far: ["$[0]", /beyond JavaScript's dates/],
  ext_2_too_short: ["$[0]", /extension 2 is a date of 8 bytes, got 2/],
  object: ["$.a[0]", /object has no MessagePack form/],
  enum_of_object: ["$.e", /object has no MessagePack form/],
  class: ["$.a", /type has no MessagePack form/],
  function: ["$[0]", /function has no MessagePack form/],
  module: ["$", /module has no MessagePack form/],
  complex: ["$.z", /complex has no MessagePack form/],
  exception: ["$.error", /ValueError has no MessagePack form/],
  coroutine_function: ["$.f", /function has no MessagePack form/],
  deque: ["$", /deque has no MessagePack form/],
  range: ["$", /range has no MessagePack form/],
  generator: ["$", /generator has no MessagePack form/],
  circle: ["$[0].again[0].again", /nested more than 500 levels deep, or in a circle/],
  lists_501: ["$[0][0]", /nested more than 500 levels deep/],
  dicts_5000: ["$.a.a.a", /nested more than 500 levels deep/],
  lists_1000000: ["$[0][0]", /nested more than 500 levels deep/],
};

for (const [name, value] of Object.entries(SEEN)) {
  test(name, async () => {
    assert.deepEqual(await worker.send("produce", name), value);
    assert.deepEqual(await worker.send("produce_in_list", name), [{ value }]);
  });
}

for (const [name, [path, message]] of Object.entries(REFUSED)) {
  test(`refused: ${name}`, async () => {
    const plain = await failure(worker.send("produce", name));
    assert.ok(plain.message.startsWith(path), plain.message);
    assert.match(plain.message, message);
    const inList = await failure(worker.send("produce_in_list", name));
    const longer = `$[0].value${path.slice(1)}`;
    assert.ok(inList.message.startsWith(longer), inList.message);
    assert.match(inList.message, message);
  });
}

test("an unknown extension type is ExtData in JavaScript", async () => {
  const ext = await worker.send("produce", "ext");
  assert.equal(ext.constructor.name, "ExtData");
  assert.equal(ext.type, 5);
  assert.deepEqual(Buffer.from(ext.data), Buffer.from([1, 2]));
});

test("nesting up to the limit", async () => {
  for (const name of ["lists_500", "dicts_500"]) {
    let value = await worker.send("produce", name);
    let levels = 0;
    for (; typeof value === "object"; levels++) value = value[0] ?? value.a;
    assert.deepEqual([levels, value], [500, 0]);
  }
});

test("no millisecond of a Date gets lost", async () => {
  const numbers = Array.from({ length: 2000 }, (_, i) => i * 86_413_577 - 8.6e10);
  numbers.push(-62_135_596_800_000, 253_402_300_799_999, 1, -1, 999, 2 ** 34 * 1000 - 1);
  const dates = await worker.send("dates_between", numbers);
  assert.deepEqual(dates.map(Number), numbers);
});

test("NumPy's scalars are numbers, its arrays bytes", async (t) => {
  if (!(await worker.send("has_numpy", null))) return t.skip("NumPy is not installed");
  const expected = {
    np_int64: -5,
    np_uint8: 255,
    np_float32: 1.5,
    np_float64: 0.1,
    np_nan: NaN,
    np_bool: true,
    np_text: "zażółć",
    np_bytes: Buffer.from("ab"),
    np_zero_dimensional: 7,
    np_array: Buffer.from([1, 0, 2, 0]),
    np_date: "2023-11-14",
    np_array_with_gaps: Buffer.from([0, 2, 4]),
    np_table: Buffer.from(new Float64Array([1.5, 2.5]).buffer),
  };
  for (const [name, value] of Object.entries(expected)) {
    assert.deepEqual(await worker.send("produce", name), value, name);
    assert.deepEqual(await worker.send("produce_in_list", name), [{ value }], name);
  }
  const objects = await failure(worker.send("produce", "np_objects"));
  assert.match(objects.message, /^\$\.a: /, "an array of pointers is nothing to send");
  const beyond = await failure(worker.send("produce", "np_int64_beyond"));
  assert.match(beyond.message, /^\$\.n: the integer 9007199254740992 is beyond/);
  return undefined;
});

test("models of attrs, msgspec and pydantic", async (t) => {
  if (!(await worker.send("has_models", null))) return t.skip("they are not installed");
  const at = new Date("2023-11-14T00:00:00Z");
  const model = {
    userId: 1,
    id: "00000000-0000-0000-0000-000000000001",
    struct: { type: "user", userId: 2, slot: [{ x: 3, at }] },
  };
  assert.deepEqual(await worker.send("produce", "model"), model);
  const error = await failure(worker.send("produce_in_list", "slot_at_fault"));
  assert.match(error.message, /^\$\[0\]\.value\[0\]\.x: the integer 9007199254740992 is beyond/);
  return undefined;
});
