// Tables through the real Arrow codec: what JavaScript reads of each type, and what Python does.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import * as arrow from "apache-arrow";
import { msgpackCodec, rawCodec } from "@procwire/codecs";
import { arrowCodec } from "@procwire/codecs/arrow";
import { failure, sharedWorker, until } from "./harness.mjs";

const toArrow = { requestCodec: msgpackCodec, responseCodec: arrowCodec };
const fromArrow = { requestCodec: arrowCodec, responseCodec: msgpackCodec };
const streamed = { ...toArrow, response: "stream" };

const worker = sharedWorker("tables.py", {
  methods: {
    column: toArrow,
    column_old: toArrow,
    column_plain: toArrow,
    column_float: toArrow,
    column_bytes: { requestCodec: msgpackCodec, responseCodec: rawCodec },
    column_lz4: toArrow,
    column_zstd: toArrow,
    describe: fromArrow,
    describe_bytes: { requestCodec: rawCodec, responseCodec: msgpackCodec },
    describe_fully: fromArrow,
    describe_plain: fromArrow,
    echo: { codec: arrowCodec },
    ipc: { requestCodec: msgpackCodec, responseCodec: rawCodec },
    result: toArrow,
    yielded: streamed,
    yielded_async: streamed,
    returned: { ...streamed, cancellable: true },
    returned_inline: streamed,
    returned_async: streamed,
    closed_readers: undefined,
    ack: { codec: arrowCodec, response: "ack" },
    emit: fromArrow,
  },
  events: { table: { codec: arrowCodec } },
});

/** A value of a vector as plain JavaScript; a BigInt stays one. */
function plain(value) {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Uint8Array || value instanceof Uint32Array || value instanceof Int32Array) {
    return [...value];
  }
  if (value instanceof arrow.Vector) return Array.from(value, plain);
  if (value instanceof arrow.StructRow || value instanceof arrow.MapRow) {
    return Object.fromEntries(Object.entries(value.toJSON()).map(([key, item]) => [key, plain(item)]));
  }
  return value;
}

const repeated = (table) => Array.from(table.getChildAt(0), plain);
const rows = (table) => table.toArray().map((row) => row.toJSON());
const batchesOf = (tables) => tables.map((table) => table.numRows);
const ROWS = [{ a: 1, b: "x" }, { a: 2, b: "y" }, { a: 3, b: "z" }];

/** A column's type and its values, which Python has sent twice, in two batches. */
async function column(method, name, codec = (table) => table) {
  const table = codec(await worker.send(method, name));
  const all = repeated(table);
  const half = all.slice(0, all.length / 2);
  assert.deepEqual(all.slice(all.length / 2), half);
  assert.equal(table.batches.length, 2);
  return [String(table.schema.fields[0].type), half];
}

// ---- what JavaScript reads -----------------------------------------------------------------------

const BYTES = [[0, 255], null];
const DAY = Date.UTC(2024, 1, 29);

// What apache-arrow knows, and reads as what it is.
const KNOWN = {
  bool: ["Bool", [true, null, false]],
  int8: ["Int8", [-1, null, 127]],
  uint32: ["Uint32", [0, null, 2 ** 32 - 1]],
  float16: ["Float16", [1.5, -2]],
  float32: ["Float32", [1.5, null]],
  float64: ["Float64", [0.1, null, Infinity]],
  string: ["Utf8", ["zażółć", null, "🚀", ""]],
  large_string: ["LargeUtf8", ["a", null]],
  string_view: ["Utf8View", ["short", null, "longer than twelve bytes"]],
  binary: ["Binary", BYTES],
  large_binary: ["LargeBinary", BYTES],
  binary_view: ["BinaryView", BYTES],
  fixed_binary: ["FixedSizeBinary[2]", [[97, 98], [99, 100]]],
  null: ["Null", [null, null]],
  list: ["List<Int32>", [[1, 2], null, []]],
  large_list: ["LargeList<Int32>", [[1, 2], null, []]],
  fixed_list: ["FixedSizeList[2]<Int32>", [[1, 2], [3, 4]]],
  struct: ["Struct<{a:Int32, b:Utf8}>", [{ a: 1, b: "x" }, null]],
  map: ["Map<{key:Utf8, value:Int32}>", [{ a: 1, b: 2 }]],
  interval: ["Interval<MONTH_DAY_NANO>", [[1, 2, 3, 0]]],
  date32: ["Date32<DAY>", [DAY, null]],
  date64: ["Date64<MILLISECOND>", [DAY]],
  time32: ["Time32<SECOND>", [3723]],
  dictionary: ["Dictionary<Int32, Utf8>", ["a", "b", null, "a"]],
  small_dictionary: ["Dictionary<Uint8, Utf8>", ["b", "a"]],
};

