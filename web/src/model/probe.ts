/** The test picture for WebGPU, since GPUs and their drivers differ. */

import type { Probe } from "./about.js";

/** Maximum relative difference of the means, which allows for different orders of summation. */
const BOUND = 0.02;

/** Returns smooth waves in three colors, (3, height, width), as `taskscape.export.web.model` does. */
export function probePixels(height: number, width: number): Uint8Array {
  const pixels = new Uint8Array(3 * height * width);
  let i = 0;
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) pixels[i++] = (x * (c + 2) + y * (5 - c)) % 256;
  return pixels;
}

/** Returns whether the values of each output agree with those of Python. */
export function agrees(probe: Probe, outputs: ReadonlyMap<string, ArrayLike<number>>): boolean {
  return Object.entries(probe.means).every(([name, expected]) => {
    const values = outputs.get(name);
    if (!values || values.length === 0) return false;
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[i] as number;
    return Math.abs(sum / values.length - expected) <= BOUND * Math.max(1, Math.abs(expected));
  });
}
