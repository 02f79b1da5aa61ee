/** The size to which a picture is scaled for a network. */

import type { About } from "../model/about.js";
import { round } from "../numbers.js";

/** Limits of the sides of a network's input, in pixels. */
const SMALLEST = 32;
const LARGEST = 4096;

/** Returns the same height and width as `taskscape predict`. Throws an error for a picture that is too narrow or too wide. */
export function inputSize(about: About, height: number, width: number): [height: number, width: number] {
  if (about.fixed) return [...about.fixed];
  const scaled = Math.max(round((width * about.height) / height), 1);
  if (scaled < SMALLEST)
    throw new Error(`The picture is too narrow: crop it so that it is at most ${times(about.height / SMALLEST)} times as high as wide`);
  if (scaled > LARGEST)
    throw new Error(`The picture is too wide: crop it so that it is at most ${times(LARGEST / about.height)} times as wide as high`);
  return [about.height, scaled];
}

/** Returns a ratio as text, rounded down. */
function times(ratio: number): string {
  return String(Math.floor(10 * ratio) / 10);
}
