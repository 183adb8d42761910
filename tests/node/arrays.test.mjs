// NumPy arrays: what typed arrays and buffers become, and what arrays become here.

import assert from "node:assert/strict";
import { test } from "node:test";
import { msgpackCodec, rawCodec } from "@procwire/codecs";
import { failure, sharedWorker } from "./harness.mjs";

const fromRaw = { requestCodec: rawCodec, responseCodec: msgpackCodec };

const worker = sharedWorker("arrays.py", {
  methods: {
    floats: fromRaw,
    pixels: fromRaw,
    file: fromRaw,
    in_messagepack: undefined,
    calls: undefined,
    brighter: { codec: rawCodec },
    filled: { requestCodec: msgpackCodec, responseCodec: rawCodec },
  },
});

const bytesOf = ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength);

/** A `.npy` file; the header is as long as keeps the values aligned. */
function npy(descr, shape, values) {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const header = `${text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11)}\n`;
  const start = Buffer.from("\x93NUMPY\x01\x00\x00\x00", "latin1");
  start.writeUInt16LE(header.length, 8);
  return Buffer.concat([start, Buffer.from(header), bytesOf(values)]);
}

test("the bytes of a typed array are an array of its type, on their own memory", async () => {
  assert.deepEqual(await worker.send("floats", bytesOf(Float32Array.of(1.5, -2, 0))), {
    dtype: "float32",
    shape: [3],
    values: [1.5, -2, 0],
    base: "bytes",
    writeable: false,
  });
});

test("the shape that the annotation gives", async () => {
  const { shape, values } = await worker.send("pixels", Buffer.from([...Array(16).keys()]));
  assert.deepEqual([shape, values[1][1]], [[2, 2, 4], [12, 13, 14, 15]]);
});

test("the type and the shape that the payload gives", async () => {
  const { dtype, shape, values } = await worker.send(
    "file",
    npy("<i2", [2, 3], Int16Array.of(1, 2, 3, -1, -2, -3)),
  );
  assert.deepEqual([dtype, shape, values], ["int16", [2, 3], [[1, 2, 3], [-1, -2, -3]]]);
});

test("typed arrays and buffers in MessagePack", async () => {
  const sent = Float64Array.of(1, 2, 3, 4);
  for (const data of [sent, bytesOf(sent)]) {
    const { shape, values } = await worker.send("in_messagepack", data);
    assert.deepEqual([shape, values], [[2, 2], [[1, 2], [3, 4]]]);
  }
});

test("what does not fit is an error before the handler runs", async () => {
  const before = await worker.send("calls");
  const error = await failure(worker.send("pixels", Buffer.alloc(12)));
  assert.equal(
    error.message,
    "$: expected an array of uint8 and shape (n, 2, 4), got 12 bytes (not a multiple of 8 bytes)",
  );
  assert.equal(error.data.code, "VALIDATION");
  assert.equal(error.data.expected, "an array of uint8 and shape (n, 2, 4)");
  const other = await failure(worker.send("in_messagepack", [1, 2]));
  assert.match(other.message, /got list \(send a Buffer or a typed array\)/);
  assert.equal(await worker.send("calls"), before);
});

test("an image there and back", async () => {
  const image = Buffer.alloc(3840 * 2160 * 4, 7);
  const got = await worker.send("brighter", image);
  assert.ok(got.equals(Buffer.alloc(image.length, 107)));
});

for (const dtype of ["uint8", "bool", "float16", "float64", "complex128", ">i4", "i4,f4"]) {
  test(`a result of ${dtype}, small and large`, async () => {
    const sizes = { uint8: 1, bool: 1, float16: 2, float64: 8, complex128: 16, ">i4": 4, "i4,f4": 8 };
    for (const count of [4, 200_000]) {
      assert.equal((await worker.send("filled", { dtype, count })).length, count * sizes[dtype]);
    }
  });
}

test("values of a result", async () => {
  const got = await worker.send("filled", { dtype: "float64", count: 200_000 });
  const values = new Float64Array(got.buffer.slice(got.byteOffset, got.byteOffset + got.length));
  assert.ok(values.every((value, index) => value === index % 1000));
});

test("an array that is not in one piece is refused, whatever its size", async () => {
  for (const count of [4, 200_000]) {
    const error = await failure(worker.send("filled", { dtype: "uint8", count, transposed: true }));
    assert.match(error.message, /^a raw payload must be contiguous in memory: ndarray is not C-contiguous/);
  }
  const objects = await failure(worker.send("filled", { dtype: "O", count: 4 }));
  assert.match(objects.message, /cannot be an array of Python objects/);
});
