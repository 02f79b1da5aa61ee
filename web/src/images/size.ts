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
  if (scaled < SMALLEST) throw new Error(`The picture is too narrow (${width} × ${height} pixels): cut it`);
  if (scaled > LARGEST) throw new Error(`The picture is too wide (${width} × ${height} pixels): cut it`);
  return [about.height, scaled];
}
