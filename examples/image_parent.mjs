// Real work: send a photograph to NumPy, draw what it found, write a PNG.

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import { msgpackCodec, rawCodec } from "@procwire/codecs";
import { Module, ModuleManager } from "@procwire/core";

import { runIfMain } from "./account.mjs";
import { encodePng } from "./png.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PHOTOGRAPH = fileURLToPath(new URL("data/galaxies.ppm.gz", import.meta.url));
const PICTURE = fileURLToPath(new URL("out/galaxies.png", import.meta.url));

/** So many of the brightest sources get a ring. */
const RINGS = 60;
const RING_COLOURS = { red: [255, 120, 80], white: [230, 230, 230], blue: [90, 190, 255] };

export async function run(python, log) {
  const worker = new Module("image")
    // Started like this, a worker that cannot be imported says why: NumPy may be missing.
    .executable(python, ["-m", "procwire", "run", "image_worker"], { cwd: HERE })
    .method("develop", { codec: rawCodec })
    .method("find_sources", { requestCodec: rawCodec, responseCodec: msgpackCodec })
    .spawnPolicy({ maxRetries: 0 });

  const manager = new ModuleManager();
  manager.register(worker);
  await manager.spawn();
  try {
    const ppm = gunzipSync(await readFile(PHOTOGRAPH));
    const [width, height] = ppm.toString("latin1", 3, 20).split(/\s/, 2).map(Number);

    // Both at a time, in two of the worker's threads.
    const [pixels, { noise, sources }] = await Promise.all([
      worker.send("develop", ppm),
      worker.send("find_sources", ppm),
    ]);
    const before = { width, height, pixels: ppm.subarray(-pixels.length) };
    const after = { width, height, pixels };
    const sky = [median(before.pixels), median(after.pixels)];
    log("develop(ppm): raw pixels", { width, height, bytes: pixels.length, sky });
    log("find_sources(ppm)", { noise: Number(noise.toFixed(2)), sources: sources.length });
    for (const source of sources.slice(0, 3)) log("  one of the brightest", source);
    assert.equal(pixels.length, width * height * 3);
    assert.ok(sky[1] < sky[0]);
    assert.ok(sources.length >= RINGS);
    assert.ok(sources.every(({ x, y }) => x >= 0 && x < width && y >= 0 && y < height));

    for (const source of sources.slice(0, RINGS)) drawRing(after, source);
    const picture = sideBySide(before, after);
    const png = encodePng(picture.pixels, picture.width, picture.height);
    await mkdir(new URL("out", import.meta.url), { recursive: true });
    await writeFile(PICTURE, png);
    log("written", relative(process.cwd(), PICTURE));

    const error = await worker.send("develop", Buffer.from("GIF89a")).catch((reason) => reason);
    log("develop(a GIF)", error);
    assert.equal(error.data.code, "E_FORMAT");
  } finally {
    await manager.shutdown();
  }
}

function median(bytes) {
  return bytes.toSorted()[bytes.length >> 1];
}

/** A thin ring around a source, its edge smoothed. */
function drawRing({ width, height, pixels }, { x, y, radius, colour }) {
  const ring = radius + 2.5;
  const reach = Math.ceil(ring + 1);
  for (let py = Math.max(0, Math.round(y) - reach); py <= Math.min(height - 1, y + reach); py++) {
    for (let px = Math.max(0, Math.round(x) - reach); px <= Math.min(width - 1, x + reach); px++) {
      const cover = Math.max(0, 1 - Math.abs(Math.hypot(px - x, py - y) - ring)) * 0.85;
      for (let band = 0; band < 3; band++) {
        const at = (py * width + px) * 3 + band;
        pixels[at] += cover * (RING_COLOURS[colour][band] - pixels[at]);
      }
    }
  }
}

function sideBySide(left, right, gap = 4) {
  const width = left.width + gap + right.width;
  const pixels = Buffer.alloc(width * left.height * 3, 255);
  for (let y = 0; y < left.height; y++) {
    for (const [image, x] of [[left, 0], [right, left.width + gap]]) {
      const row = image.pixels.subarray(y * image.width * 3, (y + 1) * image.width * 3);
      pixels.set(row, (y * width + x) * 3);
    }
  }
  return { width, height: left.height, pixels };
}

await runIfMain(import.meta.url, run);