// What it reads as something that one has to know about: BigInts, words without a decimal point,
// fractions of milliseconds, the storage of an extension type.
const PECULIAR = {
  int64: ["Int64", [2n ** 53n + 1n, null, -5n]],
  uint64: ["Uint64", [2n ** 64n - 1n]],
  time64: ["Time64<MICROSECOND>", [3_723_000_000n]],
  duration: ["Duration<MILLISECOND>", [1500n]],
  timestamp_ms: ["Timestamp<MILLISECOND, UTC>", [1_700_000_000_123]],
  timestamp_us: ["Timestamp<MICROSECOND, UTC>", [1_700_000_000_123.456]],
  timestamp_ns: ["Timestamp<NANOSECOND>", [1_700_000_000_123.4568]],
  decimal32: ["Decimal[5e+2]", [[123], null]],
  decimal64: ["Decimal[12e+2]", [[123, 0], null]],
  decimal128: ["Decimal[10e+2]", [[123, 0, 0, 0], null, [2 ** 32 - 450, ...Array(3).fill(2 ** 32 - 1)]]],
  decimal256: ["Decimal[50e+2]", [[123, 0, 0, 0, 0, 0, 0, 0], null]],
  uuid: ["FixedSizeBinary[16]", [[...Array(15).fill(0), 1]]],
};

// What it cannot read, and Python therefore sends as something else.
const CAST = {
  list_view: ["List<Int32>", [[1, 2], null, [3]]],
  large_list_view: ["LargeList<Int32>", [[1, 2], null, [3]]],
  run_ends: ["Utf8", ["a", "a", "b"]],
  dictionary_int64: ["Dictionary<Int32, Utf8>", ["b", "a", null]],
  dictionary_uint64: ["Dictionary<Int32, Utf8>", ["b", "a", null]],
  struct_of_list_views: [
    "Struct<{views:List<Int32>, runs:Utf8}>",
    [{ views: [1, 2], runs: "a" }, { views: null, runs: "a" }, { views: [3], runs: "b" }],
  ],
  list_of_dictionaries: ["List<Dictionary<Int32, Utf8>>", [["b", "a"], [null], null]],
  slice_of_lists_of_dictionaries: ["List<Dictionary<Int32, Utf8>>", [[null], null]],
  map_of_run_ends: ["Map<{key:Utf8, value:Utf8}>", [{ k: "a" }, { l: "a", m: "b" }]],
};

for (const [name, expected] of Object.entries({ ...KNOWN, ...PECULIAR, ...CAST })) {
  test(`to JavaScript: ${name}`, async () => {
    assert.deepEqual(await column("column", name), expected);
  });
}

test("the values of a timestamp's array are BigInts", async () => {
  const table = await worker.send("column", "timestamp_us");
  assert.equal(table.getChildAt(0).get(0), 1_700_000_000_123.456);
  assert.equal(table.getChildAt(0).toArray()[0], 1_700_000_000_123_456n);
});

test("a table with BigInts is no JSON", async () => {
  const table = await worker.send("column", "int64");
  assert.throws(() => JSON.stringify(table.toArray()), /BigInt/);
});

test("a union is read from memory that is aligned, and a payload's is not", async () => {
  for (const name of ["dense_union", "sparse_union"]) {
    const error = await failure(worker.send("column", name));
    assert.match(error.message, /start offset of Int32Array should be a multiple of 4/);
    const values = name === "dense_union" ? [1, "x", 2] : [1, "x"];
    const table = arrow.tableFromIPC(Uint8Array.from(await worker.send("column_bytes", name)));
    assert.deepEqual(repeated(table), [...values, ...values]);
  }
});

