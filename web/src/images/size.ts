/** The size in which a network takes a picture. */

import type { About } from "../model/about.js";
import { round } from "../numbers.js";

/** Sides in pixels, of what a network is given. */
const SMALLEST = 32;
const LARGEST = 4096;

/** Returns height and width, as `taskscape predict` has them. Throws an error for a picture that is too narrow or too wide. */
export function inputSize(about: About, height: number, width: number): [height: number, width: number] {
  if (about.fixed) return [...about.fixed];
  const scaled = Math.max(round((width * about.height) / height), 1);
  if (scaled < SMALLEST)
    throw new Error(`The picture is too narrow: cut it, so that it is at most ${times(about.height / SMALLEST)} times as high as wide`);
  if (scaled > LARGEST)
    throw new Error(`The picture is too wide: cut it, so that it is at most ${times(LARGEST / about.height)} times as wide as high`);
  return [about.height, scaled];
}

/** Returns a ratio that is not larger, in words. */
function times(ratio: number): string {
  return String(Math.floor(10 * ratio) / 10);
}
