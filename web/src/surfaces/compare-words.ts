/** Describes the difference between two predictions of one picture as text. */

import type { Values } from "../model/frame.js";
import { percent } from "../numbers.js";
import { within } from "./cloud-points.js";

/** Returns whether two outputs have values of the same kind, which can be compared. */
export function comparable(left: Values, right: Values): boolean {
  return left.output.drawing.kind === right.output.drawing.kind && left.output.channels === right.output.channels;
}

/** Returns a sentence about the difference; the maps may differ in size and classes. */
export function difference(left: Values, right: Values): string {
  const drawing = left.output.drawing;
  const other = right.output.drawing;
  if (drawing.kind === "classes" && other.kind === "classes") {
    const same = mean(left, right, (a, b) => (drawing.names[a[0]!] === other.names[b[0]!] ? 1 : 0));
    return `The same class in ${percent(same)} of the pixels.`;
  }
  if (drawing.kind === "directions") {
    const angle = mean(left, right, (a, b) => degrees(a, b));
    return `Directions differ by ${angle.toFixed(1)}° on average.`;
  }
  if (drawing.kind === "scale" && drawing.logarithmic) {
    const [one, two] = drawing.relative ? [1 / within(left.data, 50), 1 / within(right.data, 50)] : [1, 1];
    const apart = mean(left, right, (a, b) => Math.abs(Math.log((a[0]! * one) / (b[0]! * two))));
    return `Distances differ by ${percent(Math.exp(apart) - 1)} on average.`;
  }
  const apart = mean(left, right, (a, b) => a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length);
  const { unit } = left.output;
  return `Values differ by ${unit === "%" ? percent(apart) : `${apart.toPrecision(2)} ${unit}`.trim()} on average.`;
}

/** Returns the mean of a function of both maps over the pixels of the left one where it is finite. */
function mean(left: Values, right: Values, of: (a: number[], b: number[]) => number): number {
  let [sum, count] = [0, 0];
  for (let y = 0; y < left.height; y++) {
    const otherY = Math.floor(((y + 0.5) * right.height) / left.height);
    for (let x = 0; x < left.width; x++) {
      const otherX = Math.floor(((x + 0.5) * right.width) / left.width);
      const value = of(pixel(left, x, y), pixel(right, otherX, otherY));
      if (!Number.isFinite(value)) continue;
      sum += value;
      count++;
    }
  }
  return count ? sum / count : 0;
}

function pixel(values: Values, x: number, y: number): number[] {
  const { data, width, height, output } = values;
  return Array.from({ length: output.channels }, (_, c) => data[(c * height + y) * width + x]!);
}

function degrees(a: readonly number[], b: readonly number[]): number {
  const dot = a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const lengths = Math.hypot(...a) * Math.hypot(...b);
  return (Math.acos(Math.min(1, Math.max(-1, dot / lengths))) * 180) / Math.PI;
}
