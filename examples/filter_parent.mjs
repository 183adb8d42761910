// A 4K image as bare bytes: Node draws a harbour at night, NumPy lets its lights shine, Node writes a PNG.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

import { rawCodec } from "@procwire/codecs";
import { Module, ModuleManager } from "@procwire/core";

import { runIfMain } from "./account.mjs";
import { encodePng } from "./png.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PICTURE = fileURLToPath(new URL("out/harbour.png", import.meta.url));

const WIDTH = 3840;
const HEIGHT = 2160;
const WATERLINE = 1380;

export async function run(python, log) {
  const worker = new Module("filter")
    .executable(python, ["-m", "procwire", "run", "filter_worker"], { cwd: HERE })
    .method("bloom", { codec: rawCodec })
    .spawnPolicy({ maxRetries: 0 });

  const manager = new ModuleManager();
  manager.register(worker);
  await manager.spawn();
  try {
    const before = drawHarbour();
    const start = performance.now();
    const after = await worker.send("bloom", before);
    const milliseconds = Math.round(performance.now() - start);
    log("bloom(rgba): raw pixels", { bytes: after.length, milliseconds });
    assert.equal(after.length, WIDTH * HEIGHT * 4);
    assert.ok(!after.equals(before));

    await mkdir(new URL("out", import.meta.url), { recursive: true });
    await writeFile(PICTURE, encodePng(halves(before, after), WIDTH, HEIGHT));
    log("written", relative(process.cwd(), PICTURE));

    const error = await worker.send("bloom", before.subarray(0, 1000)).catch((reason) => reason);
    log("bloom(a piece)", error);
    assert.equal(error.data.code, "VALIDATION");
  } finally {
    await manager.shutdown();
  }
}

/** RGBA pixels: a sky with stars and a moon, houses with windows, and all of it in the water. */
function drawHarbour() {
  const random = makeRandom(7);
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 4, 255);
  const put = (x, y, red, green, blue) => {
    const at = (y * WIDTH + x) * 4;
    pixels[at] = red;
    pixels[at + 1] = green;
    pixels[at + 2] = blue;
  };
  const box = (left, top, width, height, colour) => {
    for (let y = Math.max(0, top); y < Math.min(WATERLINE, top + height); y++) {
      for (let x = Math.max(0, left); x < Math.min(WIDTH, left + width); x++) put(x, y, ...colour);
    }
  };
  const disc = (cx, cy, radius, colour) => {
    for (let y = cy - radius; y <= cy + radius; y++) {
      const reach = Math.round(Math.sqrt(radius * radius - (y - cy) ** 2));
      box(cx - reach, y, 2 * reach + 1, 1, colour);
    }
  };

  for (let y = 0; y < WATERLINE; y++) {
    const dusk = (y / WATERLINE) ** 2;
    box(0, y, WIDTH, 1, [10 + 95 * dusk, 14 + 42 * dusk, 44 + 46 * dusk]);
  }
  for (let i = 0; i < 900; i++) {
    const light = 120 + 135 * random();
    const size = random() < 0.08 ? 4 : 2;
    box(random(WIDTH), random(WATERLINE - 400), size, size, [light, light, Math.min(255, light + 20)]);
  }
  disc(2950, 420, 130, [255, 248, 225]);

  for (const [layer, shade] of [[0, 30], [1, 14]]) {
    for (let x = -50; x < WIDTH; ) {
      const width = 110 + random(200);
      const height = 170 + random(430) - layer * 110;
      box(x, WATERLINE - height, width, height, [shade, shade, shade + 14]);
      for (let wy = WATERLINE - height + 26; wy < WATERLINE - 36; wy += 40) {
        for (let wx = x + 18; wx < x + width - 26; wx += 34) {
          if (random() < 0.3) box(wx, wy, 15, 21, random() < 0.8 ? [255, 214, 140] : [190, 225, 255]);
        }
      }
      x += width + random(16);
    }
  }
  for (let x = 60; x < WIDTH; x += 240) {
    box(x - 3, WATERLINE - 110, 6, 110, [20, 20, 26]);
    disc(x, WATERLINE - 112, 13, [255, 236, 190]);
  }

  // The water shows what is above it, drawn out and broken by its waves.
  for (let y = WATERLINE; y < HEIGHT; y++) {
    const depth = y - WATERLINE;
    const dark = 0.75 - 0.45 * (depth / (HEIGHT - WATERLINE));
    for (let x = 0; x < WIDTH; x++) {
      const wave = Math.sin(y * 0.9 / (1 + depth * 0.004) + 4 * Math.sin(x * 0.004 + y * 0.02));
      const fromX = Math.min(WIDTH - 1, Math.max(0, Math.round(x + wave * (2 + depth * 0.03))));
      const fromY = Math.max(0, Math.round(WATERLINE - 1 - depth * 1.5 + wave * depth * 0.02));
      const from = (fromY * WIDTH + fromX) * 4;
      const light = dark + 0.12 * wave;
      put(x, y, pixels[from] * light, pixels[from + 1] * light, pixels[from + 2] * light + 6);
    }
  }
  return pixels;
}

/** The same numbers each time: from 0 to 1, or whole ones below a limit. */
function makeRandom(seed) {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const number = state / 2 ** 32;
    return limit === undefined ? number : Math.floor(number * limit);
  };
}

/** RGB pixels: what was drawn on the left, what came back on the right, and a line between. */
function halves(before, after) {
  const rgb = Buffer.alloc(WIDTH * HEIGHT * 3, 255);
  const middle = WIDTH / 2;
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      if (Math.abs(x - middle) < 3) continue;
      const from = (y * WIDTH + x) * 4;
      const to = (y * WIDTH + x) * 3;
      const image = x < middle ? before : after;
      rgb[to] = image[from];
      rgb[to + 1] = image[from + 1];
      rgb[to + 2] = image[from + 2];
    }
  }
  return rgb;
}

await runIfMain(import.meta.url, run);
