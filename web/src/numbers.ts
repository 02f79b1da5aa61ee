/** Rounding and percentiles as in Python, and numbers as text. */

/** Rounds to the nearest integer, and halves to the even one, as Python's `round`. */
export function round(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Returns the percentile of sorted values with linear interpolation, as NumPy's `percentile`. */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  const position = (percent / 100) * (sorted.length - 1);
  const low = Math.floor(position);
  const a = sorted[low] as number;
  const b = sorted[Math.min(low + 1, sorted.length - 1)] as number;
  return a + (b - a) * (position - low);
}

/** Returns a share in 0..1 as a percentage, such as `0.4 %` or `93 %`. */
export function percent(share: number): string {
  const value = 100 * share;
  return `${value > 0 && value < 10 ? value.toFixed(1) : value.toFixed(0)} %`;
}

/** Returns a number with its unit, if it has one. */
export function withUnit(x: number, unit: string): string {
  if (unit === "%") return percent(x);
  return unit ? `${inWords(x)} ${unit}` : inWords(x);
}

/** Returns a number with three significant digits: `0.123`, `12.3`, `123`. */
export function inWords(x: number): string {
  if (!Number.isFinite(x)) return "–";
  const size = Math.abs(x);
  const digits = size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return x.toFixed(digits);
}
