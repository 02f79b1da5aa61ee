/** Positions of values on a color scale, as in `taskscape.views`. */

import type { ScaleDrawing } from "../model/about.js";
import type { Values } from "../model/frame.js";
import { percentile } from "../numbers.js";

/** A scale fitted to the values of one map. */
export interface Fitted {
  readonly low: number;
  readonly high: number;
  /** Divisor of values: the median for relative depth, otherwise 1. */
  readonly divisor: number;
}

const cache = new WeakMap<Values, Fitted>();

/** Returns the scale fitted to a map, from the cache if possible. */
export function fit(values: Values, drawing: ScaleDrawing): Fitted {
  let fitted = cache.get(values);
  if (!fitted) {
    fitted = fitAnew(values, drawing);
    cache.set(values, fitted);
  }
  return fitted;
}

function fitAnew(values: Values, drawing: ScaleDrawing): Fitted {
  const usable = Float32Array.from(values.data as ArrayLike<number>).filter((x) => isUsable(x, drawing)).sort();
  const divisor = drawing.relative && usable.length ? percentile(usable, 50) : 1;
  if (drawing.ends) return { low: drawing.ends[0], high: drawing.ends[1], divisor };
  if (!usable.length) return { low: 1, high: 100, divisor };
  const low = percentile(usable, 2) / divisor;
  return { low, high: Math.max(percentile(usable, 98) / divisor, low + Math.abs(low) * 0.01 + 1e-9), divisor };
}

/** Returns whether a value has a position on the scale. */
export function isUsable(x: number, drawing: ScaleDrawing): boolean {
  return Number.isFinite(x) && (!drawing.logarithmic || x > 0);
}

/** Returns the position of a value, in 0..1 unless it is beyond the ends. */
export function position(x: number, fitted: Fitted, drawing: ScaleDrawing): number {
  const { low, high, divisor } = fitted;
  const value = x / divisor;
  return drawing.logarithmic ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}
