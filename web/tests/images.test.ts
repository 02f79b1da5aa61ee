/** Sizes and resizing of pictures. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { sizeInHeader } from "../src/images/header.js";
import { interleave, resize } from "../src/images/resize.js";
import { inputSize } from "../src/images/size.js";
import type { About } from "../src/model/about.js";

/** What `interpolate(mode="bilinear", antialias=True)` of torch gives, rounded, for the picture below. */
const CASES = [
  { sizes: [7, 11, 4, 5], expected: [16, 39, 64, 87, 110, 48, 92, 115, 124, 156, 85, 117, 135, 155, 164, 107, 138, 156, 172, 186, 66, 89, 114, 137, 160, 98, 142, 165, 174, 206, 135, 167, 185, 205, 214, 157, 188, 200, 155, 179, 116, 139, 164, 178, 116, 148, 192, 212, 190, 137, 175, 191, 149, 161, 131, 186, 127, 128, 108, 83] },
  { sizes: [5, 4, 8, 9], expected: [0, 1, 4, 7, 10, 14, 17, 20, 21, 6, 8, 12, 17, 22, 27, 32, 37, 38, 14, 17, 24, 31, 39, 46, 53, 61, 64, 22, 26, 35, 45, 55, 65, 75, 85, 88, 30, 35, 47, 59, 72, 84, 97, 109, 114, 38, 44, 59, 73, 88, 103, 118, 133, 138, 46, 53, 70, 88, 105, 122, 118, 111, 108, 52, 59, 78, 97, 116, 136, 116, 91, 82, 50, 51, 54, 57, 60, 64, 67, 70, 71, 56, 58, 62, 67, 72, 77, 82, 87, 88, 64, 67, 74, 81, 89, 96, 103, 111, 114, 72, 76, 85, 95, 105, 115, 125, 135, 138, 80, 85, 97, 109, 122, 134, 147, 159, 164, 88, 94, 109, 123, 138, 153, 168, 183, 188, 96, 103, 120, 138, 155, 172, 168, 161, 158, 102, 109, 128, 147, 166, 186, 166, 141, 132, 100, 101, 104, 107, 110, 114, 117, 120, 121, 106, 108, 112, 117, 122, 127, 132, 137, 138, 114, 117, 124, 131, 139, 146, 153, 161, 164, 122, 126, 135, 145, 155, 165, 175, 185, 188, 130, 135, 147, 159, 172, 184, 197, 209, 214, 138, 144, 159, 173, 188, 203, 218, 233, 238, 146, 153, 170, 188, 205, 222, 218, 211, 208, 152, 159, 178, 197, 216, 236, 216, 191, 182] },
];

function picture(height: number, width: number): { data: Uint8ClampedArray; height: number; width: number } {
  const planes = new Uint8Array(3 * height * width);
  let i = 0;
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) planes[i++] = (x * 7 + y * 13 + c * 50 + ((x * y) % 11) * 9) % 256;
  return { data: interleave(planes), height, width };
}

test("pictures are resized as in Python", () => {
  for (const { sizes, expected } of CASES) {
    const [h, w, height, width] = sizes as [number, number, number, number];
    assert.deepEqual([...resize(picture(h, w), height, width)], expected);
  }
});

test("a picture that has the network's size stays as it is", () => {
  const same = picture(6, 9);
  assert.deepEqual(interleave(resize(same, 6, 9)), same.data);
});

const about = { height: 240, fixed: null } as About;

test("the network's height is the most accurate one, unless its size is fixed", () => {
  assert.deepEqual(inputSize(about, 360, 640), [240, 427]);
  assert.deepEqual(inputSize({ ...about, fixed: [64, 128] }, 360, 640), [64, 128]);
});

test("very narrow and very wide pictures are refused", () => {
  assert.throws(() => inputSize(about, 4000, 100), /too narrow: crop it so that it is at most 7.5 times as high as wide/);
  assert.throws(() => inputSize(about, 20, 4000), /too wide: crop it so that it is at most 17 times as wide as high/);
});

test("sizes stand at the head of files", () => {
  const png = new Uint8Array(24);
  png.set([0x89, 0x50, 0x4e, 0x47]);
  new DataView(png.buffer).setUint32(16, 30000);
  new DataView(png.buffer).setUint32(20, 20000);
  assert.deepEqual(sizeInHeader(png), [30000, 20000]);
  const jpeg = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xc0, 0, 17, 8, 1, 2, 3, 4];
  assert.deepEqual(sizeInHeader(Uint8Array.from(jpeg)), [772, 258]);
  assert.equal(sizeInHeader(Uint8Array.from(jpeg.slice(0, 12))), null);
  assert.equal(sizeInHeader(new TextEncoder().encode("no picture")), null);
});
