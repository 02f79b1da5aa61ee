/** Points of a depth map, and how they are drawn. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { moved, OWN, Screen } from "../src/surfaces/cloud-draw.js";
import { focalOf, pointsOf, within } from "../src/surfaces/cloud-points.js";

const [WIDTH, HEIGHT] = [40, 24];

/** A wall at 10 with a box at 4 in front of its middle. */
function scene(): { data: Float32Array; width: number; height: number } {
  const data = new Float32Array(WIDTH * HEIGHT).fill(10);
  for (let y = 8; y < 16; y++) data.fill(4, y * WIDTH + 16, y * WIDTH + 24);
  return { data, width: WIDTH, height: HEIGHT };
}

/** Red and green say the pixel's place, so that a drawn color says where it is from. */
const colors = Uint32Array.from({ length: WIDTH * HEIGHT }, (_, i) => {
  return (0xff << 24) | (Math.floor(i / WIDTH) << 8) | (i % WIDTH) | (1 << 16);
});

function drawn(pose = OWN, far = Infinity): Screen {
  const screen = new Screen(WIDTH, HEIGHT);
  screen.draw(pointsOf(scene(), focalOf(53, WIDTH), far), WIDTH, HEIGHT, colors, pose);
  return screen;
}

test("a point lies where a pinhole camera has its pixel", () => {
  const points = pointsOf({ ...scene(), data: scene().data.fill(7) }, 50, Infinity);
  assert.equal(points.pixels.length, WIDTH * HEIGHT);
  const last = points.positions.slice(-3);
  assert.ok(Math.abs(last[0]! - (19.5 * 7) / 50) < 1e-5);
  assert.ok(Math.abs(last[1]! - (11.5 * 7) / 50) < 1e-5);
  assert.equal(last[2], 7);
  assert.equal(points.middle, 7);
});

test("what is far, unknown or between two things has no point", () => {
  const points = pointsOf(scene(), 40, 5);
  assert.equal(points.pixels.length, 8 * 8);
  const holes = scene();
  holes.data.set([NaN, 0, -1, Infinity]);
  assert.ok(!pointsOf(holes, 40, 20).pixels.slice(0, 4).some((pixel) => pixel < 4));
  const all = new Set(pointsOf(scene(), 40, Infinity).pixels);
  assert.ok(!all.has(10 * WIDTH + 15) && all.has(10 * WIDTH + 16) && all.has(10 * WIDTH + 14));
});

test("from its own camera the picture is what it was", () => {
  const { bytes } = drawn();
  let same = 0;
  for (let i = 0; i < WIDTH * HEIGHT; i++) {
    const [x, y] = [i % WIDTH, Math.floor(i / WIDTH)];
    if (Math.abs(bytes[4 * i]! - x) <= 1 && Math.abs(bytes[4 * i + 1]! - y) <= 1 && bytes[4 * i + 3] === 255) same++;
  }
  assert.ok(same > 0.95 * WIDTH * HEIGHT, `${same} of ${WIDTH * HEIGHT}`);
});

/** The mean column of what is drawn of the box, and of the wall. */
function columns(screen: Screen): { box: number; wall: number } {
  const sums = { box: [0, 0], wall: [0, 0] };
  for (let i = 0; i < WIDTH * HEIGHT; i++) {
    if (!screen.bytes[4 * i + 3]) continue;
    const [x, y] = [screen.bytes[4 * i]!, screen.bytes[4 * i + 1]!];
    const sum = x >= 16 && x < 24 && y >= 8 && y < 16 ? sums.box : sums.wall;
    sum[0]! += i % WIDTH;
    sum[1]! += 1;
  }
  return { box: sums.box[0]! / sums.box[1]!, wall: sums.wall[0]! / sums.wall[1]! };
}

test("a camera that goes to the right has the near box more to the left", () => {
  const right = columns(drawn(moved(OWN, { yaw: 0.3 })));
  const left = columns(drawn(moved(OWN, { yaw: -0.3 })));
  assert.ok(right.box < left.box - 5, JSON.stringify({ right, left }));
});

test("moved to the right, all is more to the right; poses stay within bounds", () => {
  assert.ok(columns(drawn(moved(OWN, { x: 0.2 }))).box > columns(drawn()).box + 2);
  const pose = Array.from({ length: 100 }).reduce<typeof OWN>((one) => moved(one, { pitch: 1, x: 1, closer: 2 }), OWN);
  assert.ok(pose.pitch < Math.PI / 2 && pose.distance > 0 && pose.x < 10);
});

test("distances of a share of the pixels leave out what has none", () => {
  assert.equal(within([3, NaN, 1, -5, 2, Infinity, 0], 50), 2);
  assert.equal(within([], 50), 1);
});
