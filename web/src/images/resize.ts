/** Resizes as in Python: like `interpolate(mode="bilinear", antialias=True)` of torch, and like Pillow. */

import { round } from "../numbers.js";
import type { Picture } from "../worker/protocol.js";

interface Taps {
  /** The first source pixel of each new pixel. */
  readonly first: Int32Array;
  /** Maximum number of source pixels of a new pixel. */
  readonly most: number;
  /** Weights, `most` for each new pixel. */
  readonly weights: Float32Array;
}

/** Returns the weights of a triangle filter, which is wider when downsampling. */
function taps(from: number, to: number): Taps {
  const scale = from / to;
  const support = Math.max(scale, 1);
  const most = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(to);
  const weights = new Float32Array(to * most);
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), from);
    let sum = 0;
    for (let j = start; j < end; j++) sum += Math.max(0, 1 - Math.abs((j - center + 0.5) / support));
    for (let j = start; j < end; j++)
      weights[i * most + j - start] = Math.max(0, 1 - Math.abs((j - center + 0.5) / support)) / sum;
    first[i] = start;
  }
  return { first, most, weights };
}

/** Returns red, green and blue planes, (3, height, width), rounded to 0..255. */
export function resize(picture: Picture, height: number, width: number): Uint8Array {
  const { data, width: w, height: h } = picture;
  const across = taps(w, width);
  const down = taps(h, height);
  const planes = new Uint8Array(3 * height * width);
  const rows = new Float32Array(h * width);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < h; y++)
      for (let x = 0; x < width; x++) {
        const start = across.first[x] as number;
        const count = Math.min(across.most, w - start);
        let sum = 0;
        for (let k = 0; k < count; k++)
          sum += (across.weights[x * across.most + k] as number) * (data[4 * (y * w + start + k) + c] as number);
        rows[y * width + x] = sum;
      }
    for (let y = 0; y < height; y++) {
      const start = down.first[y] as number;
      const count = Math.min(down.most, h - start);
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let k = 0; k < count; k++)
          sum += (down.weights[y * down.most + k] as number) * (rows[(start + k) * width + x] as number);
        planes[(c * height + y) * width + x] = Math.min(255, Math.max(0, round(sum)));
      }
    }
  }
  return planes;
}

/** Returns planes as RGBA pixels. */
export function interleave(planes: Uint8Array): Uint8ClampedArray {
  const size = planes.length / 3;
  const pixels = new Uint8ClampedArray(4 * size).fill(255);
  for (let c = 0; c < 3; c++) for (let i = 0; i < size; i++) pixels[4 * i + c] = planes[c * size + i] as number;
  return pixels;
}
