// The npm parent's codec, for tests in Python: what does it make of this?
//
//   node values.mjs decode < lines of {"bytes": hex, "expected": an expression}
//   node values.mjs encode < lines of {"value": an expression}
//
// Prints a line of JSON for each: what is wrong as "error"; for encode the bytes as "bytes", and as
// "throws" what the parent says when it refuses the value.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { ExtData } from "@msgpack/msgpack";
import { msgpackCodec } from "@procwire/codecs";

const value = (expression) => new Function("ExtData", `return (${expression});`)(ExtData);

function decode({ bytes, expected }) {
  try {
    const seen = msgpackCodec.deserialize(Buffer.from(bytes, "hex"));
    assert.deepStrictEqual(seen, value(expected));
    return {};
  } catch (error) {
    return { error: error.message };
  }
}

function encode({ value: expression }) {
  const sent = value(expression);
  try {
    return { bytes: msgpackCodec.serialize(sent).toString("hex") };
  } catch (error) {
    return { throws: error.message };
  }
}

const act = { decode, encode }[process.argv[2]];
for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  console.log(JSON.stringify(act(JSON.parse(line))));
}