test("an old reader gets no views and nothing large", async () => {
  for (const [name, plainer] of Object.entries({
    string_view: "Utf8",
    large_string: "Utf8",
    binary_view: "Binary",
    large_binary: "Binary",
    large_list: "List<Int32>",
  })) {
    assert.deepEqual(await column("column_old", name), [plainer, KNOWN[name][1]]);
  }
  const views = await column("column_old", "large_list_view");
  assert.deepEqual(views, ["List<Int32>", CAST.large_list_view[1]]);
});

test("decimals as texts or as numbers", async () => {
  for (const name of ["decimal32", "decimal64", "decimal128", "decimal256"]) {
    const count = PECULIAR[name][1].length;
    const texts = ["1.23", null, "-4.50"].slice(0, count);
    assert.deepEqual(await column("column_plain", name), ["Utf8", texts]);
    const numbers = [1.23, null, -4.5].slice(0, count);
    assert.deepEqual(await column("column_float", name), ["Float64", numbers]);
  }
});

test("timestamps in milliseconds", async () => {
  for (const [name, type] of [["timestamp_us", "MILLISECOND, UTC"], ["timestamp_ns", "MILLISECOND"]]) {
    const expected = [`Timestamp<${type}>`, [1_700_000_000_123]];
    assert.deepEqual(await column("column_plain", name), expected);
  }
});

test("64-bit integers as numbers, as far as numbers go", async () => {
  const [type, values] = await column("column_plain", "small_int64");
  assert.deepEqual([type, values], ["Float64", [1, null, -5]]);
  for (const name of ["int64", "uint64"]) {
    const error = await failure(worker.send("column_plain", name));
    assert.match(error.message, /^\$\.c: u?int64 cannot be sent as double: Integer value \d+ not in range/);
  }
});

test("metadata and extension types are sent, or not", async () => {
  const kept = (await worker.send("column", "uuid")).schema;
  assert.equal(kept.metadata.get("made by"), "test");
  assert.equal(kept.fields[0].metadata.get("unit"), "none");
  assert.equal(kept.fields[0].metadata.get("ARROW:extension:name"), "arrow.uuid");
  const stripped = (await worker.send("column_plain", "uuid")).schema;
  assert.deepEqual([stripped.metadata.size, stripped.fields[0].metadata.size], [0, 0]);
});

test("nothing is compressed unless asked: this parent cannot read it", async () => {
  for (const method of ["column_lz4", "column_zstd"]) {
    const error = await failure(worker.send(method, "float64"));
    assert.match(error.message, /compressed but codec not found/);
  }
});

// ---- what Python reads ---------------------------------------------------------------------------

test("strings: dictionaries from vectors, plain from objects, or as asked", async () => {
  const vectors = arrow.tableFromArrays({ s: ["a", "b", "a"] });
  const { types, values } = await worker.send("describe", vectors);
  assert.deepEqual(types, { s: "dictionary<values=string, indices=int32, ordered=0>" });
  assert.deepEqual(values, { s: ["a", "b", "a"] });
  assert.deepEqual((await worker.send("describe_plain", vectors)).types, { s: "string" });
  const object = await worker.send("describe", { s: ["a", null, "ż"] });
  assert.deepEqual([object.types, object.values], [{ s: "string" }, { s: ["a", null, "ż"] }]);
});

test("dictionaries inside of others become plain, too", async () => {
  const nested = new arrow.Table({ s: arrow.vectorFromArray([{ a: "x" }, { a: "y" }]) });
  const before = await worker.send("describe", nested);
  assert.match(before.types.s, /struct<a: dictionary/);
  const after = await worker.send("describe_plain", nested);
  assert.equal(after.types.s, "struct<a: string>");
  assert.deepEqual(after.values, before.values);
});

