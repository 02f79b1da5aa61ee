/** Two predictions held against each other. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Drawing } from "../src/model/about.js";
import type { Values } from "../src/model/frame.js";
import { comparable, difference } from "../src/surfaces/compare-words.js";

function values(drawing: Drawing, numbers: readonly number[], width: number, channels = 1, unit = "m"): Values {
  const output = { name: "task", title: "Task", unit, channels, text: "", drawing };
  return { output, data: Float32Array.from(numbers), width, height: numbers.length / width / channels };
}

function classes(...names: string[]): Drawing {
  return { kind: "classes", names, colors: names.map(() => [0, 0, 0] as const) };
}

function distances(relative: boolean): Drawing {
  return { kind: "scale", colors: [], logarithmic: true, ends: null, relative, ticks: [] };
}

test("classes are compared by their names, whatever their numbers", () => {
  const left = values(classes("road", "sky", "car"), [0, 1, 2, 2], 2);
  const right = values(classes("sky", "road"), [1, 0, 0, 1], 2);
  assert.equal(difference(left, right), "The same class in 50 % of the pixels.");
});

test("maps of other sizes are compared at the same places", () => {
  const left = values(classes("road", "sky"), [0, 1, 0, 1], 2);
  const right = values(classes("road", "sky"), [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1], 4);
  assert.equal(difference(left, right), "The same class in 100 % of the pixels.");
});

test("distances are compared by their ratio, of an unknown scale after their medians", () => {
  const [left, right] = [[1, 2, 4, 8], [2, 4, 8, 16]];
  assert.equal(
    difference(values(distances(false), left!, 2), values(distances(false), right!, 2)),
    "Distances differ by 100 % on average.",
  );
  assert.equal(
    difference(values(distances(true), left!, 2), values(distances(true), right!, 2)),
    "Distances differ by 0 % on average.",
  );
});

test("shares are compared in percent", () => {
  const drawing: Drawing = { ...distances(false), logarithmic: false } as Drawing;
  assert.equal(difference(values(drawing, [0.5, 1], 2, 1, "%"), values(drawing, [0.25, 1], 2, 1, "%")), "Values differ by 13 % on average.");
});

test("directions are compared by their angle; what is no number counts for nothing", () => {
  const drawing: Drawing = { kind: "directions", signs: [1, -1, -1] };
  const left = values(drawing, [1, 0, 0, 1, 0, 0], 2, 3); // x and y, one after the other
  const right = values(drawing, [1, 1, 0, 0, 0, 0], 2, 3);
  assert.equal(difference(left, right), "Directions differ by 45.0° on average.");
  assert.equal(difference(left, values(drawing, [1, 0, 0, 0, 0, 0], 2, 3)), "Directions differ by 0.0° on average.");
});

test("only values of one kind are compared", () => {
  assert.ok(!comparable(values(classes("road"), [0], 1), values(distances(true), [1], 1)));
  assert.ok(comparable(values(classes("road"), [0], 1), values(classes("car"), [0], 1)));
});
