/** Values as colors and words. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Drawing, Output } from "../src/model/about.js";
import type { Values } from "../src/model/frame.js";
import { agrees, probePixels } from "../src/model/probe.js";
import { inWords, percentile, round, withUnit } from "../src/numbers.js";
import { facing } from "../src/read/reading.js";
import { painter } from "../src/views/paint.js";
import { fit, position } from "../src/views/scale.js";

const GRAY = [0, 0, 0] as const;
const SCALE = { kind: "scale", colors: [...Array(255).keys()].map((x) => [x, x, x] as const), logarithmic: true, ends: null, relative: false, ticks: [] } as const;

function values(drawing: Drawing, data: Float32Array | Uint8Array, width: number): Values {
  const output = { name: "a", title: "A", unit: "", channels: 1, text: "", drawing } satisfies Output;
  return { output, data, width, height: 1 };
}

test("numbers are rounded as in Python", () => {
  assert.deepEqual([0.5, 1.5, 2.5, -0.5, 426.67].map(round), [0, 2, 2, -0, 427]);
  assert.equal(percentile([1, 2, 3, 4], 50), 2.5);
  assert.equal(percentile([1, 2, 3, 4], 2), 1.06);
});

test("numbers have three digits that count", () => {
  assert.deepEqual([0.1234, 1.234, 12.34, 123.4, 0].map(inWords), ["0.123", "1.23", "12.3", "123", "0"]);
});

test("shares are told in percent, others with their unit", () => {
  assert.deepEqual([0, 0.004, 0.934, 1].map((x) => withUnit(x, "%")), ["0 %", "0.4 %", "93 %", "100 %"]);
  assert.deepEqual([withUnit(3.14159, "m"), withUnit(3.14159, "")], ["3.14 m", "3.14"]);
});

test("depth is colored by its logarithm, between percentiles of the map", () => {
  const depth = values(SCALE, Float32Array.from({ length: 101 }, (_, i) => i + 1), 101);
  const fitted = fit(depth, SCALE);
  assert.ok(Math.abs(fitted.low - 3) < 1e-6 && Math.abs(fitted.high - 99) < 1e-6);
  assert.equal(position(3, fitted, SCALE), 0);
  const color = painter(depth, GRAY);
  assert.deepEqual(color(100), [254, 254, 254]);
  assert.deepEqual(color(16), [round((Math.log(17 / 3) / Math.log(33)) * 254), 0, 0].map((_, __, all) => all[0]));
});

test("what is no number has the color of pixels without a value", () => {
  const depth = values(SCALE, Float32Array.from([NaN, 1, 2]), 3);
  assert.deepEqual(painter(depth, [190, 190, 190])(0), [190, 190, 190]);
});

test("relative depth is told in medians", () => {
  const drawing = { ...SCALE, relative: true };
  const fitted = fit(values(drawing, Float32Array.from([2, 4, 8]), 3), drawing);
  assert.equal(fitted.divisor, 4);
});

test("classes have their colors, unknown ones none", () => {
  const drawing: Drawing = { kind: "classes", names: ["road"], colors: [[128, 64, 128]] };
  const color = painter(values(drawing, Uint8Array.from([0, 7]), 2), [190, 190, 190]);
  assert.deepEqual([color(0), color(1)], [[128, 64, 128], [190, 190, 190]]);
});

test("normals are colored as in reports: up is green", () => {
  const drawing: Drawing = { kind: "directions", signs: [1, -1, -1] };
  assert.deepEqual(painter(values(drawing, Float32Array.from([0, -1, 0]), 1), GRAY)(0), [128, 255, 128]);
});

test("directions are said in words", () => {
  assert.equal(facing(0, -1, 0), "faces up");
  assert.equal(facing(0, 0, -1), "faces the camera");
  assert.equal(facing(-0.6, 0, -0.8), "faces the camera and left");
  assert.equal(facing(NaN, 0, 1), "no value");
});

test("a runtime is trusted when it computes the probe as Python did", () => {
  const probe = { height: 2, width: 2, means: { depth: 10 } };
  assert.ok(agrees(probe, new Map([["depth", [9.95, 10.05]]])));
  assert.ok(!agrees(probe, new Map([["depth", [0, 0]]])));
  assert.ok(!agrees(probe, new Map()));
  assert.deepEqual([...probePixels(1, 3)], [0, 2, 4, 0, 3, 6, 0, 4, 8]);
});