test("numbers: float64 from arrays, what they are from typed arrays", async () => {
  const object = await worker.send("describe", { plain: [1, 2, null], typed: Int32Array.of(1, 2, 3) });
  assert.deepEqual(object.types, { plain: "double", typed: "int32" });
  const vectors = await worker.send(
    "describe",
    arrow.tableFromArrays({ a: [1, 2], b: Int32Array.of(1, 2), c: BigInt64Array.of(1n, -2n), d: Uint8Array.of(1, 2) }),
  );
  assert.deepEqual(vectors.types, { a: "double", b: "int32", c: "int64", d: "uint8" });
  assert.deepEqual(vectors.values.c, [1, -2]);
});

test("a text as a payload becomes a column for each character", async () => {
  const { rows, types } = await worker.send("describe", "hello");
  assert.deepEqual([rows, Object.keys(types)], [1, ["0", "1", "2", "3", "4"]]);
});

test("both formats, either version, compressed or not", async () => {
  for (const format of ["stream", "file"]) {
    for (const rest of [{}, { version: "V4" }, { options: { compression: "lz4" } }, { options: { compression: "zstd" } }]) {
      const bytes = await worker.send("ipc", { format, ...rest });
      const { values } = await worker.send("describe_bytes", bytes);
      assert.deepEqual(values, { a: [1, 2, 3], b: ["x", "y", null] });
    }
  }
  const bytes = Buffer.from(arrow.tableToIPC(arrow.tableFromArrays({ a: [1] }), "file"));
  assert.deepEqual((await worker.send("describe_bytes", bytes)).values, { a: [1] });
});

test("no columns, no rows, no payload", async () => {
  const none = await worker.send("describe", new arrow.Table());
  assert.deepEqual([none.rows, none.types], [0, {}]);
  const empty = await worker.send("describe", { a: new Int32Array() });
  assert.deepEqual([empty.rows, empty.types], [0, { a: "int32" }]);
  assert.deepEqual((await worker.send("describe_bytes", Buffer.alloc(0))).types, {});
  for (const [name, fields] of [["no columns", 0], ["no rows", 2]]) {
    const table = await worker.send("result", name);
    assert.deepEqual([table.numRows, table.schema.fields.length], [0, fields]);
  }
});

test("columns of unequal length are refused", async () => {
  const error = await failure(worker.send("describe_bytes", unequal()));
  assert.match(error.message, /length.*; check that all columns are of one length/);
  assert.deepEqual(rows(await worker.send("echo", { a: [1] })), [{ a: 1 }]);
});

/** What a table of columns of unequal length is on the wire. */
function unequal() {
  const schema = new arrow.Schema([
    new arrow.Field("a", new arrow.Int32()),
    new arrow.Field("b", new arrow.Int32()),
  ]);
  const [a, b] = [[1, 2, 3], [1, 2]].map((values) => arrow.makeData({ type: new arrow.Int32(), data: Int32Array.from(values) }));
  const data = arrow.makeData({ type: new arrow.Struct(schema.fields), length: 3, nullCount: 0, children: [a, b] });
  const batch = new arrow.RecordBatch(schema, data);
  // The constructor pads what is too short; the length is that of the field on the wire.
  batch.data.children[1] = b;
  return Buffer.from(arrow.RecordBatchStreamWriter.writeAll([batch]).toUint8Array(true));
}

test("garbage ends its own request, with an error that says what came", async () => {
  const good = worker.send("echo", { a: [1] });
  const error = await failure(worker.send("describe_bytes", Buffer.from('{"a": 1}')));
  assert.match(error.message, /^the payload for 'describe_bytes' is not arrow: .*an Arrow stream begins with ff ff ff ff, this with 7b 22 61 22/);
  assert.deepEqual(rows(await good), [{ a: 1 }]);
  assert.deepEqual(rows(await worker.send("echo", { a: [2] })), [{ a: 2 }]);
});

test("a stream of two copies of apache-arrow is refused with a hint", async () => {
  const other = createRequire(import.meta.url)("apache-arrow");
  const mixed = new arrow.Table({ s: other.vectorFromArray(["a", "b"]) });
  const error = await failure(worker.send("describe", mixed));
  assert.match(error.message, /Node imports apache-arrow once, as ESM/);
});

