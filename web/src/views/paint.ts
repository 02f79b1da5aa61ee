/** Converts values to the same colors as in reports. */

import type { ChannelsDrawing, Color, DirectionsDrawing, ScaleDrawing } from "../model/about.js";
import type { Values } from "../model/frame.js";
import { round } from "../numbers.js";
import { fit, isUsable, position } from "./scale.js";

/** Returns the color of the pixel at an index. */
export type Painter = (index: number) => Color;

/** Returns a function for the color of each pixel; `invalid` is the color of pixels without a value. */
export function painter(values: Values, invalid: Color): Painter {
  const { drawing } = values.output;
  switch (drawing.kind) {
    case "classes":
      return (i) => drawing.colors[values.data[i] as number] ?? invalid;
    case "scale":
      return onScale(values, drawing, invalid);
    case "directions":
      return directions(values, drawing, invalid);
    case "channels":
      return channels(values, drawing, invalid);
  }
}

const painted = new WeakMap<Values, ImageData>();

/** Returns the colors as RGBA pixels. */
export function paint(values: Values, invalid: Color): ImageData {
  const before = painted.get(values);
  if (before) return before;
  const color = painter(values, invalid);
  const image = new ImageData(values.width, values.height);
  for (let i = 0; i < values.width * values.height; i++) {
    const [r, g, b] = color(i);
    image.data[4 * i] = r;
    image.data[4 * i + 1] = g;
    image.data[4 * i + 2] = b;
    image.data[4 * i + 3] = 255;
  }
  painted.set(values, image);
  return image;
}

function onScale(values: Values, drawing: ScaleDrawing, invalid: Color): Painter {
  const fitted = fit(values, drawing);
  const last = drawing.colors.length - 1;
  return (i) => {
    const x = values.data[i] as number;
    if (!isUsable(x, drawing)) return invalid;
    return drawing.colors[round(Math.min(1, Math.max(0, position(x, fitted, drawing))) * last)] as Color;
  };
}

function directions(values: Values, drawing: DirectionsDrawing, invalid: Color): Painter {
  const size = values.width * values.height;
  return (i) => {
    const vector = [0, 1, 2].map((c) => values.data[c * size + i] as number);
    if (!vector.every(Number.isFinite)) return invalid;
    const [r, g, b] = vector.map((x, c) => to8Bit(((drawing.signs[c] as number) * x) / 2 + 0.5));
    return [r as number, g as number, b as number];
  };
}

function channels(values: Values, drawing: ChannelsDrawing, invalid: Color): Painter {
  const size = values.width * values.height;
  return (i) => {
    const vector = [0, 1, 2].map((c) => values.data[c * size + i] as number);
    if (!vector.every(Number.isFinite)) return invalid;
    const { factor, offset, gamma } = drawing;
    const [r, g, b] = vector.map((x, c) => to8Bit(((gamma === 1 ? x : Math.max(0, x) ** gamma) * (factor[c] as number) + offset) / 255));
    return [r as number, g as number, b as number];
  };
}

function to8Bit(x: number): number {
  return round(Math.min(1, Math.max(0, x)) * 255);
}
