/** The values of a pixel as text. */

import type { Color } from "../model/about.js";
import type { Frame, Values } from "../model/frame.js";
import { inWords, percent, withUnit } from "../numbers.js";
import { painter } from "../views/paint.js";
import { fit, isUsable } from "../views/scale.js";

export interface Reading {
  readonly title: string;
  readonly text: string;
  /** The confidence as text; empty if the network has no such output. */
  readonly sure: string;
  readonly color: Color;
}

/** Returns the prediction of each task at a point; both coordinates are shares of the picture, 0..1. */
export function read(frame: Frame, x: number, y: number): Reading[] {
  const all = [...frame.values.values()];
  return all.filter(({ output }) => !output.of).map((values) => {
    const column = Math.min(values.width - 1, Math.max(0, Math.floor(x * values.width)));
    const row = Math.min(values.height - 1, Math.max(0, Math.floor(y * values.height)));
    const index = row * values.width + column;
    const color = painter(values, frame.model.about.invalid)(index);
    const confidence = all.find(({ output }) => output.of === values.output.name)?.data[index];
    const sure = confidence === undefined ? "" : `${percent(confidence)} sure`;
    return { title: values.output.title, text: inText(values, index), sure, color };
  });
}

function inText(values: Values, index: number): string {
  const { drawing, unit } = values.output;
  const size = values.width * values.height;
  const at = (channel: number): number => values.data[channel * size + index] as number;
  switch (drawing.kind) {
    case "classes":
      return drawing.names[at(0)] ?? "no class";
    case "scale": {
      const value = at(0);
      if (!isUsable(value, drawing)) return "no value";
      return withUnit(value / fit(values, drawing).divisor, unit);
    }
    case "directions":
      return facing(at(0), at(1), at(2));
    case "channels":
      return [0, 1, 2].map((c) => inWords(at(c))).join(", ");
  }
}

const STRAIGHT = Math.cos((22.5 * Math.PI) / 180);

/** Returns the direction of a unit vector in OpenCV axes (x right, y down, z forward) as text. */
export function facing(x: number, y: number, z: number): string {
  if (![x, y, z].every(Number.isFinite)) return "no value";
  const words: [number, string][] = [
    [-y, "up"],
    [y, "down"],
    [-z, "the camera"],
    [z, "away"],
    [-x, "left"],
    [x, "right"],
  ];
  words.sort((a, b) => b[0] - a[0]);
  const [first, second] = words as [[number, string], [number, string]];
  return first[0] >= STRAIGHT ? `faces ${first[1]}` : `faces ${first[1]} and ${second[1]}`;
}