// ---- answers -------------------------------------------------------------------------------------

for (const name of ["table", "record batch", "reader", "mapping", "polars", "mapping of polars", "struct array"]) {
  test(`a handler returns a ${name}`, async () => {
    assert.deepEqual(rows(await worker.send("result", name)), ROWS);
  });
}

const REFUSED = {
  nothing: /^NoneType is no table; return a table/,
  "a text": /^str is no table/,
  "columns of unequal length": /^the columns differ in length: \{'a': 1, 'b': 2\}/,
  "a mixed column": /^\$\.b: no array can be made of it/,
  "a text as a column": /^\$\.a: no array can be made of it: str is no array/,
  "a number as a name": /^a column's name is a text, got 1/,
  "a reader that fails": /^RecordBatchReader gives no table: .*the disk is gone/,
};

for (const [name, text] of Object.entries(REFUSED)) {
  test(`what is no table: ${name}`, async () => {
    assert.match((await failure(worker.send("result", name))).message, text);
    assert.deepEqual(rows(await worker.send("result", "table")), ROWS);
  });
}

test("an echo of what JavaScript has made", async () => {
  const sent = { n: Float64Array.of(0.5, NaN), i: Int32Array.of(1, -1), s: ["zażółć", null] };
  const got = await worker.send("echo", sent);
  assert.deepEqual(got.getChild("n").toArray(), sent.n);
  assert.deepEqual(got.getChild("i").toArray(), sent.i);
  assert.deepEqual([...got.getChild("s")], sent.s);
});

test("a million rows of four columns, there and back", async () => {
  const count = 1_000_000;
  const columns = {
    id: Int32Array.from({ length: count }, (_, i) => i),
    time: BigInt64Array.from({ length: count }, (_, i) => BigInt(i) * 1000n),
    price: Float64Array.from({ length: count }, (_, i) => i / 7),
    weight: Float32Array.from({ length: count }, (_, i) => i % 1000),
  };
  const table = await worker.send("echo", arrow.tableFromArrays(columns));
  for (const [name, values] of Object.entries(columns)) {
    assert.ok(bytesOf(table.getChild(name).toArray()).equals(bytesOf(values)), name);
  }
});

const bytesOf = ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength);

// ---- streams, events, acks -----------------------------------------------------------------------

test("a stream of what a generator yields", async () => {
  const chunks = await worker.collect("yielded", null);
  assert.deepEqual(batchesOf(chunks), [2, 1]);
  assert.deepEqual(chunks.flatMap(rows), ROWS);
  assert.deepEqual((await worker.collect("yielded_async", null)).flatMap(rows), ROWS);
});

for (const method of ["returned", "returned_inline", "returned_async"]) {
  test(`a stream of the batches that a handler returns: ${method}`, async () => {
    for (const [name, sizes] of [["reader", [2, 1]], ["table", [3]], ["polars", [3]], ["mapping", [3]]]) {
      const chunks = await worker.collect(method, name);
      assert.deepEqual(batchesOf(chunks), sizes, name);
      assert.deepEqual(chunks.flatMap(rows), ROWS);
    }
    const error = await failure(worker.collect(method, "nothing"));
    assert.match(error.message, /^NoneType is no table/);
  });
}

test("a reader is closed when its stream is aborted", async () => {
  const control = new AbortController();
  const before = await worker.send("closed_readers");
  await assert.rejects(async () => {
    for await (const table of worker.stream("returned", "endless", { signal: control.signal })) {
      assert.equal(table.numRows, 3);
      control.abort();
    }
  }, { name: "AbortError" });
  await until(async () => (await worker.send("closed_readers")) === before + 1, "it is closed");
});

test("events and acks", async () => {
  const event = worker.event("table");
  await worker.send("emit", { a: [1, 2] });
  assert.deepEqual(rows(await event), [{ a: 1 }, { a: 2 }]);
  assert.deepEqual(rows(await worker.send("ack", { a: [1] })), [{ a: 1 }]);
  const empty = await worker.send("ack", { a: [] });
  assert.deepEqual([empty.numRows, empty.schema.fields], [0, []]);
});
